"""`bench init`: a first grid file for the user's own network and data set."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from benchmark.grids.code_names import refuse_import
from benchmark.grids.expand import entry_of
from benchmark.grids.schema import SCHEMA_FILE
from estimators.data.known import check_dataset
from estimators.data.load import image_shape, load_images
from estimators.errors import DataUnavailable, InputError
from estimators.networks.known import check_network
from estimators.spec import Spec
from estimators.writable import check_file
from estimators.yaml_values import flow
from reports.errors import TableError
from reports.results.atomic import replace_text
from reports.style.plain_text import plain

SAMPLES = 250
# in pixels of [0, 1]: strokes stay readable at 0.3; photographs change visibly from 8/255 on
GREY_EPS = ("0", "0.05", "0.1", "0.2", "0.3")
COLOUR_EPS = ("0", "1/255", "2/255", "4/255", "8/255")

TEXT = """\
# yaml-language-server: $schema={schema}
# Run it with:  {command}
# Each entry is a name, or a mapping of `name` and parameters; `bench list KIND` shows them.
name: {name}
description: {description}

# also: digits, mnist, cifar10, fashion_mnist, npz:PATH, imagefolder:PATH, package.module:function
datasets:
  - {dataset}

# also: torchvision:resnet18, package.module:factory. Parameters that every network takes:
#   weights: FILE.safetensors       (or .pt, read as data)
#   mean: [0.485, 0.456, 0.406]     (with std: the first layer, so that eps stays in pixels)
#   std: [0.229, 0.224, 0.225]
networks:
  - {network}

# oblivious: the attacker knows only the network; adaptive: the defence too
threats: [oblivious, adaptive]

defences:
  - none
  - quantize                        # 8 bits alone: the control that JPEG must beat
  - {{name: jpeg, quality: [75, 50, 25]}}

samples: {samples}                        # test images; also: all, balanced:10, ids.txt
seed: 0                             # draws the images and what is random in an attack

# eps is a distance in pixels of [0, 1]: 8/255 is eight grey levels of a photo's 255.
# A list stands for one attack per value.
attacks:
  - {{name: fgsm, eps: {eps}}}
  - {{name: pgd, eps: {iterative}}}
  - {{name: noise, eps: {eps}}}        # the control: no gradient
#  - cw                             # smallest L2; slow

# more products of data sets, networks, attacks, threats and defences, each with its own samples:
# blocks:
#   - {{}}
#   - {{attacks: [cw], samples: 50}}
"""


@dataclass(frozen=True)
class GridFile:
    """A new grid file.

    path: its path. command: the command that runs it.
    """

    path: Path
    command: str


def write_grid(
    network: Spec, dataset: str, path: Path, data_dir: Path | None = None, force: bool = False
) -> GridFile:
    """Write a commented grid file for a network and a data set.

    Samples and eps suit the data set where it can be read.

    Raises InputError for an unknown network or data set, for a file that exists and no `force`,
    and for a path that cannot be written.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"--out {path}: expected a name that ends in .yaml")
    check_file(path, f"--out {path}")
    if path.exists() and not force:
        raise InputError(f"--out {path}: exists already; --force overwrites it")
    check_network(network)
    check_dataset(dataset)
    text = grid_text(network, dataset, path, data_dir)
    try:
        replace_text(Path(os.path.realpath(path)), text)  # a link stays one
    except TableError as error:
        raise InputError(f"--out {error}") from error
    return GridFile(path, _command(network, dataset, path))


def grid_text(network: Spec, dataset: str, path: Path, data_dir: Path | None = None) -> str:
    """Return the text of a grid file for a network and a data set."""
    channels, images = _channels_and_size(dataset, data_dir)
    eps = GREY_EPS if channels == 1 else COLOUR_EPS
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem)
    return TEXT.format(
        schema=SCHEMA_FILE.as_uri(),
        command=plain(_command(network, dataset, path)),
        name=name.strip("-_")[:64] or "mine",
        description=flow(f"{network} on {dataset}"),
        dataset=flow(dataset),
        network=flow(entry_of(network)),
        samples=min(SAMPLES, images),
        eps=f"[{', '.join(eps)}]",
        iterative=f"[{', '.join(eps[1:])}]",
    )


def _channels_and_size(dataset: str, data_dir: Path | None) -> tuple[int, int]:
    """Return channels and number of test images; without the data, channels and SAMPLES."""
    try:
        images = load_images(dataset, "test", data_dir)
    except DataUnavailable:
        return image_shape(dataset)[0][0], SAMPLES
    return images.shape[0], len(images)


def _command(network: Spec, dataset: str, path: Path) -> str:
    """Return the command that runs a grid file."""
    command = f"bench run --grid {shlex.quote(str(path))}"
    try:
        refuse_import("networks", network.name)
        refuse_import("datasets", dataset)
    except InputError:
        return f"{command} --allow-import"
    return command

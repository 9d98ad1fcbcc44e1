"""Check the parameters of a grid's attacks, defences and networks before any data are loaded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from benchmark.attacks.corruptions.kinds import FAMILY
from benchmark.attacks.lookup import attack_norm, is_ours, library_of
from benchmark.attacks.steps.trial import CLASSES, SHAPE, check_built
from benchmark.grids.cell import Cell
from benchmark.threats import threat
from estimators.data.images import Images
from estimators.defences.build import build_defence
from estimators.errors import InputError, number
from estimators.networks.external import find_network
from estimators.networks.input_layers import normalised
from estimators.networks.known import NONE, WRAPPING
from estimators.networks.registry import NETWORKS
from estimators.plugins import ALLOWED_PACKAGE
from estimators.spec import Spec
from estimators.training.adversarial import build_training
from estimators.training_spec import split_training


def check_parameters(cells: Sequence[Cell]) -> None:
    """Raise InputError for the first bad parameter of an attack, a defence or a network.

    Each is built once, networks and attacks for small images. What needs the real images is left
    to `check_on_images`.
    """
    for defence in dict.fromkeys(cell.defence for cell in cells):
        build_defence(defence)
    attacks = dict.fromkeys(cell.attack for cell in cells)
    check_built(a for a in attacks if is_ours(a) or library_of(a.name) is not None)
    for network in dict.fromkeys(_networks(cells)):
        check_network(network)


def check_on_images(cells: Iterable[Cell], images: Mapping[str, Images]) -> None:
    """Raise InputError for the first attack that cannot be meant for these images.

    That is one whose eps in L0 or L1 is larger than any image's change, or one of a library that
    its class refuses. images: by data set; those that are unavailable are left out. Attacks of
    plug-ins are left to the run: they may need the very network that they attack.
    """
    pairs = dict.fromkeys((cell.dataset, cell.attack) for cell in cells)
    for dataset, attack in pairs:
        if dataset not in images:
            continue
        _check_eps(attack, dataset, images[dataset].shape)
        refuses = attack.name.startswith((ALLOWED_PACKAGE, f"{FAMILY}:"))
        if refuses or library_of(attack.name) is not None:
            of = images[dataset]
            check_built([attack], of.shape, len(of.classes))


def _check_eps(attack: Spec, dataset: str, shape: tuple[int, int, int]) -> None:
    """Raise InputError for an eps beyond the largest L0 or L1 norm of a change of an image."""
    eps, values = attack.get("eps"), math.prod(shape)
    if isinstance(eps, float) and eps > values and attack_norm(attack) in ("0", "1"):
        of = f"{dataset} has images of {values:,} values ({' x '.join(map(str, shape))})"
        raise InputError(f"attack {attack}: expected eps to be at most {values}: {of}")


def check_network(network: Spec) -> None:
    """Raise InputError for bad parameters of a network, as far as they are known without images.

    Those of every network (`mean`, `std`, `low_pass`), of a training and of the registry's own.
    """
    for param, kind in (("weights", "a file"), ("weights_key", "a name")):
        value = network.get(param)
        if not isinstance(value, (str, type(None))):
            text = f"expected {param} to be {kind}, got {value!r}"
            raise InputError(f"network {network.name}: {text}")
    mean, std = network.get("mean"), network.get("std")
    lengths = [len(value) for value in (mean, std) if isinstance(value, tuple)]
    normalised(nn.Identity(), mean, std, max([1, *lengths[:1]]), network.name)
    number("low_pass", network.get("low_pass", 0), 0, math.inf)
    architecture, training = split_training(network)
    if training is not None:
        build_training(training)
    if network.name in NETWORKS:
        find_network(architecture.without(*WRAPPING), SHAPE, CLASSES, NONE)


def _networks(cells: Iterable[Cell]) -> Iterable[Spec]:
    for cell in cells:
        yield cell.network
        source = threat(cell.threat).source
        if source is not None:
            yield source

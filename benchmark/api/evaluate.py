"""Evaluate a network and data that a caller has, by the engine of `bench run`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from benchmark.api.data import images_of
from benchmark.api.entries import attack_entries, entry, several
from benchmark.api.evaluation import Evaluation, read_evaluation
from benchmark.api.networks import Networks, checked_name, networks_of
from benchmark.api.progress import shown
from benchmark.api.streams import own_streams
from benchmark.execution.progress import Progress
from benchmark.grids.model import Grid, grid_of
from benchmark.grids.plain_values import plain_values
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.data.images import Images
from estimators.errors import InputError, unknown
from estimators.networks.handed.objects import Handed

NAME, DATA = "evaluation", "data"
# of data that are named; of data that are handed over, all images count
SAMPLES = 100
# what `evaluate` sets itself
_OWN = ("handed", "progress", "out", "report")


def evaluate(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    attacks: Any = ("fgsm", "pgd"),
    eps: Any = None,
    norm: Any = None,
    threats: Any = None,
    defences: Any = ("none",),
    samples: int | str | None = None,
    seed: int = 0,
    draws: int | None = None,
    certify: Any = None,
    engine: Literal["fast", "stock"] = "fast",
    network: str | None = None,
    dataset: str | None = None,
    classes: Sequence[str] | None = None,
    mean: Any = None,
    std: Any = None,
    labels: Mapping[str, str] | None = None,
    title: str = "",
    out: str | Path | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Evaluation:
    """Attack a network on images, and return how robust it is.

    Names, parameters and numbers are those of `bench run` on the same network and data.

    model: a torch.nn.Module from images [N, C, H, W] in [0, 1] to logits, a PyTorchClassifier of
        ART, or a name as `bench run --network` takes it; several as a list, or as a mapping from
        names to objects. It is copied, and left as it is.
    x, y: images and their classes as arrays or tensors: uint8, or floats in [0, 1]; [N, C, H, W],
        [N, H, W, C] or [N, H, W]. Or x alone: a DataLoader, a torch Dataset, a datasets.Dataset, or
        a name as `bench run --dataset` takes it.
    attacks, threats, defences, certify: names such as `fgsm`, `pgd:eps=8/255,max_iter=20` and
        `jpeg:75`, or mappings of `name` and parameters, where a list means several values. Without
        threats the attacker is oblivious, and where there is a defence, adaptive too.
    eps: bound of every attack that has one and names none itself: a number, a text such as `8/255`,
        or a list of these. In pixels of [0, 1], also for a classifier with other clip values.
    norm: of every attack that offers a choice and names none itself: `inf`, 2 or 1.
    samples: number of images, `all`, `first:100`, `balanced:10` or a file of ids; by default all
        images that are handed over, 100 of a named set.
    seed, draws, engine: as in a grid file.
    network, dataset: what results call an object that is handed over. classes: names of the
        classes, in the order of the outputs. labels: what is shown in the place of names.
    mean, std: numbers, or one per channel: the first layer becomes (x - mean) / std.
    title: of the page. out: run directory, with all files of `bench run`; without it no file stays.
    progress: whether to show it; or the functions to call.
    options: other fields of `RunOptions`: data_dir, device, threads, batch, memory, workers, ...

    Raises InputError, one line that says what to do, before any work.
    """
    _check_options(options)
    if isinstance(options.get("log"), str):
        options["log"] = (options["log"],)
    networks = networks_of(model, network, mean, std)
    with own_streams():
        data, images = _data(x, y, dataset, classes, networks)
    defended = [entry(named, "defences") for named in several(defences or ("none",))]
    if threats is None:
        bare = all(own["name"] == "none" for own in defended)
        threats = ("oblivious",) if bare else ("oblivious", "adaptive")
    content: dict[str, Any] = {
        "name": NAME,
        "datasets": [data],
        "networks": networks.entries,
        "attacks": attack_entries(attacks, eps, norm),
        "threats": several(threats),
        "defences": defended,
        "samples": samples if samples is not None else ("all" if images else SAMPLES),
        "seed": seed,
        "engine": engine,
        "certify": None if certify is None else [entry(c, "certify") for c in several(certify)],
    }
    if draws is not None:
        content["draws"] = draws
    told = {"title": title, "labels": dict(labels or {})}
    grid = grid_of({**plain_values(content), **told}, "evaluate", allow_import=True)
    handed = Handed({data: images} if images is not None else {}, networks.handed)
    return _run(grid, handed, out, progress, options)


def _run(
    grid: Grid,
    handed: Handed,
    out: str | Path | None,
    progress: bool | Progress,
    options: Mapping[str, Any],
) -> Evaluation:
    """Run a grid in its directory, or in one that goes away."""
    with ExitStack() as stack:
        kept = None if out is None else Path(out)
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stack.enter_context(own_streams())
        hooks = stack.enter_context(shown(progress))
        chosen = RunOptions(
            out=folder, handed=handed, progress=hooks, report=kept is not None, **options
        )
        return read_evaluation(run(grid, chosen), kept)


def _data(
    x: Any, y: Any, dataset: str | None, classes: Sequence[str] | None, networks: Networks
) -> tuple[str, Images | None]:
    """Return the name of the data, and the images where they are handed over."""
    if x is None and y is None and dataset is not None:
        x, dataset = dataset, None
    if x is None:
        raise InputError("evaluate: which data? pass images x and labels y, or a name: 'digits'")
    if not isinstance(x, (str, Path)):
        name = DATA if dataset is None else checked_name(dataset, "datasets", "data set")
        where = DATA if dataset is None else f"data set {name}"
        return name, images_of(x, y, classes, where, networks.span)
    given = {"y": y, "dataset": dataset, "classes": classes}
    named = next((key for key, value in given.items() if value is not None), None)
    if named is not None:
        raise InputError(f"{named}: belongs to data that are objects, and x is the name {str(x)!r}")
    return str(x), None


def _check_options(options: Mapping[str, Any]) -> None:
    """Raise InputError for an option that is none."""
    known = [field.name for field in fields(RunOptions) if field.name not in _OWN]
    for name in options:
        if name not in known:
            raise unknown("argument of evaluate", name, [*known, *(evaluate.__kwdefaults__ or ())])

"""Whether a run that has just ended gets a receipt, and which files that receipt names."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from benchmark.grids.model import Grid
from benchmark.runs.finished.receipt import Asked, asked, write_receipt
from benchmark.runs.finished.result import Result
from benchmark.runs.inputs import RunInputs
from benchmark.runs.options import RunOptions
from estimators.networks.cache_folder import default_cache
from estimators.networks.given import is_given
from estimators.training.checkpoints import SHIPPED
from estimators.training.precision import other_precision


def asked_of(grid: Grid, options: RunOptions) -> Asked | None:
    """Return what a run asks for; None for objects of the caller, and without plots and page."""
    if options.handed.images or options.handed.networks or not options.report:
        return None
    return asked(grid, {field.name: getattr(options, field.name) for field in fields(options)})


def finish(
    result: Result,
    grid: Grid,
    options: RunOptions,
    inputs: RunInputs,
    before: Asked | None,
    began: float,
) -> None:
    """Write the receipt of a run, or remove an old one.

    The store is closed, and the directory is still held. before: of `asked_of`, taken before the
    inputs were read, at the time `began`.
    """
    weights = _trained_files(inputs, began) if _is_complete(result, inputs) else None
    after = None if weights is None else asked_of(grid, options)
    write_receipt(result, before, after, weights or [])


def _is_complete(result: Result, inputs: RunInputs) -> bool:
    """Whether every row has numbers, and the run had nothing to warn of."""
    gone = len(result.skipped) + len(result.failed) + len(result.unproved)
    return not (gone or inputs.missing or inputs.squashed or any(inputs.warnings.values()))


def _trained_files(inputs: RunInputs, began: float) -> list[Path] | None:
    """Return the files of trained networks in the cache; None where others may take their place.

    Shipped weights are hashed with the code, files of weights that a grid names with the data.
    """
    files = []
    for (_, network), trained in inputs.networks.items():
        if is_given(network) or trained.path.parent == SHIPPED:
            continue
        # another precision: a checkpoint of the recipe's own would be preferred as soon as it comes
        if trained.path.parent != default_cache() or other_precision(trained.metadata):
            return None
        # changed after it was read
        if trained.reused and trained.path.stat().st_mtime >= began:
            return None
        files.append(trained.path)
    return files

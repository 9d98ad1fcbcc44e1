"""A grid from its cells to the files of a run directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.execution.dask_checks import check_scheduler
from benchmark.execution.environment import resolve_device
from benchmark.execution.executor import ExecutionReport, Executor
from benchmark.grids.cell import Cell
from benchmark.grids.model import Grid, grid_hash
from benchmark.runs.compute import compute
from benchmark.runs.executors import executor_for
from benchmark.runs.export import export, file_hashes, write_json
from benchmark.runs.gallery import write_gallery
from benchmark.runs.inputs import RunInputs, gather
from benchmark.runs.lock import hold, refuse_if_held
from benchmark.runs.manifest import manifest
from benchmark.runs.options import RunOptions
from benchmark.runs.rows import skipped
from benchmark.runs.store import Store
from estimators.atomic import PREFIX
from estimators.errors import InputError
from reports.audit.audit import write_audit
from reports.page.page import write_page
from reports.plots.plots import draw_all
from reports.results.columns import frame
from reports.results.manifest import MANIFEST
from reports.results.read_write import read_results
from reports.style.labels import read_labels

RUNS = Path("reports") / "runs"


@dataclass(frozen=True)
class Result:
    """A finished run.

    table: one row per cell, the columns of `results.csv`.
    directory: the run directory.
    reused: number of cells that were stored already.
    findings: the sanity checks, the columns of `audit.csv`.
    """

    table: pd.DataFrame
    directory: Path
    reused: int
    findings: pd.DataFrame

    @property
    def skipped(self) -> pd.DataFrame:
        """The rows whose data were unavailable."""
        return self.table[self.table["status"] == "skipped"]

    @property
    def failed(self) -> pd.DataFrame:
        """The rows that raised."""
        return self.table[self.table["status"] == "failed"]


def run_grid(grid: Grid, **options: Any) -> pd.DataFrame:
    """Run a grid and return its table: one row per cell, the columns of `results.csv`.

    options: the fields of `RunOptions`.
    """
    return run(grid, RunOptions(**options)).table


def run(grid: Grid, options: RunOptions | None = None, executor: Executor | None = None) -> Result:
    """Run a grid into its directory; cells that are stored there are not computed again.

    executor: computes the cells; by default the one that the options ask for.

    Raises InputError before anything is written where the grid or the options cannot be
    satisfied, and ClusterLost when a cluster goes away.
    """
    options = options or RunOptions()
    if options.baseline is not None:
        read_results(options.baseline)  # a bad baseline is reported before hours of work
    if options.scheduler is not None:
        check_scheduler(options.scheduler)
    # the workers of a scheduler may have GPUs where this machine has none
    elsewhere = options.scheduler is not None and options.device != "cpu"
    device = resolve_device("auto" if elsewhere else options.device)
    cells = grid.cells()
    directory = options.out or RUNS / f"{grid.name}-{grid_hash(cells)}"
    refuse_if_held(directory)
    inputs = gather(cells, options, device)
    keys = {cell: inputs.key(cell) for cell in cells}
    available = [cell for cell in cells if cell.dataset not in inputs.missing]
    with _open_store(directory, options) as store:
        stored = store.keys(failed=not options.retry_failed)
        missing = [cell for cell in available if keys[cell] not in stored]
        reused = len(available) - len(missing)
        executor = executor or executor_for(options, missing, inputs, device)
        report = compute(
            missing, keys, inputs, store, directory, executor, reused, options.progress
        )
        table = _table(cells, keys, inputs, store)
        export(table, store, [keys[cell] for cell in available], directory)
        _write_manifest(grid, cells, inputs, report, directory)
        findings = _write_reports(cells, table, inputs, directory, device, options)
    return Result(table, directory, reused, findings)


def _table(
    cells: list[Cell], keys: dict[Cell, str], inputs: RunInputs, store: Store
) -> pd.DataFrame:
    """Return the rows of all cells, those whose data are unavailable too."""
    rows = store.rows()
    for cell in cells:
        if cell.dataset in inputs.missing:
            rows[keys[cell]] = skipped(cell, keys[cell], inputs.missing[cell.dataset])
    return frame(rows[keys[cell]] for cell in cells)


def _write_manifest(
    grid: Grid, cells: list[Cell], inputs: RunInputs, report: ExecutionReport, directory: Path
) -> None:
    content = manifest(grid, cells, inputs, report)
    write_json(directory / MANIFEST, {**content, "files": file_hashes(directory)})


def _write_reports(
    cells: list[Cell],
    table: pd.DataFrame,
    inputs: RunInputs,
    directory: Path,
    device: str,
    options: RunOptions,
) -> pd.DataFrame:
    """Write plots, audit, gallery and page; return the findings of the audit."""
    options.progress.message("drawing plots")
    draw_all(table, directory / "plots", read_labels(directory))
    options.progress.message("checking for false robustness, writing the page")
    findings = write_audit(directory)
    write_gallery(cells, table, inputs, directory, device)
    write_page(directory, options.baseline)
    return findings


@contextmanager
def _open_store(directory: Path, options: RunOptions) -> Iterator[Store]:
    """Hold a run directory and open its store until the end of the block."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        claim = hold(directory)
    except OSError as error:
        raise InputError(
            f"output directory {directory}: cannot be written ({error.strerror or error});"
            " name another with --out"
        ) from error
    try:
        for stale in directory.glob(f"{PREFIX}*"):
            stale.unlink()  # a killed run left it
        store = Store(directory)
        try:
            for note in store.notes():
                options.progress.message(note)
            yield store
        finally:
            store.close()
    finally:
        claim.release()

"""A grid from its cells to the files of a run directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from benchmark.execution import dask_cluster as cluster
from benchmark.execution.dask_cluster import check_options
from benchmark.execution.executor import Used
from benchmark.execution.progress import Progress
from benchmark.execution.threads import (
    check_device,
    chosen_device,
    default_threads,
    execute,
    measured_threads,
)
from benchmark.grids.cell import Cell
from benchmark.grids.model import Grid, grid_hash
from benchmark.runs.compute import compute
from benchmark.runs.export import export, sealed, write_json
from benchmark.runs.gallery import write_gallery
from benchmark.runs.inputs import RunInputs, gather
from benchmark.runs.lock import hold, refuse_if_held
from benchmark.runs.manifest import manifest
from benchmark.runs.rows import skipped
from benchmark.runs.store import Store
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

    table: one row a cell, the columns of `results.csv`.
    directory: where everything is.
    reused: cells that were stored already.
    findings: the sanity checks, the columns of `audit.csv`.
    """

    table: pd.DataFrame
    directory: Path
    reused: int
    findings: pd.DataFrame

    @property
    def skipped(self) -> pd.DataFrame:
        """The rows whose data were not to be had."""
        return self.table[self.table["status"] == "skipped"]

    @property
    def failed(self) -> pd.DataFrame:
        """The rows that raised."""
        return self.table[self.table["status"] == "failed"]


def run_grid(
    grid: Grid,
    data_dir: Path | str | None = None,
    out: Path | str | None = None,
    device: str = "auto",
    threads: int | None = None,
    retry_failed: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """Run a grid and give its table: one row a cell, the columns of `results.csv`.

    workers, scheduler: as in `run`; a script that gives `workers` needs the usual
        `if __name__ == "__main__":`, since the processes import it.
    """
    folder = None if data_dir is None else Path(data_dir)
    where = None if out is None else Path(out)
    return run(
        grid,
        folder,
        where,
        device,
        threads,
        retry_failed,
        progress,
        workers=workers,
        scheduler=scheduler,
    ).table


def run(
    grid: Grid,
    data_dir: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    retry_failed: bool = False,
    progress: Progress | None = None,
    baseline: Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    trust_pickle: bool = False,
) -> Result:
    """Run a grid into its directory; what is stored there already is not computed again.

    baseline: a results CSV or run directory that the page compares this run with.
    workers: compute on so many processes of this machine; scheduler: on the workers of a Dask
        cluster, by the address of its scheduler. Without either: on threads of this process.
    trust_pickle: run what a .pt file asks for (`weight_files.read_weights`).

    Raises InputError before anything is written, where the grid asks for what cannot be, and
    ClusterLost when a cluster goes away.
    """
    progress = progress or Progress()
    if baseline is not None:
        read_results(baseline)  # a bad one is told before hours of work
    check_device(device)
    check_options(threads, workers, scheduler)
    asked = device
    # the workers of a scheduler may have GPUs where this machine has none
    device = chosen_device("auto" if scheduler and device != "cpu" else device)
    if threads is not None and threads < 1:
        raise InputError(f"threads: must be at least 1, found {threads}")
    cells = grid.cells()
    directory = out if out is not None else RUNS / f"{grid.name}-{grid_hash(cells)}"
    refuse_if_held(directory)  # so is one that another run holds
    inputs = gather(cells, data_dir, device, progress.message, progress.epoch, trust_pickle)
    keys = {cell: inputs.key(cell) for cell in cells}
    at_hand = [cell for cell in cells if cell.dataset not in inputs.missing]
    with _opened(directory, progress) as store:
        stored = store.keys(failed=not retry_failed)
        todo = [cell for cell in at_hand if keys[cell] not in stored]
        reused = len(at_hand) - len(todo)
        engine = _engine(todo, inputs, asked, device, threads, workers, scheduler, progress)
        used = compute(todo, keys, inputs, store, directory, engine, reused, progress)
        rows = store.rows()
        rows.update(
            (keys[cell], skipped(cell, keys[cell], inputs.missing[cell.dataset]))
            for cell in cells
            if cell.dataset in inputs.missing
        )
        table = frame(rows[keys[cell]] for cell in cells)
        export(table, store, [keys[cell] for cell in at_hand], directory)
        sources = inputs.sources()
        made_of = manifest(grid, cells, sources, inputs.missing, used.device, used.threads)
        made_of["machine"]["workers"] = used.processors
        write_json(directory / MANIFEST, sealed(made_of, directory))
        progress.message("drawing plots")
        draw_all(table, directory / "plots", read_labels(directory))
        progress.message("checking for false robustness, writing the page")
        findings = write_audit(directory)
        write_gallery(cells, table, inputs, directory, device)
        write_page(directory, baseline)
    return Result(table, directory, reused, findings)


def _threads(todo: list[Cell], inputs: RunInputs, device: str) -> int:
    """Chosen by measurement on the network that most cells want."""
    if not todo:
        return default_threads(device)
    wanted = Counter((cell.dataset, cell.network) for cell in todo)
    (dataset, network), _ = wanted.most_common(1)[0]
    trained = inputs.networks[dataset, network].network
    return measured_threads(trained, inputs.images[dataset], device)


def _engine(
    todo: list[Cell],
    inputs: RunInputs,
    asked: str,
    device: str,
    threads: int | None,
    workers: int | None,
    scheduler: str | None,
    progress: Progress,
) -> Callable[..., Used]:
    """Where to compute: a cluster where one is asked for and needed, else this process."""
    if todo and (workers is not None or scheduler is not None):
        return partial(
            cluster.execute,
            workers=workers,
            scheduler=scheduler,
            device=asked,
            message=progress.message,
        )
    return partial(execute, threads=threads or _threads(todo, inputs, device), device=device)


@contextmanager
def _opened(directory: Path, progress: Progress) -> Iterator[Store]:
    """The store of a run directory, which no other run may use until the end of the block."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        claim = hold(directory)
    except OSError as error:
        raise InputError(
            f"output directory {directory}: cannot be written ({error.strerror or error});"
            " name another with --out"
        ) from error
    try:
        store = Store(directory)
        try:
            for note in store.notes():
                progress.message(note)
            yield store
        finally:
            store.close()
    finally:
        claim.release()

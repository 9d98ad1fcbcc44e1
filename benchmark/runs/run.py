"""A grid from its cells to the files of a run directory."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pandas as pd

from benchmark.certificates.certify import BATCH as BOUNDED
from benchmark.certificates.memory import proof_need
from benchmark.execution.chunk_size import fit, fit_proofs, memory_budget
from benchmark.execution.dask_checks import check_scheduler
from benchmark.execution.dask_executor import DaskExecutor
from benchmark.execution.environment import default_threads, resolve_device
from benchmark.execution.executor import PROOF_CHUNK, Executor
from benchmark.execution.memory import keep_memory
from benchmark.execution.threads import ThreadExecutor, measured_threads
from benchmark.grids.cell import Cell
from benchmark.grids.identity import identity
from benchmark.grids.model import Grid
from benchmark.grids.proof import Proof
from benchmark.runs.adversarial import AdversarialFiles
from benchmark.runs.compute import compute
from benchmark.runs.export import export, file_hashes, write_json
from benchmark.runs.finished.complete import asked_of, finish
from benchmark.runs.finished.result import Result, directory_of
from benchmark.runs.inputs import RunInputs
from benchmark.runs.labels import grid_labels
from benchmark.runs.loading.gather import gather
from benchmark.runs.lock import hold, refuse_if_held
from benchmark.runs.manifest import manifest
from benchmark.runs.options import RunOptions
from benchmark.runs.proofs import Certificates, certificates, proved_columns, write_certificates
from benchmark.runs.rows import skipped
from benchmark.runs.store import Store
from estimators.atomic import sweep_all
from estimators.errors import InputError
from estimators.writable import check_folder
from reports.audit.audit import write_audit
from reports.classes.files import write_classes
from reports.corruptions.errors import write_corruptions
from reports.exports.trackers import give_to_trackers
from reports.results.certificates import FILE as CERTIFICATES
from reports.results.columns import RESULTS, frame
from reports.results.manifest import MANIFEST
from reports.results.read_write import read_results
from reports.results.replacing import refuse_replacing
from reports.results.unfinished import AGAIN, being_written, is_unfinished
from reports.style.labels import labels_of, read_labels


def run(grid: Grid, options: RunOptions | None = None, executor: Executor | None = None) -> Result:
    """Run a grid into its directory; cells that are stored there are not computed again.

    executor: computes the cells; by default the one that the options ask for.

    Raises InputError before anything is written where the grid or the options cannot be
    satisfied, and ClusterLost when a cluster goes away.
    """
    options = options or RunOptions()
    keep_memory()  # before the checks of networks, and before threads start
    if options.baseline is not None:
        read_results(options.baseline)  # a bad baseline is reported before hours of work
    if options.scheduler is not None:
        check_scheduler(options.scheduler)
    # the workers of a scheduler may have GPUs where this machine has none
    elsewhere = options.scheduler is not None and options.device != "cpu"
    device = resolve_device("auto" if elsewhere else options.device)
    cells, proofs, labels = grid.cells(), grid.proofs(), grid_labels(grid)
    shown = labels_of(labels)
    options.progress.labels(shown)
    directory = directory_of(grid, options.out)
    refuse_if_held(directory)
    check_folder(directory, f"output directory {directory}", "name another with --out")
    finishing = options.progress.finishing
    options.progress.step("reading data and networks")
    if not options.replace and (directory / RESULTS).is_file():
        planned = frame({**identity(cell), "draws": cell.draws} for cell in cells)
        refuse_replacing(directory, planned, grid.name)
    began = time.time()
    before = asked_of(grid, options)
    inputs = gather(cells, options, device, proofs, shown)
    threads = _fit_memory(inputs, options, device, cells, proofs)
    keys = {cell: inputs.key(cell) for cell in cells}
    available = [cell for cell in cells if cell.dataset not in inputs.missing]
    proof_keys = {p: inputs.proof_key(p) for p in proofs if p.dataset not in inputs.missing}
    with _open_store(directory, options) as store:
        stored = store.keys(failed=not options.retry_failed)
        missing = [cell for cell in available if keys[cell] not in stored]
        files = None
        if options.save_adversarial:
            files = AdversarialFiles.of(available, inputs, directory)
            again = _without_images(files, available, missing, store.keys(failed=False), keys)
            # in the order of the grid, where cells of one network come together
            wanted = {*missing, *again}
            missing = [cell for cell in available if cell in wanted]
        reused = len(available) - len(missing)
        unproved = [proof for proof, key in proof_keys.items() if key not in stored]
        waiting: list[Cell | Proof] = [*missing, *unproved]
        executor = executor or _executor_for(options, waiting, inputs, device, threads)
        every: dict[Cell | Proof, str] = dict([*keys.items(), *proof_keys.items()])
        report = compute(
            missing,
            unproved,
            every,
            inputs,
            store,
            directory,
            executor,
            reused,
            options.progress,
            files,
        )
        if files is not None:
            files.write_index(keys)
        with being_written(directory):
            finishing("writing tables")
            known = certificates(proof_keys, store.rows())
            table = _table(cells, keys, inputs, store, known)
            export(table, store, [keys[cell] for cell in available], directory)
            write_certificates(known, available, keys, store, directory / CERTIFICATES)
            content = manifest(grid, cells, inputs, report, table, labels)
            write_json(directory / MANIFEST, {**content, "files": file_hashes(directory)})
            finishing("checking for false robustness")
            findings = write_audit(directory)
            write_corruptions(directory)
            write_classes(directory)
            # plots and page take 55 MB, which the passes of large networks need before
            if options.report:
                from benchmark.runs.finished.shown import write_shown

                write_shown(cells, table, inputs, directory, device, options)
        failed = {str(proof): reason for proof, reason in known.failed.items()}
        from reports.plots.plots import left_out

        unplotted = left_out(table, read_labels(directory))
        result = Result(table, directory, reused, findings, failed, unplotted)
        store.close()
        finish(result, grid, options, inputs, before, began)
    give_to_trackers(options.log, directory, options.progress.message)
    return result


def _without_images(
    files: AdversarialFiles,
    cells: Sequence[Cell],
    missing: Sequence[Cell],
    done: Collection[str],
    keys: Mapping[Cell, str],
) -> list[Cell]:
    """Return finished cells whose images are not there, one for each archive: they run again.

    missing: cells that run anyway. done: the keys of those that are finished and did not fail.
    """
    soon = {files.names[cell] for cell in missing}
    finished = [cell for cell in cells if keys[cell] in done]
    return [cell for cell in files.missing(finished) if files.names[cell] not in soon]


def _table(
    cells: list[Cell], keys: dict[Cell, str], inputs: RunInputs, store: Store, known: Certificates
) -> pd.DataFrame:
    """Return the rows of all cells, those whose data are unavailable too."""
    rows = store.rows()
    for cell in cells:
        if cell.dataset in inputs.missing:
            rows[keys[cell]] = skipped(cell, keys[cell], inputs.missing[cell.dataset])
    own = (rows[keys[cell]] for cell in cells)
    pairs = zip(cells, own, strict=True)
    return frame({**row, **proved_columns(cell, row, known)} for cell, row in pairs)


def _fit_memory(
    inputs: RunInputs,
    options: RunOptions,
    device: str,
    cells: Sequence[Cell],
    proofs: Sequence[Proof],
) -> int:
    """Set the images per chunk of each network; return how many threads fit into the memory.

    cells, proofs: all that are asked for.

    Raises InputError where one image in one thread does not fit.
    """
    needs = {pair: of.on(device) for pair, of in inputs.needs.items()}
    # a worker of somebody else's cluster has memory of its own
    threads = 1 if options.scheduler else options.workers or options.threads
    threads = threads or default_threads(device)
    budget = math.inf, ""
    if options.memory is not None or options.scheduler is None:
        budget = memory_budget(options.memory, device)
    if options.batch is not None:
        needs = {
            pair: of._replace(chunk=min(of.chunk, options.batch)) for pair, of in needs.items()
        }
    result = fit(needs, threads, *budget, cells)
    pairs = {proof: (proof.dataset, proof.network) for proof in proofs}
    proved = {
        proof: proof_need(inputs.graphs[pair], proof.method, PROOF_CHUNK)
        for proof, pair in pairs.items()
        if pair in inputs.graphs
    }
    result = fit_proofs(result, needs, proved, *budget)
    inputs.chunks, inputs.bounded = result.chunks, result.bounded
    for pair, chunk in inputs.chunks.items():
        if chunk < needs[pair].chunk:
            options.progress.message(
                f"{pair[1]} on {pair[0]}: {chunk} instead of {needs[pair].chunk} images per chunk,"
                f" to stay below {budget[1]}"
            )
    for pair, images in inputs.bounded.items():
        if images < BOUNDED:
            options.progress.message(
                f"{pair[1]} on {pair[0]}: certificates bound {images} instead of {BOUNDED} images"
                f" at once, to stay below {budget[1]}"
            )
    if result.threads < threads:
        options.progress.message(
            f"{result.threads} of {threads} threads, to stay below {budget[1]}"
        )
    return result.threads


def _executor_for(
    options: RunOptions, cells: Sequence[Cell | Proof], inputs: RunInputs, device: str, most: int
) -> Executor:
    """Return the executor that the options ask for; without cells no cluster is started.

    cells: the cells to compute. device: the device of this process. most: threads that fit.
    """
    if cells and options.uses_cluster:
        message = options.progress.message
        workers = options.workers and min(options.workers, most)
        return DaskExecutor(workers, options.scheduler, options.device, message)
    threads = options.threads or _fastest_threads(cells, inputs, device)
    return ThreadExecutor(min(threads, most), device)


def _fastest_threads(cells: Sequence[Cell | Proof], inputs: RunInputs, device: str) -> int:
    """Measure the number of threads on the network that most cells have."""
    if not cells:
        return default_threads(device)
    counts = Counter((cell.dataset, cell.network) for cell in cells)
    (dataset, network), _ = counts.most_common(1)[0]
    pair = dataset, network
    trained, chunk = inputs.networks[pair].network, inputs.chunks[pair]
    return measured_threads(trained, inputs.images[dataset], device, chunk)


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
    with ExitStack() as stack:
        stack.callback(claim.release)
        if is_unfinished(directory):
            options.progress.message(f"{directory}: {AGAIN}")
        sweep_all(directory)
        store = Store(directory)
        stack.callback(store.close)
        for note in store.notes():
            options.progress.message(note)
        yield store

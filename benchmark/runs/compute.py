"""The cells of a run through an executor and into the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark.execution.executor import ChunkOutcomes, ExecutionReport, Executor, Failure
from benchmark.execution.outcome import Outcome, Proved
from benchmark.execution.plan import ProofTask, Task, Work, plan
from benchmark.execution.progress import Progress
from benchmark.grids.cell import Cell
from benchmark.grids.proof import Proof
from benchmark.runs.adversarial import AdversarialFiles
from benchmark.runs.inputs import RunInputs
from benchmark.runs.proofs import failed_proof, proved
from benchmark.runs.rows import failed, ok
from benchmark.runs.store import Store, Stored
from benchmark.runs.work import expected_work
from estimators.appending import append_text
from estimators.data.images import Images

LOG = "failures.log"


def compute(
    cells: Sequence[Cell],
    proofs: Sequence[Proof],
    keys: Mapping[Cell | Proof, str],
    inputs: RunInputs,
    store: Store,
    directory: Path,
    executor: Executor,
    reused: int,
    progress: Progress,
    files: AdversarialFiles | None = None,
) -> ExecutionReport:
    """Compute cells on an executor, and store each cell when its task is complete.

    proofs: certificates to compute, too. keys: the keys of cells and proofs.
    reused: number of cells that are stored already. files: takes the adversarial images; an archive
    is complete before its cells are stored.
    Tracebacks of cells that raise, and images that cannot be read, go to `failures.log` in the
    directory.
    """
    crafted = (replace(task, keeps_images=files is not None) for task in plan(cells))
    lost = {proof: inputs.unusable.get((proof.dataset, proof.network)) for proof in proofs}
    store.put(failed_proof(keys[proof], why, 0.0) for proof, why in lost.items() if why)
    provable = [proof for proof, why in lost.items() if not why]
    tasks: list[Work] = [*crafted, *(ProofTask((proof,)) for proof in provable)]
    unreadable = _Unreadable(directory / LOG, progress.message)
    work = expected_work(tasks, inputs)

    def images_of(task: Work) -> Images:
        return inputs.subset(task.dataset, task.samples, task.seed)

    progress.started(len(cells) + len(provable), reused, sum(work.values()))

    def on_chunk(task: Work, chunks: int) -> None:
        progress.advanced(task, work[id(task)] / chunks, 0)

    def on_task(task: Work, parts: list[ChunkOutcomes] | Failure, seconds: float) -> None:
        share = seconds / len(task.cells)
        unreadable.note(task.dataset, images_of(task))
        if not isinstance(parts, Failure) and not any(parts):
            parts = Failure("InputError: none of its images can be read", f"see {LOG}\n")
        if isinstance(parts, Failure):
            append_text(directory / LOG, f"{task.cells[0]}\n{parts.trace}\n")
            message = parts.message
            rows = (_failed(c, keys[c], inputs, message, share) for c in task.cells)
            where = inputs.labels.subject(task.dataset, str(task.network))
            reason = inputs.labels.in_text(parts.message)
            progress.message(f"failed: {where}, {inputs.labels.attack(task.name)}: {reason}")
            if files is not None and isinstance(task, Task):
                files.drop(task)
        else:
            if files is not None and isinstance(task, Task):
                files.finish(task)
            # one cell at a time: all cells of a large sample joined would not fit into memory
            done = [part for part in parts if part]
            rows = (_done(c, keys[c], inputs, done, share) for c in task.cells)
        store.put(rows)
        progress.advanced(task, 0.0, len(task.cells))

    def on_images(task: Work, chunk: int, outcomes: ChunkOutcomes) -> ChunkOutcomes:
        if files is None or not isinstance(task, Task):
            return outcomes
        return files.take(task, chunk, outcomes)

    return executor.execute(tasks, images_of, inputs.models(), on_chunk, on_task, on_images)


def _done(
    cell: Cell | Proof, key: str, inputs: RunInputs, parts: list[ChunkOutcomes], seconds: float
) -> Stored:
    """Return what is stored of a finished cell or certificate."""
    found = [part[cell] for part in parts]
    if isinstance(cell, Proof):
        whole = Proved.joined(part for part in found if isinstance(part, Proved))
        return proved(key, whole, seconds)
    outcome = Outcome.joined(part for part in found if isinstance(part, Outcome))
    return ok(cell, key, inputs, outcome, seconds)


def _failed(
    cell: Cell | Proof, key: str, inputs: RunInputs, message: str, seconds: float
) -> Stored:
    """Return what is stored of a cell or certificate that raised."""
    if isinstance(cell, Proof):
        return failed_proof(key, message, seconds)
    return failed(cell, key, inputs, message, seconds)


@dataclass
class _Unreadable:
    """The images that could not be read: each is a line of `failures.log`, once per run."""

    log: Path
    message: Callable[[str], None]
    noted: set[tuple[str, int]] = field(default_factory=set)

    def note(self, dataset: str, images: Images) -> None:
        """Write down the images of a task that are new; say how many the task lacks."""
        reasons = images.unreadable()
        new = {i: text for i, text in reasons.items() if (dataset, i) not in self.noted}
        if not new:
            return
        self.noted.update((dataset, image) for image in new)
        lines = (f"{dataset}: image {image}: {text}\n" for image, text in new.items())
        append_text(self.log, "".join(lines))
        self.message(
            f"warning: {dataset}: {len(reasons)} of {len(images)} images cannot be read and are"
            f" left out, see {self.log.name}"
        )

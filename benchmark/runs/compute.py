"""The cells of a run through an executor and into the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark.execution.executor import ChunkOutcomes, ExecutionReport, Executor, Failure
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Task, plan
from benchmark.execution.progress import Progress
from benchmark.grids.cell import Cell
from benchmark.runs.adversarial import AdversarialFiles
from benchmark.runs.inputs import RunInputs
from benchmark.runs.rows import failed, ok
from benchmark.runs.store import Store
from benchmark.runs.work import expected_work
from estimators.data.images import Images

LOG = "failures.log"


def compute(
    cells: Sequence[Cell],
    keys: Mapping[Cell, str],
    inputs: RunInputs,
    store: Store,
    directory: Path,
    executor: Executor,
    reused: int,
    progress: Progress,
    files: AdversarialFiles | None = None,
) -> ExecutionReport:
    """Compute cells on an executor, and store each cell when its task is complete.

    keys: the keys of the cells. reused: number of cells that are stored already. files: takes the
    adversarial images; an archive is complete before its cells are stored.
    Tracebacks of cells that raise, and images that cannot be read, go to `failures.log` in the
    directory.
    """
    tasks = [replace(task, keeps_images=files is not None) for task in plan(cells)]
    unreadable = _Unreadable(directory / LOG, progress.message)
    work = expected_work(tasks, inputs)

    def images_of(task: Task) -> Images:
        return inputs.subset(task.dataset, task.samples, task.seed)

    progress.started(len(cells), reused, sum(work.values()))

    def on_chunk(task: Task, chunks: int) -> None:
        progress.advanced(task, work[id(task)] / chunks, 0)

    def on_task(task: Task, parts: list[ChunkOutcomes] | Failure, seconds: float) -> None:
        share = seconds / len(task.cells)
        unreadable.note(task.dataset, images_of(task))
        if not isinstance(parts, Failure) and not any(parts):
            parts = Failure("InputError: none of its images can be read", f"see {LOG}\n")
        if isinstance(parts, Failure):
            with (directory / LOG).open("a", encoding="utf-8") as log:
                log.write(f"{task.cells[0]}\n{parts.trace}\n")
            rows = (failed(c, keys[c], inputs, parts.message, share) for c in task.cells)
            progress.message(f"failed: {task.cells[0]}: {parts.message}")
            if files is not None:
                files.drop(task)
        else:
            if files is not None:
                files.finish(task)
            # one cell at a time: all cells of a large sample joined would not fit into memory
            rows = (
                ok(c, keys[c], inputs, Outcome.joined(part[c] for part in parts if part), share)
                for c in task.cells
            )
        store.put(rows)
        progress.advanced(task, 0.0, len(task.cells))

    on_images = None if files is None else files.take
    return executor.execute(tasks, images_of, inputs.models(), on_chunk, on_task, on_images)


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
        with self.log.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.writelines(f"{dataset}: image {image}: {text}\n" for image, text in new.items())
        self.message(
            f"warning: {dataset}: {len(reasons)} of {len(images)} images cannot be read and are"
            f" left out, see {self.log.name}"
        )

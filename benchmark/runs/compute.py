"""The cells of a run through an executor and into the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from benchmark.attacks.lookup import expected_passes
from benchmark.execution.chunk import scorer_key
from benchmark.execution.executor import ChunkOutcomes, ExecutionReport, Executor, Failure
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Task, plan
from benchmark.execution.progress import Progress
from benchmark.grids.cell import Cell
from benchmark.runs.inputs import RunInputs
from benchmark.runs.rows import failed, ok
from benchmark.runs.store import Store
from estimators.data.images import Images
from estimators.errors import NetworkError

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
) -> ExecutionReport:
    """Compute cells on an executor, and store each cell when its task is complete.

    keys: the keys of the cells. reused: number of cells that are stored already.
    Tracebacks of cells that raise, and images that cannot be read, go to `failures.log` in the
    directory.
    """
    tasks = plan(cells)
    unreadable = _Unreadable(directory / LOG, progress.message)
    work = _expected_work(tasks, inputs)

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
        else:
            # one cell at a time: all cells of a large sample joined would not fit into memory
            rows = (
                ok(c, keys[c], inputs, Outcome.joined(part[c] for part in parts if part), share)
                for c in task.cells
            )
        store.put(rows)
        progress.advanced(task, 0.0, len(task.cells))

    return executor.execute(tasks, images_of, inputs.models(), on_chunk, on_task)


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


def _expected_work(tasks: Sequence[Task], inputs: RunInputs) -> dict[int, float]:
    """Return the expected cost of each task by its id, in seconds of forward passes of 25 images.

    An attack states its passes, averaged over draws where its gradients are. Each cell is scored
    once under attack, and each defence once without. The time left is estimated from it.
    """
    seconds = {
        pair: _forward_seconds(trained.network, inputs.images[pair[0]][: inputs.chunks[pair]])
        for pair, trained in inputs.networks.items()
    }
    return {
        id(task): len(inputs.subset(task.dataset, task.samples, task.seed))
        * (_crafting_passes(task, len(inputs.images[task.dataset].classes)) + _scoring_passes(task))
        * seconds[task.dataset, task.network]
        for task in tasks
    }


def _crafting_passes(task: Task, classes: int) -> float:
    """Return the passes per image of the attacks of a task; several eps share one gradient."""
    return task.view.draws * expected_passes(task.attacks[0], classes)


def _scoring_passes(task: Task) -> int:
    """Return the forward passes per image that score the cells of a task."""
    return len(task.cells) + len({scorer_key(cell) for cell in task.cells})


def _forward_seconds(network: nn.Module, images: Images) -> float:
    """Return the seconds of a forward pass of 25 images, or a chunk's, which compares networks.

    A network that raises fails its cells later, in next to no time.
    """
    x = torch.from_numpy(images.beginning(25).x)
    start = time.perf_counter()
    with suppress(NetworkError), torch.inference_mode():
        network(x)
        start = time.perf_counter()
        network(x)
    return (time.perf_counter() - start) * 25 / len(x)

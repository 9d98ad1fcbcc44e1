"""What every executor has in common: tasks cut into chunks, chunks through a pool of workers."""

from __future__ import annotations

import math
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from torch import nn

from benchmark.certificates.certify import BATCH as BOUNDED
from benchmark.certificates.graph import Graph
from benchmark.execution.chunk import ClassifierCache
from benchmark.execution.outcome import Outcome, Proved
from benchmark.execution.plan import ProofTask, Work
from benchmark.grids.cell import Cell
from benchmark.grids.proof import Proof
from estimators.classifier import BATCH
from estimators.data.images import Images
from estimators.networks.running.cheaper_passes import CheaperPasses
from estimators.plugins import describe_error
from estimators.spec import Spec

# images per chunk of a certificate, which takes seconds for each
PROOF_CHUNK = 24


class TrainedNetwork(NamedTuple):
    """A network as workers get it.

    shape: of its images, [channels, height, width].
    classes: their number.
    passes: how it is run in less time than by torch's own layers, as images have proved.
    chunk: images per chunk, and per pass through the network at most.
    squashed: its outputs are squashed (`estimators.networks.checks.squashed`).
    graph: its steps, for certificates; None where none is asked for.
    bounded: images that certificates bound at once.
    """

    network: nn.Module
    shape: tuple[int, int, int]
    classes: int
    passes: CheaperPasses = CheaperPasses()
    chunk: int = BATCH
    squashed: bool = False
    graph: Graph | None = None
    bounded: int = BOUNDED


@dataclass(frozen=True)
class Failure:
    """A task that raised.

    message: class and first line of the exception. trace: its traceback.
    """

    message: str
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return the failure for an exception that is being handled."""
        return cls(describe_error(error), traceback.format_exc())


@dataclass(frozen=True)
class ExecutionReport:
    """What the tasks were computed on.

    device: `cpu` or a GPU.
    threads: threads of this process, or of all workers of a cluster at the end.
    processors: number of chunks per processor name of the workers; empty for this process.
    """

    device: str
    threads: int
    processors: dict[str, int] = field(default_factory=dict)


# networks by data set and name
Networks = Mapping[tuple[str, Spec], TrainedNetwork]
# the outcomes of the cells of one chunk, or its certificate
ChunkOutcomes = dict[Cell | Proof, Outcome | Proved]
# computes one chunk; `benchmark.execution.chunk.run_chunk` is the one that does the work
RunChunk = Callable[[Work, Images, ClassifierCache], ChunkOutcomes]
# a chunk's outcomes or failure, and its seconds
ChunkResult = tuple[ChunkOutcomes | Failure, float]
# called with a task and its number of chunks, after each chunk
OnChunk = Callable[[Work, int], None]
# called with a task, the number of a chunk and its outcomes; returns these without images
OnImages = Callable[[Work, int, ChunkOutcomes], ChunkOutcomes]
# called with a task, the outcomes of its chunks in the order of the images, and its seconds
OnTask = Callable[[Work, list[ChunkOutcomes] | Failure, float], None]


Handle = TypeVar("Handle")


class Pool(Protocol[Handle]):
    """The workers of an executor; `Handle` is what stands for a chunk that was submitted."""

    @property
    def limit(self) -> int:
        """The number of chunks that may be submitted and unfinished, which bounds the memory."""

    def submit(self, task: Work, images: Images) -> Handle:
        """Begin a chunk."""

    def finished(self, handles: Collection[Handle]) -> Collection[Handle]:
        """Wait until at least one chunk has finished; return those that have."""

    def result(self, handle: Handle) -> ChunkResult:
        """Return the result of a finished chunk."""

    def report(self) -> ExecutionReport:
        """Return what the chunks were computed on."""


class Executor(ABC):
    """A place where tasks are computed: the threads of this process, or a cluster."""

    @abstractmethod
    def pool(self, networks: Networks) -> AbstractContextManager[Pool[Any]]:
        """Provide workers that have the networks, until the block ends."""

    def execute(
        self,
        tasks: Sequence[Work],
        images_of: Callable[[Work], Images],
        networks: Networks,
        on_chunk: OnChunk,
        on_task: OnTask,
        on_images: OnImages | None = None,
    ) -> ExecutionReport:
        """Compute tasks; call `on_chunk` and `on_task` in the calling thread as they finish.

        images_of: returns the images of a task.
        on_images: takes the adversarial images of tasks that keep them, chunk by chunk, so that
            they are not in memory all at once.

        Raises ClusterLost when a cluster goes away, InputError for one that cannot be used.
        """
        with self.pool(networks) as pool:
            run_chunks(tasks, images_of, networks, pool, on_chunk, on_task, on_images)
            return pool.report()


def run_chunks(
    tasks: Sequence[Work],
    images_of: Callable[[Work], Images],
    networks: Networks,
    pool: Pool[Handle],
    on_chunk: OnChunk,
    on_task: OnTask,
    on_images: OnImages | None = None,
) -> None:
    """Compute tasks chunk by chunk on a pool; report each task as soon as it is complete.

    A chunk has as many images on every pool, so the arithmetic and the result do not depend on it.
    """
    # the task's state and the number of the chunk in it
    pending: dict[Handle, tuple[_TaskState, int]] = {}

    def wait(limit: int) -> None:
        """Handle finished chunks until at most `limit` are pending."""
        while len(pending) > limit:
            for handle in pool.finished(pending.keys()):
                state, chunk = pending.pop(handle)
                outcomes, seconds = pool.result(handle)
                if on_images is not None and not isinstance(outcomes, Failure):
                    outcomes = on_images(state.task, chunk, outcomes)
                state.add(chunk, outcomes, seconds)
                on_chunk(state.task, state.chunks)
                if len(state.parts) == state.chunks:
                    on_task(state.task, state.result(), state.seconds)

    for task in tasks:
        images = images_of(task)
        parts = chunks(len(images), chunk_of(task, networks))
        state = _TaskState(task, len(parts))
        for number, part in enumerate(parts):
            pending[pool.submit(task, images[part])] = state, number
            wait(pool.limit)
    wait(0)


def chunk_of(task: Work, networks: Networks) -> int:
    """Return the images per chunk of a task: as many as the largest of its networks takes."""
    names = {task.network, *(cell.network for cell in task.cells)}
    most = min(networks[task.dataset, name].chunk for name in names)
    return min(most, PROOF_CHUNK) if isinstance(task, ProofTask) else most


def chunks(count: int, size: int) -> list[slice]:
    """Return the parts of so many images, each of at most `size`.

    Parts of fewer than BATCH are of nearly equal size: in a part of one image networks round
    differently.
    """
    if size >= BATCH:
        return [slice(start, start + size) for start in range(0, count, size)]
    parts = math.ceil(count / size)
    return [slice(count * n // parts, count * (n + 1) // parts) for n in range(parts)]


@dataclass
class _TaskState:
    """A task whose chunks are being computed.

    parts: outcomes by number of the chunk. seconds: of these. failure: the first.
    """

    task: Work
    chunks: int
    parts: dict[int, ChunkOutcomes] = field(default_factory=dict)
    seconds: float = 0.0
    failure: Failure | None = None

    def add(self, chunk: int, outcomes: ChunkOutcomes | Failure, seconds: float) -> None:
        self.seconds += seconds
        if isinstance(outcomes, Failure):
            self.failure = self.failure or outcomes
            outcomes = {}
        self.parts[chunk] = outcomes

    def result(self) -> list[ChunkOutcomes] | Failure:
        return self.failure or [self.parts[chunk] for chunk in range(self.chunks)]

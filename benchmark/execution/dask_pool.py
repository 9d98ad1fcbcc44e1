"""The workers of a Dask cluster as a pool: what is sent, which workers died, when to give up."""

from __future__ import annotations

import asyncio
import concurrent.futures
import pickle
import queue
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from distributed import KilledWorker

from benchmark.execution import dask_worker
from benchmark.execution.dask_values import Values
from benchmark.execution.environment import decisive_versions
from benchmark.execution.errors import ClusterLost, UnfitWorker
from benchmark.execution.executor import ChunkResult, ExecutionReport, Failure, Networks
from benchmark.execution.plan import ProofTask, Work
from benchmark.execution.plugin_code import plugin_code
from estimators.data.images import Images
from estimators.errors import InputError

# seconds
ANSWER_TIMEOUT = 30.0  # until a scheduler that answered before is given up
NO_WORKER_TIMEOUT = 600.0  # without any worker until the run ends
CHECK_INTERVAL = 5.0  # between two checks of the workers
RESTART_AFTER = 20.0  # without a worker of a local cluster until new ones are started

CANCELLED = (concurrent.futures.CancelledError, asyncio.CancelledError)
TIMEOUT = (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError)


@dataclass(frozen=True)
class _Chunk:
    """A submitted chunk, and what is needed to submit it again if its worker dies."""

    task: Work
    images: Images
    future: Any


@dataclass
class DaskPool:
    """A pool whose chunks are Dask tasks; the key of a Dask task stands for its chunk.

    client: a `distributed.Client`.
    networks: every network of the run.
    cluster: the name of the cluster in messages.
    message: called with one line of text.
    restart: starts the workers of a local cluster again; None for a cluster of somebody else. Its
        nanny gives up for good when a worker dies while it starts.
    device: the device that chunks are computed on, as `choose_device` set it.
    slots: threads of the workers, or their GPUs, at the last check.
    processors: number of finished chunks per processor name.
    """

    client: Any
    networks: Networks
    cluster: str
    message: Callable[[str], None]
    restart: Callable[[], object] | None = None
    device: str = "cpu"
    slots: int = 1
    processors: dict[str, int] = field(default_factory=dict)
    _chunks: dict[str, _Chunk] = field(default_factory=dict)
    _finished: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _ready: list[str] = field(default_factory=list)
    # chunks whose images could not be read here
    _unread: dict[str, Failure] = field(default_factory=dict)
    _task: tuple[Work, bytes, dict[str, str]] | None = None
    _checked_at: float = 0.0
    _without_workers_since: float | None = None

    def __post_init__(self) -> None:
        self._values = Values(self.client, self.networks)

    @property
    def limit(self) -> int:
        """Two chunks per thread of the workers that are there now."""
        if time.monotonic() - self._checked_at > CHECK_INTERVAL:
            self._check_workers()
        return 2 * self.slots

    def choose_device(self, requested: str) -> None:
        """Wait for the first worker, then choose the device for the whole run."""
        capacity = self._check_workers()
        if not capacity["workers"]:
            self.message(f"{self.cluster}: no worker yet, waiting up to {NO_WORKER_TIMEOUT:.0f} s")
        while not capacity["workers"]:
            time.sleep(0.2)
            capacity = self._check_workers()
        if requested.startswith("cuda") and not capacity["gpus"]:
            raise InputError(
                f"{self.cluster}: no worker advertises a GPU; start workers with"
                " `--resources GPU=1`, or run with --device cpu"
            )
        self.device = "cuda" if requested != "cpu" and capacity["gpus"] else "cpu"
        self._check_workers()

    def submit(self, task: Work, images: Images) -> str:
        """Begin a chunk; return its key.

        Images on disk are read here, since workers may not have the files.
        """
        try:
            images = images.read()
        except InputError as error:
            key = f"unread-{len(self._unread)}"
            self._unread[key] = Failure.of(error)
            self._ready.append(key)
            return key
        if self._task is None or self._task[0] is not task:
            cells = () if isinstance(task, ProofTask) else task.cells
            code = {k: v for cell in cells for k, v in plugin_code(cell).items()}
            self._task = (task, pickle.dumps(task, protocol=5), code)
        with self._lost_connections():
            values = *self._values.networks_of(task), self._values.images(images)
            args = *values, self._task[1], self.device, decisive_versions(), self._task[2]
            gpu = {"GPU": 1} if self.device != "cpu" else None
            future = self.client.submit(dask_worker.compute_chunk, *args, pure=False, resources=gpu)
        key = str(future.key)
        self._chunks[key] = _Chunk(task, images, future)
        future.add_done_callback(lambda done: self._finished.put(str(done.key)))
        return key

    def finished(self, handles: Collection[str]) -> Collection[str]:
        """Wait for one chunk to finish; return its key."""
        return [self._ready.pop(0) if self._ready else self._next_finished()]

    def result(self, handle: str) -> ChunkResult:
        """Return the result of a chunk; compute it once more, alone, if its workers died.

        Dask blames every chunk that a dying worker had, whichever of them killed it.
        """
        if handle in self._unread:
            return self._unread[handle], 0.0
        chunk = self._chunks.pop(handle)
        content, error = self._gather(chunk.future)
        if isinstance(error, KilledWorker):
            # nothing else may be on the workers, so that nothing else is blamed
            while len(set(self._ready) - self._unread.keys()) < len(self._chunks):
                self._ready.append(self._next_finished())
            key = self.submit(chunk.task, chunk.images)
            while (other := self._next_finished()) != key:
                self._ready.append(other)
            content, error = self._gather(self._chunks.pop(key).future)
            if isinstance(error, KilledWorker):
                message = (
                    f"WorkerDied: {error.allowed_failures + 1} workers died on a chunk that was"
                    " alone on them (out of memory, or a crash in native code)"
                )
                trace = f"{message}\n{chunk.task.about}\n"
                return Failure(message, trace), 0.0
        if error is not None:
            raise self._cannot_compute(error)
        outcomes, seconds, processor = pickle.loads(content)
        self.processors[processor] = self.processors.get(processor, 0) + 1
        return outcomes, seconds

    def report(self) -> ExecutionReport:
        """Return the device, the threads or GPUs at the last check, and the processors."""
        return ExecutionReport(self.device, self.slots, self.processors)

    def _next_finished(self) -> str:
        """Wait for the next chunk to finish, and check the workers meanwhile."""
        while True:
            try:
                key = self._finished.get(timeout=CHECK_INTERVAL)
            except queue.Empty:
                self._check_workers()
                continue
            if key in self._chunks and self._chunks[key].future.cancelled():
                raise self._lost("its scheduler went away")
            return key

    def _check_workers(self) -> dict[str, int]:
        """Return the number of workers, threads and GPUs now; ClusterLost after long without."""
        with self._lost_connections():
            try:
                capacity: dict[str, int] = self.client.run_on_scheduler(
                    dask_worker.capacity, callback_timeout=ANSWER_TIMEOUT
                )
            except ImportError as error:
                raise self._cannot_compute(error) from error
        now = self._checked_at = time.monotonic()
        available = capacity["gpus"] if self.device != "cpu" else capacity["threads"]
        self.slots = max(1, available)
        if available:
            self._without_workers_since = None
        elif self._without_workers_since is None:
            self._without_workers_since = now
        elif now - self._without_workers_since > NO_WORKER_TIMEOUT:
            raise self._lost(f"no worker for {NO_WORKER_TIMEOUT:.0f} s")
        elif now - self._without_workers_since > RESTART_AFTER and self.restart is not None:
            self.restart()
        return capacity

    def _gather(self, future: Any) -> tuple[bytes, BaseException | None]:
        """Return what a chunk gave, or what it raised.

        The result is still on the worker: if that dies first, Dask computes the chunk again.
        """
        while True:
            try:
                return future.result(timeout=CHECK_INTERVAL), None
            except TIMEOUT:
                self._check_workers()
            except (*CANCELLED, OSError) as error:
                raise self._lost("its scheduler went away") from error
            except Exception as error:
                return b"", error

    @contextmanager
    def _lost_connections(self) -> Iterator[None]:
        """Turn the errors of an unreachable cluster into ClusterLost."""
        try:
            yield
        except TIMEOUT as error:
            raise self._lost("its scheduler does not answer") from error
        except (*CANCELLED, OSError) as error:
            raise self._lost("its scheduler went away") from error

    def _lost(self, reason: str) -> ClusterLost:
        return ClusterLost(
            f"{self.cluster}: {reason}; finished cells are kept: start the cluster again,"
            " then the same command continues"
        )

    def _cannot_compute(self, error: BaseException) -> InputError:
        if isinstance(error, UnfitWorker):
            return InputError(f"{self.cluster}: {error}")
        first = (str(error).splitlines() or [""])[0]
        return InputError(
            f"{self.cluster}: cannot run a chunk ({type(error).__name__}: {first}); scheduler and"
            " workers need the same environment as here, with art-bench in it"
        )

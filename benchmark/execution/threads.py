"""The executor of this process: threads with one torch thread each."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from benchmark.execution.chunk import ClassifierCache, run_chunk
from benchmark.execution.environment import default_threads
from benchmark.execution.executor import (
    ChunkResult,
    ExecutionReport,
    Executor,
    Failure,
    Networks,
    RunChunk,
)
from benchmark.execution.memory import keep_memory, release_memory
from benchmark.execution.plan import Work
from estimators.classifier import BATCH, channels_last
from estimators.data.images import Images
from estimators.errors import NetworkError
from estimators.networks.running.guarded import is_alone
from estimators.networks.running.kept import Kept

# held for the whole chunk: backward passes, too, may run hooks that write into what is shared
_ALONE = threading.Lock()


@dataclass(frozen=True)
class ThreadExecutor(Executor):
    """Compute tasks on threads of this process.

    threads: number of worker threads. device: `cpu` or a GPU.
    run_chunk: computes one chunk; another function serves measurements and tests.
    """

    threads: int = 1
    device: str = "cpu"
    run_chunk: RunChunk = run_chunk

    @contextmanager
    def pool(self, networks: Networks) -> Iterator[_ThreadPool]:
        """Provide threads that have the networks, until the block ends."""
        keep_memory()
        with one_torch_thread():
            pool, waits = _ThreadPool(networks, self), True
            try:
                yield pool
            except KeyboardInterrupt:
                # the running chunks are lost either way
                waits = False
                raise
            finally:
                pool.threads.shutdown(wait=waits, cancel_futures=True)
                release_memory()  # plots and page come next, and need little of it


class _ThreadPool:
    """Threads with classifiers of their own, which hold state; what is `Kept` they share."""

    def __init__(self, networks: Networks, executor: ThreadExecutor) -> None:
        self.threads = ThreadPoolExecutor(executor.threads)
        self.limit = 2 * executor.threads
        self._networks = networks
        self._executor = executor
        self._local = threading.local()
        self._kept = Kept()

    def report(self) -> ExecutionReport:
        return ExecutionReport(self._executor.device, self._executor.threads)

    def submit(self, task: Work, images: Images) -> Future[ChunkResult]:
        return self.threads.submit(self._compute, task, images)

    def finished(self, handles: Collection[Future[ChunkResult]]) -> Collection[Future[ChunkResult]]:
        return wait(handles, return_when=FIRST_COMPLETED).done

    def result(self, handle: Future[ChunkResult]) -> ChunkResult:
        return handle.result()

    def _compute(self, task: Work, images: Images) -> ChunkResult:
        if not hasattr(self._local, "classifiers"):
            torch.set_num_threads(1)
            place = self._networks, self._executor.device, self._kept
            self._local.classifiers = ClassifierCache(*place)
        return timed_chunk(task, images, self._local.classifiers, self._executor.run_chunk)


def timed_chunk(
    task: Work, images: Images, classifiers: ClassifierCache, compute: RunChunk = run_chunk
) -> ChunkResult:
    """Compute a chunk; return its outcomes and seconds.

    An exception becomes a Failure. So does what would end the program: external code raised it,
    since Ctrl-C reaches the main thread alone.
    """
    start = time.perf_counter()
    try:
        # decoded here, by the workers; without images that cannot be read
        images = images.read()
        read = time.perf_counter()
        with _turn(task, classifiers):
            start += time.perf_counter() - read  # waiting is no part of the work
            outcomes = compute(task, images, classifiers) if len(images) else {}
        return outcomes, time.perf_counter() - start
    except BaseException as error:
        on_main = threading.current_thread() is threading.main_thread()
        if isinstance(error, KeyboardInterrupt) and on_main:
            raise
        return Failure.of(error), time.perf_counter() - start


def _turn(task: Work, classifiers: ClassifierCache) -> AbstractContextManager[object]:
    """Return what waits for its turn where a network of a task shares state with its copies."""
    alone = isinstance(classifiers, ClassifierCache) and any(
        is_alone(network) for network in classifiers.networks_of(task)
    )
    return _ALONE if alone else nullcontext()


def measured_threads(network: nn.Module, images: Images, device: str, batch: int = BATCH) -> int:
    """Return the number of worker threads that finish forward passes soonest: 1, 2, 4, ...

    batch: images per pass.

    More threads help as long as cores are free and the network is large enough. Both are measured
    instead of assumed. A GPU gets one thread, a network that raises as many as there are cores, one
    whose copies share state a single one.
    """
    most = default_threads(device)
    if most == 1 or is_alone(network):
        return 1
    chunk = channels_last(torch.from_numpy(images.beginning(batch).x))
    candidates = sorted({*(1 << n for n in range(most.bit_length())), most})

    def forward(_: int) -> None:
        with torch.inference_mode():
            network(chunk)

    seconds = {}
    try:
        with one_torch_thread():
            for threads in candidates:
                with ThreadPoolExecutor(threads) as pool:
                    list(pool.map(forward, range(threads)))
                    start = time.perf_counter()
                    list(pool.map(forward, range(2 * most)))
                    seconds[threads] = time.perf_counter() - start
    except NetworkError:
        return most
    return min(candidates, key=lambda threads: seconds[threads])


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread until the end of the block, so that it adds up in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""Where tasks are executed: in this process, on threads of one torch thread each."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import torch
from torch import nn

from benchmark.execution.chunk import ClassifierCache, run_chunk
from benchmark.execution.executor import Failure, OnChunk, OnTask, Used, drive
from benchmark.execution.memory import keep_memory, release_memory
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Task
from benchmark.grids.cell import Cell
from estimators.classifier import BATCH, channels_last
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.spec import Spec


def measured_threads(network: nn.Module, images: Images, device: str) -> int:
    """How many worker threads finish forward passes of a network soonest, tried at 1, 2, 4, ...

    More threads help as long as cores are free and the network is large enough to be worth
    handing over; both are measured and not assumed. A GPU is fed by one thread.
    """
    most = default_threads(device)
    if most == 1:
        return 1
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    chunk = channels_last(torch.from_numpy(images[:BATCH].x))
    candidates = sorted({*(1 << n for n in range(most.bit_length())), most})

    def job(_: int) -> None:
        with torch.inference_mode():
            network(chunk)

    seconds: dict[int, float] = {}
    for threads in candidates:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(job, range(threads)))
            start = time.perf_counter()
            list(pool.map(job, range(2 * most)))
            seconds[threads] = time.perf_counter() - start
    torch.set_num_threads(before)
    return min(candidates, key=lambda threads: seconds[threads])


def default_threads(device: str) -> int:
    """One thread a core that this process may use; a GPU is fed by one."""
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, cores or 1)


def chosen_device(name: str) -> str:
    """`auto` is the GPU where there is one; InputError for a device that is not there."""
    check_device(name)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {name}: no CUDA device is available here; use cpu or auto")
    return name


def check_device(name: str) -> None:
    """Refuse a name that is no device anywhere."""
    if name not in ("auto", "cpu") and not name.startswith("cuda"):
        raise InputError(f"device {name!r}: known: auto, cpu, cuda")


def execute(
    tasks: list[Task],
    images_of: Callable[[Task], Images],
    networks: Mapping[tuple[str, Spec], Any],
    on_chunk: OnChunk,
    on_task: OnTask,
    threads: int = 1,
    device: str = "cpu",
) -> Used:
    """Run tasks on threads of this process, as `drive` says; each has one torch thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_memory()
    release_memory()
    pool = _Threads(networks, threads, device)
    try:
        drive(tasks, images_of, pool, on_chunk, on_task)
        return Used(device, threads)
    finally:
        pool.executor.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


class _Threads:
    """A pool of threads, each with classifiers of its own."""

    def __init__(self, networks: Mapping[tuple[str, Spec], Any], threads: int, device: str) -> None:
        self.executor = ThreadPoolExecutor(threads)
        self.limit = 2 * threads
        self._networks = networks
        self._device = device
        self._local = threading.local()

    def submit(self, task: Task, images: Images) -> Future[Any]:
        return self.executor.submit(self._job, task, images)

    def ended(self, futures: Collection[Future[Any]]) -> Collection[Future[Any]]:
        return wait(futures, return_when=FIRST_COMPLETED).done

    def result(self, future: Future[Any]) -> tuple[dict[Cell, Outcome] | Failure, float]:
        found: tuple[dict[Cell, Outcome] | Failure, float] = future.result()
        return found

    def _job(self, task: Task, images: Images) -> tuple[dict[Cell, Outcome] | Failure, float]:
        if not hasattr(self._local, "bench"):
            torch.set_num_threads(1)
            self._local.bench = ClassifierCache(self._networks, self._device)
        return timed_chunk(task, images, self._local.bench)


def timed_chunk(
    task: Task, images: Images, bench: ClassifierCache
) -> tuple[dict[Cell, Outcome] | Failure, float]:
    """A chunk and its seconds; what it raises becomes a failure, since it must not end a run."""
    start = time.perf_counter()
    try:
        found: dict[Cell, Outcome] | Failure = run_chunk(task, images, bench)
    except Exception as error:
        found = Failure.of(error)
    return found, time.perf_counter() - start

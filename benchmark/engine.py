"""Where tasks are executed: in this process, on threads of one torch thread each."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from benchmark.cell import Cell
from benchmark.evaluate import Outcome, Workbench, run_chunk
from benchmark.memory import keep_memory, release_memory
from benchmark.plan import Task
from estimators.classifier import BATCH, channels_last
from estimators.datasets import Images
from estimators.errors import InputError
from estimators.spec import Spec


@dataclass(frozen=True)
class Failure:
    """A task that raised: the exception's class and message, and its traceback."""

    message: str
    trace: str


# the outcomes of a task's cells, chunk by chunk in the order of the images
Parts = list[dict[Cell, Outcome]]


@dataclass
class _Open:
    """A task under way: the outcomes of the chunks that have ended."""

    chunks: int
    parts: dict[int, dict[Cell, Outcome]] = field(default_factory=dict)
    seconds: float = 0.0
    failure: Failure | None = None


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
    chunk = channels_last(torch.from_numpy(images.x[:BATCH]))
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
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {name}: no CUDA device is available here; use cpu or auto")
    if name != "cpu" and not name.startswith("cuda"):
        raise InputError(f"device {name!r}: known: auto, cpu, cuda")
    return name


def execute(
    tasks: list[Task],
    images_of: Callable[[Task], Images],
    networks: Mapping[tuple[str, Spec], Any],
    on_chunk: Callable[[Task, int], None],
    on_task: Callable[[Task, Parts | Failure, float], None],
    threads: int = 1,
    device: str = "cpu",
) -> None:
    """Run tasks chunk by chunk; hand each finished task over at once.

    A chunk is BATCH images and a thread has one torch thread, whatever `threads` is: the
    arithmetic, and so the result, does not depend on it.
    on_chunk, on_task: called in the calling thread; `on_task` gets the outcomes of a task's
        cells by chunk, or its failure, and the seconds it took.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_memory()
    release_memory()
    local = threading.local()

    def job(task: Task, images: Images) -> tuple[dict[Cell, Outcome] | Failure, float]:
        if not hasattr(local, "bench"):
            torch.set_num_threads(1)
            local.bench = Workbench(networks, device)
        start = time.perf_counter()
        try:
            found: dict[Cell, Outcome] | Failure = run_chunk(task, images, local.bench)
        except Exception as error:
            # one bad cell must not end a run: it becomes a row with its reason
            first = (str(error).splitlines() or [""])[0]
            found = Failure(f"{type(error).__name__}: {first}", traceback.format_exc())
        return found, time.perf_counter() - start

    pool = ThreadPoolExecutor(threads)
    pending: dict[Future[Any], tuple[int, int]] = {}
    opened: dict[int, _Open] = {}

    def take(limit: int) -> None:
        while len(pending) > limit:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                number, chunk = pending.pop(future)
                task, state = tasks[number], opened[number]
                found, seconds = future.result()
                state.seconds += seconds
                if isinstance(found, Failure):
                    state.failure = state.failure or found
                    found = {}
                state.parts[chunk] = found
                on_chunk(task, state.chunks)
                if len(state.parts) == state.chunks:
                    on_task(task, state.failure or _in_order(state), state.seconds)
                    del opened[number]

    try:
        for number, task in enumerate(tasks):
            images = images_of(task)
            starts = range(0, len(images), BATCH)
            opened[number] = _Open(len(starts))
            for chunk, start in enumerate(starts):
                part = images[start : start + BATCH]
                pending[pool.submit(job, task, part)] = (number, chunk)
                take(limit=2 * threads)
        take(limit=0)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


def _in_order(state: _Open) -> Parts:
    return [state.parts[n] for n in range(state.chunks)]

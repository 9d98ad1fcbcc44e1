"""Trainings shared out over processes of one torch thread each.

What a network becomes depends on how many threads add up its sums, so each has one: the weights
and all numbers are the same on any number of cores. `BENCH_WORKERS` sets the number of processes;
without it, all cores that this process may use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import TypeVar

import torch

from estimators.errors import InputError

WORKERS = "BENCH_WORKERS"
J = TypeVar("J")
R = TypeVar("R")


def shared_out(
    jobs: Sequence[J],
    work: Callable[[J], R],
    length: Callable[[J], float],
    tell: Callable[[str], None] = lambda text: None,
    device: str = "cpu",
) -> Iterator[tuple[int, R]]:
    """What `work` makes of each job, with the job's number, as they end.

    work: a function of a module, or a partial of one, since it goes to the processes.
    length: how long a job takes, in any unit; the longest begin first.
    device: a GPU is used from this process, one job after another.
    """
    workers = min(worker_count(), len(jobs))
    if workers <= 1 or device != "cpu":
        with one_thread():
            for n, job in enumerate(jobs):
                tell(str(job))
                yield n, work(job)
        return
    # no process is left with a long one at the end
    order = sorted(range(len(jobs)), key=lambda n: -length(jobs[n]))
    with ProcessPoolExecutor(workers, get_context("spawn"), _alone) as pool:
        waiting = {pool.submit(work, jobs[n]): n for n in order}
        try:
            for future in as_completed(waiting):
                n = waiting[future]
                tell(str(jobs[n]))
                yield n, future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # a training under way is lost either way: nobody waits minutes for its end
            for process in active_children():
                process.terminate()
            raise


def worker_count() -> int:
    """Processes that train: `BENCH_WORKERS`, or the cores that this process may use."""
    named = os.environ.get(WORKERS)
    if named is None:
        usable = getattr(os, "sched_getaffinity", None)
        return len(usable(0)) if usable else os.cpu_count() or 1
    if not named.isdecimal() or int(named) < 1:
        raise InputError(f"{WORKERS}: a number of processes from 1 up wanted, found {named!r}")
    return int(named)


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread, as each process has: sums come in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _alone() -> None:
    torch.set_num_threads(1)

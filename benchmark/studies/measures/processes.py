"""Jobs in processes of one torch thread each.

The weights of a trained network depend on the number of threads that add up its sums. With one
thread per process, weights and numbers are the same on any number of cores. `BENCH_WORKERS` sets
the number of processes; the default is the number of cores that this process may use.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context
from typing import TypeVar

import torch

from benchmark.execution.environment import default_threads
from benchmark.execution.memory import keep_memory
from benchmark.execution.threads import one_torch_thread
from estimators.errors import InputError

WORKERS = "BENCH_WORKERS"
J = TypeVar("J")
R = TypeVar("R")
# takes the share of a job that is done
OnShare = Callable[[float], None]
# seconds between two looks at the processes
LOOK = 0.5


def in_processes(
    jobs: Sequence[J],
    work: Callable[[J, OnShare], R],
    length: Callable[[J], float],
    report: Callable[[str], None] = lambda text: None,
    device: str = "cpu",
    share: OnShare = lambda share: None,
) -> Iterator[tuple[int, R]]:
    """Yield each job's number and result as the jobs finish.

    work: takes a job, and a function that takes the share of the job that is done. A function of a
        module, or a partial of one, since it is sent to the processes.
    length: how long a job takes, in any unit; the longest start first.
    report: takes one line that names a running job.
    device: on a GPU the jobs run one after another in this process.
    share: takes the share of all jobs that is done.
    """
    workers = min(worker_count(), len(jobs))
    lengths = [length(job) for job in jobs]
    shares: MutableSequence[float] = [0.0] * len(jobs)

    def tell() -> None:
        parts = zip(lengths, shares, strict=True)
        share(sum(size * part for size, part in parts) / (sum(lengths) or 1))

    def tell_of(n: int, part: float) -> None:
        shares[n] = part
        tell()

    if workers <= 1 or device != "cpu":
        keep_memory()
        with one_torch_thread():
            for n, job in enumerate(jobs):
                report(_named(n, jobs, job))
                yield n, work(job, partial(tell_of, n))
                tell_of(n, 1.0)
        return
    # no process is left with a long one at the end
    order = sorted(range(len(jobs)), key=lambda n: -lengths[n])
    others = set(active_children())
    context = get_context("spawn")
    # without a lock: a process that is killed leaves none behind
    shares = context.RawArray("d", len(jobs))
    with ProcessPoolExecutor(workers, context, _begin, (shares,)) as pool:
        try:
            with _interrupts_ignored():
                waiting = {pool.submit(_work, work, n, jobs[n]): n for n in order}
            while waiting:
                # their order, so that the oldest is named; all run that have no result and began
                done, _ = wait(waiting, LOOK, FIRST_COMPLETED)
                tell()
                finished = len(jobs) - len(waiting)
                report(_named(finished, jobs, jobs[next(iter(waiting.values()))]))
                for future in [f for f in waiting if f in done]:
                    yield _result(future, waiting)
        except BaseException:
            # a running job is lost either way: do not wait minutes for its end
            for process in set(active_children()) - others:
                process.kill()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _result(future: Future[R], waiting: dict[Future[R], int]) -> tuple[int, R]:
    return waiting.pop(future), future.result()


def _named(finished: int, jobs: Sequence[J], job: J) -> str:
    return f"{finished + 1} of {len(jobs)}, {job}"


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Start processes that ignore Ctrl-C: this one stops them, and they print no traceback."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin(shares: MutableSequence[float]) -> None:
    """Prepare a process."""
    global _shares
    _shares = shares
    keep_memory()
    torch.set_num_threads(1)


_shares: MutableSequence[float] = []


def _work(work: Callable[[J, OnShare], R], n: int, job: J) -> R:
    """Work on a job in a process of the pool."""
    result = work(job, partial(_shares.__setitem__, n))
    _shares[n] = 1.0
    return result


def worker_count() -> int:
    """Return the number of processes: `BENCH_WORKERS`, or the cores that this process may use."""
    text = os.environ.get(WORKERS)
    if text is None:
        return default_threads("cpu")
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{WORKERS}: expected a number of processes from 1 up, got {text!r}")
    return int(text)

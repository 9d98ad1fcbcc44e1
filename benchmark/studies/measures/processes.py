"""Jobs in processes of one torch thread each.

The weights of a trained network depend on the number of threads that add up its sums. With one
thread per process, weights and numbers are the same on any number of cores. `BENCH_WORKERS` sets
the number of processes; the default is the number of cores that this process may use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from typing import TypeVar

import torch

from benchmark.execution.environment import default_threads
from benchmark.execution.threads import one_torch_thread
from estimators.errors import InputError

WORKERS = "BENCH_WORKERS"
J = TypeVar("J")
R = TypeVar("R")


def in_processes(
    jobs: Sequence[J],
    work: Callable[[J], R],
    length: Callable[[J], float],
    report: Callable[[str], None] = lambda text: None,
    device: str = "cpu",
) -> Iterator[tuple[int, R]]:
    """Yield each job's number and result as the jobs finish.

    work: a function of a module, or a partial of one, since it is sent to the processes.
    length: how long a job takes, in any unit; the longest start first.
    device: on a GPU the jobs run one after another in this process.
    """
    workers = min(worker_count(), len(jobs))
    if workers <= 1 or device != "cpu":
        with one_torch_thread():
            for n, job in enumerate(jobs):
                report(str(job))
                yield n, work(job)
        return
    # no process is left with a long one at the end
    order = sorted(range(len(jobs)), key=lambda n: -length(jobs[n]))
    others = set(active_children())
    with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        waiting = {pool.submit(work, jobs[n]): n for n in order}
        try:
            for future in as_completed(waiting):
                n = waiting[future]
                report(str(jobs[n]))
                yield n, future.result()
        except BaseException:
            # a running job is lost either way: do not wait minutes for its end
            for process in set(active_children()) - others:
                process.kill()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def worker_count() -> int:
    """Return the number of processes: `BENCH_WORKERS`, or the cores that this process may use."""
    text = os.environ.get(WORKERS)
    if text is None:
        return default_threads("cpu")
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{WORKERS}: expected a number of processes from 1 up, got {text!r}")
    return int(text)

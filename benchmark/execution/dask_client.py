"""A client of a Dask cluster, and the workers of a local one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import dask
import torch
from distributed import Client, Nanny, Scheduler, SpecCluster

from benchmark.execution.dask_checks import CONNECT_TIMEOUT, no_answer
from benchmark.execution.dask_pool import ANSWER_TIMEOUT, CANCELLED, TIMEOUT
from benchmark.execution.environment import resolve_device

# how many workers may die with a chunk, first together with other chunks and then alone
ALLOWED_DEATHS = 4


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Silence Dask's log of every death and reconnection; the run reports what matters."""
    names = [n for n in logging.root.manager.loggerDict if n.startswith("distributed.")]
    levels = [(log, log.level) for log in map(logging.getLogger, ["distributed", *names])]
    for log, _ in levels:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in levels:
            log.setLevel(level)


@contextmanager
def connect(workers: int | None, scheduler: str | None, device: str) -> Iterator[Client]:
    """Connect to a scheduler, or to a local cluster of so many workers, until the block ends.

    Raises InputError for a scheduler that does not answer.
    """
    settings = {
        # a chunk of large images makes a large graph, which is no mistake here
        "distributed.admin.large-graph-warning-threshold": "1GB",
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS - 1,
        "distributed.comm.timeouts.connect": f"{ANSWER_TIMEOUT:.0f}s",
    }
    with _quiet_logs(), dask.config.set(settings), _local_cluster(workers, device) as cluster:
        try:
            options = {"timeout": CONNECT_TIMEOUT, "set_as_default": False, "name": "art-bench"}
            client = Client(cluster or scheduler, **options)
        except (OSError, *TIMEOUT) as error:
            raise no_answer(str(scheduler), error) from error
        try:
            yield client
        finally:
            # a scheduler that is gone must not block the client
            with suppress(*TIMEOUT, *CANCELLED, OSError):
                client.close(timeout=5)


@contextmanager
def _local_cluster(workers: int | None, device: str) -> Iterator[SpecCluster | None]:
    """Start processes of one thread on this machine, with the GPUs in turn; None for no workers."""
    if workers is None:
        yield None
        return
    local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    gpus = _gpus() if resolve_device(device) != "cpu" else []
    options: dict[str, Any] = {**local, "nthreads": 1, "silence_logs": logging.CRITICAL}
    # Dask would take torch itself for a leak and stop; the system's own limit holds
    options |= {"memory_limit": 0, "preload": ["benchmark.execution.dask_worker"]}
    specs = {n: {"cls": Nanny, "options": dict(options)} for n in range(workers)}
    for number, spec in specs.items():
        if gpus:
            env = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]}
            spec["options"].update(resources={"GPU": 1}, env=env)
    schedule = {"cls": Scheduler, "options": {**local, "dashboard": False}}
    cluster = SpecCluster(specs, scheduler=schedule, silence_logs=logging.CRITICAL)
    try:
        yield cluster
    finally:
        with suppress(*TIMEOUT, *CANCELLED):
            cluster.close(timeout=20)


def _gpus() -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(n) for n in range(torch.cuda.device_count())]

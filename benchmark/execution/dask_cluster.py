"""The executor of a Dask cluster: a local one that it starts, or one that it joins."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from benchmark.execution.dask_pool import ANSWER_TIMEOUT, CANCELLED, TIMEOUT, DaskPool
from benchmark.execution.environment import resolve_device
from benchmark.execution.executor import ExecutionReport, Networks, OnChunk, OnTask, run_chunks
from benchmark.execution.plan import Task
from estimators.data.images import Images
from estimators.errors import InputError

# seconds until a scheduler that does not answer is given up
CONNECT_TIMEOUT = 15.0
# how many workers may die with a chunk, first together with other chunks and then alone
ALLOWED_DEATHS = 4


@dataclass(frozen=True)
class DaskExecutor:
    """Compute tasks on a cluster: `workers` processes of this machine, or those of a scheduler.

    workers: number of processes to start; None to join a cluster.
    scheduler: the address of the cluster to join.
    device: `auto` takes the GPUs that workers advertise as the resource `GPU`, if any do.
    message: called with one line of text.
    """

    workers: int | None = None
    scheduler: str | None = None
    device: str = "auto"
    message: Callable[[str], None] = lambda text: None

    def execute(
        self,
        tasks: Sequence[Task],
        images_of: Callable[[Task], Images],
        networks: Networks,
        on_chunk: OnChunk,
        on_task: OnTask,
    ) -> ExecutionReport:
        """Compute tasks, as described in `Executor.execute`.

        Raises ClusterLost when the cluster goes away, InputError for one that cannot be used.
        """
        with _quiet_logs(), _client(self.workers, self.scheduler, self.device) as client:
            restart = None if self.scheduler else partial(client.cluster.scale, self.workers)
            name = self.scheduler or "local cluster"
            pool = DaskPool(client, networks, name, self.message, restart)
            pool.choose_device(self.device if self.scheduler else resolve_device(self.device))
            run_chunks(tasks, images_of, pool, on_chunk, on_task)
            return ExecutionReport(pool.device, pool.slots, pool.processors)


def check_dask(option: str) -> None:
    """Raise InputError where Dask, which an option of the command line needs, is missing."""
    if importlib.util.find_spec("distributed") is None:
        raise InputError(f"{option}: needs Dask: pip install 'art-bench[cluster]'")


def check_scheduler(scheduler: str) -> None:
    """Raise InputError for an address that is malformed or that takes no connections."""
    parts = urlsplit(scheduler)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in ("tcp", "tls", "ws", "wss", "ucx") or not host or not port:
        raise InputError(
            f"--scheduler: expected an address like tcp://HOST:8786 or tls://HOST:8786,"
            f" got {scheduler!r}"
        )
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT).close()
    except OSError as error:
        raise _no_answer(scheduler, error) from error


def _no_answer(scheduler: str, error: BaseException) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"--scheduler {scheduler}: no answer ({reason}); start it with `dask scheduler`,"
        " or correct the address"
    )


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Silence Dask's log of every death and reconnection; the run reports what matters."""
    import distributed  # noqa: F401  sets the levels of its loggers

    names = [
        "distributed",
        *(name for name in logging.root.manager.loggerDict if name.startswith("distributed.")),
    ]
    levels = [(log, log.level) for log in map(logging.getLogger, names)]
    for log, _ in levels:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in levels:
            log.setLevel(level)


@contextmanager
def _client(workers: int | None, scheduler: str | None, device: str) -> Iterator[Any]:
    import dask
    from distributed import Client

    settings = {
        # a chunk of large images makes a large graph, which is no mistake here
        "distributed.admin.large-graph-warning-threshold": "1GB",
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS - 1,
        "distributed.comm.timeouts.connect": f"{ANSWER_TIMEOUT:.0f}s",
    }
    with dask.config.set(settings), _local_cluster(workers, device) as cluster:
        try:
            client = Client(
                cluster or scheduler,
                timeout=CONNECT_TIMEOUT,
                set_as_default=False,
                name="art-bench",
            )
        except (OSError, *TIMEOUT) as error:
            raise _no_answer(str(scheduler), error) from error
        try:
            yield client
        finally:
            # a scheduler that is gone must not block the client
            with suppress(*TIMEOUT, *CANCELLED, OSError):
                client.close(timeout=5)


@contextmanager
def _local_cluster(workers: int | None, device: str) -> Iterator[Any]:
    """Start processes of one thread on this machine, with the GPUs in turn; None for no workers."""
    if workers is None:
        yield None
        return
    from distributed import Nanny, Scheduler, SpecCluster

    local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    gpus = _gpus() if resolve_device(device) != "cpu" else []
    options: dict[str, Any] = {
        **local,
        "nthreads": 1,
        # Dask would take torch itself for a leak and stop; the system's own limit holds
        "memory_limit": 0,
        "preload": ["benchmark.execution.dask_worker"],
        "silence_logs": logging.CRITICAL,
    }
    specs = {}
    for number in range(workers):
        worker_options = dict(options)
        if gpus:
            worker_options["resources"] = {"GPU": 1}
            worker_options["env"] = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]}
        specs[number] = {"cls": Nanny, "options": worker_options}
    cluster = SpecCluster(
        workers=specs,
        scheduler={"cls": Scheduler, "options": {**local, "dashboard": False}},
        silence_logs=logging.CRITICAL,
    )
    try:
        yield cluster
    finally:
        with suppress(*TIMEOUT, *CANCELLED):
            cluster.close(timeout=20)


def _gpus() -> list[str]:
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(n) for n in range(torch.cuda.device_count())]

"""Where tasks are executed: on the workers of a Dask cluster, local or joined."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from benchmark.execution.dask_pool import ANSWER, CANCELLED, TIMEOUT, Workers
from benchmark.execution.executor import OnChunk, OnTask, Used, drive
from benchmark.execution.plan import Task
from benchmark.execution.threads import chosen_device
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.spec import Spec

# seconds until a scheduler that does not answer is given up
CONNECT = 15.0
# the workers that may die with a chunk, together with other chunks and then alone
DEATHS = 4


def check_options(threads: int | None, workers: int | None, scheduler: str | None) -> None:
    """Refuse what cannot be, before anything is loaded; a scheduler must take connections."""
    if workers is None and scheduler is None:
        return
    if workers is not None and scheduler is not None:
        raise InputError(
            "--workers and --scheduler: one starts a cluster, the other joins one; give one of them"
        )
    if threads is not None:
        raise InputError(
            "--threads: belongs to a run in this process, a worker has one; leave it out"
        )
    if workers is not None and workers < 1:
        raise InputError(f"--workers: must be at least 1, found {workers}")
    if importlib.util.find_spec("distributed") is None:
        option = "--workers" if scheduler is None else "--scheduler"
        raise InputError(f"{option}: needs Dask: pip install 'art-bench[cluster]'")
    if scheduler is not None:
        _check_address(scheduler)


def _check_address(scheduler: str) -> None:
    parts = urlsplit(scheduler)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in ("tcp", "tls", "ws", "wss", "ucx") or not host or not port:
        raise InputError(
            f"--scheduler {scheduler!r}: an address like tcp://HOST:8786 or tls://HOST:8786 wanted"
        )
    try:
        socket.create_connection((host, port), CONNECT).close()
    except OSError as error:
        raise _silent(scheduler, error) from error


def _silent(scheduler: str, error: BaseException) -> InputError:
    why = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"--scheduler {scheduler}: no answer ({why}); start it with `dask scheduler`,"
        " or mend the address"
    )


def execute(
    tasks: list[Task],
    images_of: Callable[[Task], Images],
    networks: Mapping[tuple[str, Spec], Any],
    on_chunk: OnChunk,
    on_task: OnTask,
    workers: int | None = None,
    scheduler: str | None = None,
    device: str = "auto",
    message: Callable[[str], None] = lambda text: None,
) -> Used:
    """Run tasks on a cluster, as `drive` says: `workers` processes here, or those of a scheduler.

    device: `auto` takes the GPUs that the workers advertise as the resource `GPU`, if any do.

    Raises ClusterLost when the cluster goes away, InputError for one that cannot be used.
    """
    with _quiet(), _client(workers, scheduler, device) as client:
        revive = None if workers is None else partial(client.cluster.scale, workers)
        pool = Workers(client, networks, scheduler or "local cluster", message, revive)
        pool.choose_device(device if scheduler else chosen_device(device))
        drive(tasks, images_of, pool, on_chunk, on_task)
        return Used(pool.device, pool.slots, pool.processors)


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own log tells of every death and reconnection; what matters is told in one line."""
    import distributed  # noqa: F401  sets the levels of its loggers

    names = [
        "distributed",
        *(n for n in logging.root.manager.loggerDict if n.startswith("distributed.")),
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
        # a chunk of large images is a large graph and no mistake
        "distributed.admin.large-graph-warning-threshold": "1GB",
        "distributed.scheduler.allowed-failures": DEATHS - 1,
        "distributed.comm.timeouts.connect": f"{ANSWER:.0f}s",
    }
    with dask.config.set(settings), _local_cluster(workers, device) as cluster:
        try:
            client = Client(
                cluster or scheduler, timeout=CONNECT, set_as_default=False, name="art-bench"
            )
        except (OSError, *TIMEOUT) as error:
            raise _silent(str(scheduler), error) from error
        try:
            yield client
        finally:
            # a scheduler that is gone must not hold the client up
            with suppress(*TIMEOUT, *CANCELLED, OSError):
                client.close(timeout=5)


@contextmanager
def _local_cluster(workers: int | None, device: str) -> Iterator[Any]:
    """Processes of one thread on this machine, or nothing; GPUs are dealt out in turn."""
    if workers is None:
        yield None
        return
    from distributed import Nanny, Scheduler, SpecCluster

    local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    gpus = _gpus() if chosen_device(device) != "cpu" else []
    options: dict[str, Any] = {
        **local,
        "nthreads": 1,
        # Dask would count torch itself as a leak and stop; the system's own limit holds
        "memory_limit": 0,
        "preload": ["benchmark.execution.dask_worker"],
        "silence_logs": logging.CRITICAL,
    }
    specs = {}
    for number in range(workers):
        own = dict(options)
        if gpus:
            own["resources"] = {"GPU": 1}
            own["env"] = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]}
        specs[number] = {"cls": Nanny, "options": own}
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

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(n) for n in range(torch.cuda.device_count())]

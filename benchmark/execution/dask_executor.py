"""The executor of a Dask cluster: a local one that it starts, or one that it joins."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from benchmark.execution.environment import resolve_device
from benchmark.execution.executor import ExecutionReport, Networks, OnChunk, OnTask, run_chunks
from benchmark.execution.plan import Task
from estimators.data.images import Images
from estimators.errors import InputError

# seconds until a scheduler that does not answer is given up
CONNECT_TIMEOUT = 15.0


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
        from benchmark.execution.dask_client import connect  # Dask is an extra
        from benchmark.execution.dask_pool import DaskPool

        with connect(self.workers, self.scheduler, self.device) as client:
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
        raise no_answer(scheduler, error) from error


def no_answer(scheduler: str, error: BaseException) -> InputError:
    """Return the error for a scheduler that does not answer."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"--scheduler {scheduler}: no answer ({reason}); start it with `dask scheduler`,"
        " or correct the address"
    )

"""The executor of a Dask cluster: a local one that it starts, or one that it joins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmark.execution.environment import resolve_device
from benchmark.execution.executor import Executor, Networks

if TYPE_CHECKING:
    from benchmark.execution.dask_pool import DaskPool


@dataclass(frozen=True)
class DaskExecutor(Executor):
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

    @contextmanager
    def pool(self, networks: Networks) -> Iterator[DaskPool]:
        """Provide the workers of the cluster, which get the networks, until the block ends."""
        from benchmark.execution.dask_client import connect  # Dask is an extra
        from benchmark.execution.dask_pool import DaskPool

        with connect(self.workers, self.scheduler, self.device) as client:
            restart = None if self.scheduler else partial(client.cluster.scale, self.workers)
            name = self.scheduler or "local cluster"
            pool = DaskPool(client, networks, name, self.message, restart)
            pool.choose_device(self.device if self.scheduler else resolve_device(self.device))
            yield pool

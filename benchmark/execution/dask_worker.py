"""What runs on the workers and the scheduler of a Dask cluster.

Importable without torch, since the scheduler imports it too.
"""

from __future__ import annotations

import signal
from typing import Any

from benchmark.execution.environment import decisive_versions
from benchmark.execution.errors import UnfitWorker


def keep_value(content: bytes) -> bytes:
    """Return the content: weights or images as a value of the cluster, named by their hash.

    A task, and not scattered data: the scheduler can make it again when the worker that holds it
    dies.
    """
    return content


def compute_chunk(
    network: bytes,
    sha256: str,
    images: bytes,
    task: bytes,
    device: str,
    versions: dict[str, str],
    code: dict[str, str],
) -> bytes:
    """Compute a chunk of a task on a worker.

    network, images, task: pickled. sha256: of the network.
    versions, code: the client's `decisive_versions()` and `plugin_code` of the task's cells, which
    must be equal here.

    Returns, pickled, the outcomes by cell or a Failure, the seconds, and the processor.
    Raises UnfitWorker before anything is computed.
    """
    _check_versions(versions)
    from benchmark.execution.dask_chunk import compute

    return compute(network, sha256, images, task, device, code)


def _check_versions(versions: dict[str, str]) -> None:
    here = decisive_versions()
    if here != versions:
        changed = sorted({name for name, _ in here.items() ^ versions.items()})
        differences = [
            f"{n} {here.get(n, 'missing')} instead of {versions.get(n, 'none')}" for n in changed
        ]
        raise UnfitWorker(
            f"a worker has {', '.join(differences)}: its numbers may differ;"
            " install the same versions on workers and here"
        )


def capacity(dask_scheduler: Any = None) -> dict[str, int]:
    """Return, on the scheduler, the number of workers, of their threads and of their GPUs."""
    states = list(dask_scheduler.workers.values())
    return {
        "workers": len(states),
        "threads": sum(state.nthreads for state in states),
        "gpus": int(sum(state.resources.get("GPU", 0) for state in states)),
    }


def dask_setup(worker: object) -> None:
    """Ignore Ctrl-C on a local worker: the client handles it and ends the workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

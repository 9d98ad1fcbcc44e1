"""What runs on a cluster: importable at once, since the scheduler imports it too."""

from __future__ import annotations

import hashlib
import pickle
import platform
import signal
import threading
from functools import cache
from pathlib import Path
from typing import Any

# packages whose version may change a number on a worker
DECIDE = ("adversarial-robustness-toolbox", "torch", "numpy", "scipy", "Pillow")

_local = threading.local()


class ClusterLost(RuntimeError):
    """The cluster went away under a run: what was finished is kept, the same command continues."""


class UnfitWorker(RuntimeError):
    """A worker whose numbers would not be those of this machine, or that lacks its device."""


def held(content: bytes) -> bytes:
    """Weights or images as a value of the cluster, named by their hash.

    A task and not scattered data: the scheduler can make it again when the worker that holds it
    dies. Each worker that wants it fetches it once.
    """
    return content


def work(
    network: bytes,
    sha256: str,
    images: bytes,
    task: bytes,
    device: str,
    versions: dict[str, str],
    code: dict[str, str],
) -> bytes:
    """A chunk of a task on a worker.

    network: pickled, by data set and name: modules, image shapes and classes; sha256: their hash.
    images: the pickled images of the chunk.
    versions, code: those of the client, which must be those here; code is what
        `plugin_code.plugin_code` gives for the task's cells.

    Gives, pickled: the outcomes by cell or a Failure, the seconds, the processor.
    Raises UnfitWorker before anything is computed.
    """
    _check(device, versions)
    _check_code(code)
    import torch

    from benchmark.execution.chunk import ClassifierCache
    from benchmark.execution.threads import timed_chunk
    from benchmark.runs.manifest import processor

    _prepared()
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    if getattr(_local, "at", None) != (sha256, device):
        # one at a time: tasks come network by network
        _local.bench = ClassifierCache(pickle.loads(network), device)
        _local.at = (sha256, device)
    found, seconds = timed_chunk(pickle.loads(task), pickle.loads(images), _local.bench)
    return pickle.dumps((found, seconds, processor()), protocol=5)


@cache
def _prepared() -> None:
    from benchmark.execution.memory import keep_memory

    keep_memory()


def _check(device: str, versions: dict[str, str]) -> None:
    here = relevant_versions()
    if here != versions:
        differ = [
            f"{n} {here.get(n, 'missing')} instead of {versions.get(n, 'none')}"
            for n in sorted(here.keys() | versions.keys())
            if here.get(n) != versions.get(n)
        ]
        raise UnfitWorker(
            f"a worker has {', '.join(differ)}: its numbers may differ;"
            " install the same versions on workers and here"
        )
    if device != "cpu":
        import torch

        if not torch.cuda.is_available():
            raise UnfitWorker(
                f"a worker advertises a GPU and finds no CUDA device on {platform.system()};"
                " start it where there is one, or run with --device cpu"
            )


def _check_code(code: dict[str, str]) -> None:
    if not code:
        return
    from benchmark.execution.plugin_code import named_code

    here = named_code(code)
    differ = [name for name in code if here[name] != code[name]]
    if differ:
        raise UnfitWorker(
            f"a worker has other code of {', '.join(differ)}: its numbers may differ;"
            " install the same code on workers and here"
        )


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    from importlib.metadata import PackageNotFoundError, version

    from benchmark.version import __version__

    found = {"art-bench": f"{__version__} ({_code_hash()})"}
    for name in DECIDE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return tuple(found.items())


def relevant_versions() -> dict[str, str]:
    """Versions of what decides a number, and a hash of this project's own code."""
    return dict(_versions())


def _code_hash() -> str:
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for package in ("benchmark", "estimators"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def capacity(dask_scheduler: Any = None) -> dict[str, int]:
    """On the scheduler: workers, their threads and the GPUs that they advertise."""
    states = list(dask_scheduler.workers.values())
    return {
        "workers": len(states),
        "threads": sum(state.nthreads for state in states),
        "gpus": int(sum(state.resources.get("GPU", 0) for state in states)),
    }


def dask_setup(worker: Any) -> None:
    """Start of a local worker: Ctrl-C is for the client, which ends the workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

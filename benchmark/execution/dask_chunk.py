"""A chunk on a worker of a Dask cluster, after its versions were checked."""

from __future__ import annotations

import pickle
import platform
import threading

import torch

from benchmark.execution.chunk import ClassifierCache
from benchmark.execution.environment import exact_gpu
from benchmark.execution.errors import UnfitWorker
from benchmark.execution.memory import keep_memory
from benchmark.execution.plugin_code import code_hashes
from benchmark.execution.threads import timed_chunk
from estimators.processor import processor

_local = threading.local()


def compute(
    network: bytes, sha256: str, images: bytes, task: bytes, device: str, code: dict[str, str]
) -> bytes:
    """Compute a chunk; arguments and result are those of `dask_worker.compute_chunk`."""
    _check_device(device)
    _check_code(code)
    classifiers = _classifiers(network, sha256, device)
    outcomes, seconds = timed_chunk(pickle.loads(task), pickle.loads(images), classifiers)
    return pickle.dumps((outcomes, seconds, processor()), protocol=5)


def _classifiers(network: bytes, sha256: str, device: str) -> ClassifierCache:
    """Return this thread's classifiers of the latest networks: tasks come network by network."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    if getattr(_local, "key", None) != (sha256, device):
        keep_memory()
        _local.classifiers = ClassifierCache(pickle.loads(network), device)
        _local.key = (sha256, device)
    classifiers: ClassifierCache = _local.classifiers
    return classifiers


def _check_device(device: str) -> None:
    if device != "cpu" and not torch.cuda.is_available():
        raise UnfitWorker(
            f"a worker advertises a GPU but has no CUDA device ({platform.system()});"
            " start it on a machine with one, or run with --device cpu"
        )
    if device != "cpu":
        exact_gpu()


def _check_code(code: dict[str, str]) -> None:
    here = code_hashes(code)
    differences = [name for name in code if here[name] != code[name]]
    if differences:
        raise UnfitWorker(
            f"a worker has other code or another file of {', '.join(differences)}: its numbers may"
            " differ; install the same code, and put files at the same path, on workers and here"
        )

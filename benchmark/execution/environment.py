"""The machine and the software that a run uses: device, threads, processor, versions.

Importable without torch: the scheduler of a Dask cluster and `bench` itself import it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmark.version import __version__
from estimators.errors import InputError
from estimators.processor import processor

# packages whose version may change a number on a worker, and all that the manifest names
DECISIVE = ("adversarial-robustness-toolbox", "torch", "numpy", "scipy", "Pillow")
PACKAGES = (*DECISIVE, "torchvision", "pandas", "scikit-learn")

# how often torch's threads try before they sleep; libgomp itself takes 300,000, and 1,000 where it
# has more threads than the machine has cores
SPINS, FEW = "GOMP_SPINCOUNT", "2000"


def sleep_soon() -> None:
    """Let threads that wait for each other sleep soon; it counts for a torch that is loaded later.

    By default they try 300,000 times. Beside other work the thread that they wait for often has no
    core, and they take its time: a run on 50 photos took 79 and 106 s on two cores with two other
    processes, and 28 s with few tries. What the user sets stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(SPINS, FEW)


def check_device(name: str) -> None:
    """Raise InputError for a name that is no device on any machine."""
    if name not in ("auto", "cpu") and not name.startswith("cuda"):
        raise InputError(f"device {name!r}: known: auto, cpu, cuda")


def resolve_device(name: str) -> str:
    """Return the device to use on this machine: `auto` is the GPU where there is one.

    Raises InputError for an unknown device and for a GPU that this machine lacks.
    """
    import torch

    check_device(name)
    available = torch.cuda.is_available()
    if name.startswith("cuda") and not available:
        raise InputError(f"device {name}: no CUDA device is available here; use cpu or auto")
    device = ("cuda" if available else "cpu") if name == "auto" else name
    if device != "cpu":
        exact_gpu()
    return device


def exact_gpu() -> None:
    """Make GPUs compute in float32, without TF32, and cuDNN by deterministic algorithms."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def default_threads(device: str) -> int:
    """Return one thread per core that this process may use; one thread feeds a GPU."""
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, cores or 1)


def machine(device: str, threads: int) -> dict[str, object]:
    """Return system, processor, cores, device and threads; never the host or the user."""
    here = {"system": platform.system(), "processor": processor(), "cores": os.cpu_count()}
    return {**here, "device": device, "threads": threads}


def package_versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    versions = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


@cache
def decisive_versions() -> dict[str, str]:
    """Return what must be equal on a worker: package versions and a hash of this project's code."""
    return {"art-bench": f"{__version__} ({_code_hash()})", **package_versions(DECISIVE)}


def git_revision() -> str | None:
    """Return the revision of the checkout that this code runs from; None for an installed one."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        text = subprocess.check_output(command, stderr=subprocess.PIPE, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return text.strip() or None


def _code_hash() -> str:
    """Return 8 hex digits for the source of `benchmark` and `estimators`."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for package in ("benchmark", "estimators"):
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]

"""Networks that misbehave on a worker, and real Dask processes for the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Raises(nn.Module):
    """A network that raises at its first images."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("made up")


class Kills(nn.Module):
    """A network whose process dies as the system's out-of-memory killer ends it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return x


def halved(number: int, on_share: Callable[[float], None]) -> tuple[float, int, int]:
    """Half of a number, the process that computed it, and the torch threads of that process."""
    on_share(0.5)
    return number / 2, os.getpid(), torch.get_num_threads()


def worker_processes(of: int | None = None) -> list[psutil.Process]:
    """The processes of a local cluster, oldest first."""
    found = []
    for child in psutil.Process(of).children(recursive=True):
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return sorted(found, key=lambda process: process.create_time())


def still_running(processes: list[psutil.Process], seconds: float = 300.0) -> list[psutil.Process]:
    """The processes that have not ended after this time; a zombie has ended."""
    until = time.monotonic() + seconds
    while left := [process for process in processes if _runs(process)]:
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def dask_processes(workers: int, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and workers as processes of their own; the scheduler's address and process.

    folder: where the scheduler writes its address; it takes a port that is free.
    """
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    dask += ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
    started = [subprocess.Popen([*dask, "--no-dashboard", "--dashboard-address", ":0"], **QUIET)]
    try:
        address = None
        while address is None:
            assert started[0].poll() is None, "the scheduler has ended"
            time.sleep(0.05)
            # it may be half written
            with suppress(OSError, ValueError, KeyError):
                address = json.loads(file.read_text(encoding="utf-8"))["address"]
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address]
        worker += ["--no-nanny", "--nthreads", "1", "--no-dashboard"]
        started += [subprocess.Popen(worker, **QUIET) for _ in range(workers)]
        yield address, started[0]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()

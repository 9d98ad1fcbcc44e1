"""Networks that misbehave on a worker, and real Dask processes for the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import nn


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


@contextmanager
def dask_processes(workers: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and workers as processes of their own; the scheduler's address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    host, port = "127.0.0.1", address.rpartition(":")[2]
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address]
    commands = [
        [*dask, "--host", host, "--port", port, "--no-dashboard", "--dashboard-address", ":0"]
    ] + [[*worker, "--no-nanny", "--nthreads", "1", "--no-dashboard"]] * workers
    started = [
        subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in commands
    ]
    try:
        while started[0].poll() is None:
            try:
                socket.create_connection((host, int(port)), 1).close()
                break
            except OSError:
                continue
        yield address, started[0]
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()

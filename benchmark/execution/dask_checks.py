"""Checks of the cluster options before anything is loaded; imports neither Dask nor torch."""

from __future__ import annotations

import importlib.util
import socket
from urllib.parse import urlsplit

from estimators.errors import InputError, install_extra

# seconds until a scheduler that does not answer is given up
CONNECT_TIMEOUT = 15.0


def check_dask(option: str) -> None:
    """Raise InputError where Dask, which an option of the command line needs, is missing."""
    if importlib.util.find_spec("distributed") is None:
        raise InputError(f"{option}: needs Dask: {install_extra('cluster')}")


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

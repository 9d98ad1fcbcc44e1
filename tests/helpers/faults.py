"""Disks that are full and directories that may not be written, for root as for anybody."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

# include/uapi/linux/capability.h: what lets root write, read and pass where no one else may
_VERSION = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """No file grows beyond a size in bytes: the nearest to a full disk that needs no mount."""
    resource = pytest.importorskip("resource", reason="no limits on file sizes here")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def no_rights(directory: Path) -> Iterator[None]:
    """A directory that may be read and not written; root goes by the rights, too, for the while."""
    if not hasattr(os, "geteuid"):
        pytest.skip("rights are not Unix's here")
    mode = directory.stat().st_mode
    directory.chmod(0o555)
    try:
        with _bound_by_rights() if os.geteuid() == 0 else nullcontext():
            yield
    finally:
        directory.chmod(mode)


@contextmanager
def _bound_by_rights() -> Iterator[None]:
    """This thread without the two capabilities that pass over a file's rights.

    To become another user would not do: the interpreter and its packages may lie in root's home,
    and what is imported late could no longer be read.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "capset"):
        pytest.skip("root cannot be bound by rights here: no capabilities")
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    # effective, permitted, inheritable; twice, for 64 capabilities
    held = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, held) == 0, os.strerror(ctypes.get_errno())
    bound = (ctypes.c_uint32 * 6)(*held)
    bound[0] &= ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
    assert libc.capset(header, bound) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        assert libc.capset(header, held) == 0, os.strerror(ctypes.get_errno())

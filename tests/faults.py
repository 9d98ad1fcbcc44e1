"""Disks that are full and directories that may not be written, for root as for anybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


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
    """A directory that may be read and not written; root becomes nobody for the while."""
    if not hasattr(os, "geteuid"):
        pytest.skip("rights are not Unix's here")
    outer = [p for p in directory.resolve().parents if p.stat().st_mode & 0o055 != 0o055]
    modes = {path: path.stat().st_mode for path in (directory, *outer)}
    root = os.geteuid() == 0
    try:
        directory.chmod(0o555)
        for path in outer:
            # pytest's folders are their owner's alone: let nobody pass
            path.chmod(modes[path] | 0o055)
        if root:
            os.seteuid(NOBODY)
        yield
    finally:
        if root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)

"""This user's cache folder, or another place where that cannot be written."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import cache
from pathlib import Path

import platformdirs

# matplotlib's own name for its folder of settings and caches
MATPLOTLIB = "MPLCONFIGDIR"


@cache
def user_cache() -> Path:
    """Return this user's cache folder.

    Where it cannot be written (no home, a home of another user), it is a folder below the system's
    folder for temporary files, and one warning says so.
    """
    folder = wanted = Path(platformdirs.user_cache_dir("art-bench"))
    if not _writable(wanted):
        other = _temporary()
        # the processes that this one starts use the same folder, and say nothing
        os.environ["XDG_CACHE_HOME"] = str(other)
        folder = other / "art-bench"
        text = f"warning: the cache folder {wanted} cannot be written; {folder} is used instead"
        print(text, file=sys.stderr, flush=True)
    if not _writable(Path(platformdirs.user_config_dir("matplotlib"))):
        # it would warn in two lines of its own, and compute its cache in every process
        os.environ.setdefault(MATPLOTLIB, str(folder / "matplotlib"))
    return folder


def _writable(folder: Path) -> bool:
    """Return whether files can be written below a folder, which need not exist yet."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _temporary() -> Path:
    """Return a folder of this user alone; a new one where another user has taken its name."""
    name = f"art-bench-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
    folder = Path(tempfile.gettempdir()) / name
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="art-bench-"))
    own = not hasattr(os, "getuid") or state.st_uid == os.getuid()
    if folder.is_symlink() or not own or state.st_mode & 0o022:
        return Path(tempfile.mkdtemp(prefix="art-bench-"))
    return folder

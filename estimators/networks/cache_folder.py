"""The folder in which trained weights are kept; imports no torch."""

from __future__ import annotations

import os
from pathlib import Path

from estimators.user_cache import user_cache


def default_cache() -> Path:
    """Return the folder of weights: in `BENCH_CACHE_DIR`, or in this user's cache folder."""
    named = os.environ.get("BENCH_CACHE_DIR")
    return (Path(named) if named else user_cache()) / "weights"

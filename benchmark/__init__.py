"""The harness: grids, cells, attacks, evaluation and the command line.

`load_grid` and `run_grid` are the way in from Python; torch is imported at their first use.
"""

from __future__ import annotations

from typing import Any

from benchmark.version import __version__

__all__ = ["__version__", "load_grid", "run_grid"]


def __getattr__(name: str) -> Any:
    if name == "load_grid":
        from benchmark.grids.model import load_grid

        return load_grid
    if name == "run_grid":
        from benchmark.runs.run import run_grid

        return run_grid
    raise AttributeError(f"module 'benchmark' has no attribute {name!r}")

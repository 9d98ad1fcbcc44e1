"""The Python API: evaluate a network, run a grid, and add to what a grid can name.

Torch is imported at the first use of a name that needs it.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING

from benchmark.version import __version__

if TYPE_CHECKING:
    from benchmark.api.evaluate import evaluate
    from benchmark.api.evaluation import Evaluation
    from benchmark.api.grid import run_grid
    from benchmark.api.maite import export_maite
    from benchmark.attacks.entry import AttackEntry
    from benchmark.grids.model import load_grid
    from benchmark.runs.options import RunOptions
    from benchmark.studies.entry import StudyEntry
    from benchmark.studies.request import Findings
    from benchmark.threats import ThreatEntry
    from estimators.entries import DatasetEntry, DefenceEntry, NetworkEntry

_MODULES = {
    "AttackEntry": "benchmark.attacks.entry",
    "DatasetEntry": "estimators.entries",
    "DefenceEntry": "estimators.entries",
    "Evaluation": "benchmark.api.evaluation",
    "Findings": "benchmark.studies.request",
    "NetworkEntry": "estimators.entries",
    "RunOptions": "benchmark.runs.options",
    "StudyEntry": "benchmark.studies.entry",
    "ThreatEntry": "benchmark.threats",
    "evaluate": "benchmark.api.evaluate",
    "export_maite": "benchmark.api.maite",
    "load_grid": "benchmark.grids.model",
    "run_grid": "benchmark.api.grid",
}
__all__ = ["AttackEntry", "DatasetEntry", "DefenceEntry", "Evaluation", "Findings", "NetworkEntry"]
__all__ += ["RunOptions", "StudyEntry", "ThreatEntry", "__version__"]
__all__ += ["evaluate", "export_maite", "load_grid", "run_grid"]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'benchmark' has no attribute {name!r}")
    with warnings.catch_warnings():
        # ART imports a bar that this package does not use, which asks notebooks for ipywidgets
        warnings.filterwarnings("ignore", message="IProgress not found")
        module = importlib.import_module(_MODULES[name])
    return getattr(module, name)

"""Figure 19a, and the gap between training and test."""

from __future__ import annotations

from pathlib import Path

from reports.plots.saving import Figures, saved
from reports.plots.studies.sweep import sweep_figures


@saved
def draw(folder: Path) -> Figures:
    """Draw accuracy against eps by number of epochs; accuracy, loss and area against epochs."""
    yield from sweep_figures(folder, "epochs", "gap", "epochs", lambda value: f"{value:g}")

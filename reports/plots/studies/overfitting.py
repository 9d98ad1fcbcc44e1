"""Figure 19a, and the gap between training and test."""

from __future__ import annotations

from pathlib import Path

from reports.plots.studies.sweep import draw_sweep


def draw(folder: Path) -> list[Path]:
    """Draw accuracy against eps by number of epochs; accuracy, loss and area against epochs."""
    return draw_sweep(folder, "epochs", "gap", "epochs", lambda value: f"{value:g}")

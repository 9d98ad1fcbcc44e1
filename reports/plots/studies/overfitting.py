"""Figure 19a, and beside it how far training and test are apart."""

from __future__ import annotations

from pathlib import Path

from reports.plots.studies.sweep import draw_sweep


def draw(folder: Path) -> list[Path]:
    """Accuracy against eps by number of epochs; accuracy, loss and area against epochs."""
    return draw_sweep(folder, "epochs", "gap", "epochs", lambda value: f"{value:g}")

"""What `bench list` shows: everything that a grid can name, grids and studies, a line each."""

from __future__ import annotations

from benchmark.certificates.registry import CERTIFICATES
from benchmark.grids.model import load_grid, shipped_grids
from benchmark.grids.names import plugin_rows, rows
from benchmark.studies.registry import STUDIES
from estimators.entries import Entry

Row = tuple[str, str, str]
TITLES = {
    "attacks": "attacks",
    "threats": "threats",
    "defences": "defences",
    "networks": "networks",
    "datasets": "data sets",
}


def catalogue() -> dict[str, list[Row]]:
    """Return rows (name, summary, parameters or size) by title."""
    lists = {title: [_row(entry) for entry in rows(key)] for key, title in TITLES.items()}
    lists["certificates"] = [_row(entry) for entry in CERTIFICATES.values()]
    grids = {name: load_grid(name) for name in shipped_grids()}
    lists["grids"] = [
        (name, grid.description, f"{len(grid.cells()):,} cells") for name, grid in grids.items()
    ]
    lists["studies"] = [
        *(
            (name, f"{study.summary} ({_figures(study.figures)})", study.parameters())
            for name, study in STUDIES.items()
        ),
        *map(_row, plugin_rows("studies")),
    ]
    return lists


def _row(entry: Entry) -> Row:
    return entry.name, entry.summary, entry.parameters()


def _figures(numbers: str) -> str:
    """Return in words which figures of the paper a study repeats."""
    if not numbers[0].isdigit():
        return numbers.removeprefix("none: ")
    return f"Figure {numbers}" if numbers.isalnum() else f"Figures {numbers}"

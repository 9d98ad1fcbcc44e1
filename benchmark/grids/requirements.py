"""The requirements of a grid: each must mean a cell, before any work."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.grids.cell import Cell
from benchmark.grids.identity import identity
from benchmark.grids.model import Grid
from benchmark.grids.names import labels
from estimators.errors import InputError
from estimators.spec import Spec
from reports.errors import TableError
from reports.gates.check import meant, of_grid
from reports.results.columns import frame
from reports.style.labels import labels_of


def check_requirements(grid: Grid) -> None:
    """Raise InputError for a requirement of the grid that means none of its cells.

    Such a requirement would check nothing when the run is done.
    """
    requirements = of_grid(grid.require, "require:")
    if not requirements:
        return
    cells = grid.cells()
    rows = frame(identity(cell) for cell in cells)
    names = labels_of({"labels": labels(_named(cells))})
    for requirement in requirements:
        try:
            meant(rows, requirement, names)
        except TableError as error:
            raise InputError(
                f"grid {grid.name}: {error}; change it, or add --no-require"
            ) from error


def _named(cells: Sequence[Cell]) -> dict[str, set[Spec]]:
    return {
        "datasets": {Spec(cell.dataset) for cell in cells},
        "networks": {cell.network for cell in cells},
        "attacks": {cell.attack for cell in cells},
        "defences": {cell.defence for cell in cells},
    }

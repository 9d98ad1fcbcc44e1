"""Another grid with the same run directory: rows of its table are not replaced unasked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.grids.cell import Cell
from benchmark.runs.rows import identity
from estimators.errors import InputError
from reports.errors import TableError
from reports.results.columns import RESULTS, frame
from reports.results.manifest import read_manifest
from reports.results.read_write import read_results

# what tells the rows of a table apart; parameters by default may change with a version
_PLACE = ["dataset", "network", "attack", "norm", "eps", "threat", "defence", "quality", "samples"]
_PLACE += ["seed", "draws"]


def refuse_replacing(directory: Path, cells: Sequence[Cell], grid: str) -> None:
    """Raise InputError where the table of a directory has rows that these cells do not write.

    A directory without a table, or with a damaged one, is free: nothing readable is lost.

    grid: name of the grid of the cells, for the message.
    """
    if not (directory / RESULTS).is_file():
        return
    try:
        old = read_results(directory)
    except TableError:
        return
    own = _places(frame({**identity(cell), "draws": cell.draws} for cell in cells))
    # a row without numbers may lack its draws
    drawn = {place[:-1] for place in own}
    gone = [p for p in _places(old) if p not in own and not (not p[-1] and p[:-1] in drawn)]
    if not gone:
        return
    before = read_manifest(directory).get("grid")
    name = str(before.get("name", "?")) if isinstance(before, dict) else "?"
    which = f"grid {grid}" if name != grid else f"grid {grid} as it is asked for now"
    raise InputError(
        f"--out {directory}: its results.csv holds {len(old)} rows of the grid {name}, and the"
        f" {which} would remove {len(gone)} of them: name another --out, or add --replace (what is"
        " computed stays stored in the directory, and the first grid brings its rows back)"
    )


def _places(table: pd.DataFrame) -> set[tuple[str, ...]]:
    """Return what tells the rows apart, as text."""
    texts = table[_PLACE].astype(object).where(table[_PLACE].notna(), "").astype(str)
    return set(texts.itertuples(index=False, name=None))

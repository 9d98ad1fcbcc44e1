"""Another grid with the same run directory: rows of its table are not replaced unasked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.errors import TableError
from reports.results.manifest import read_manifest
from reports.results.read_write import read_results

# what tells the rows of a table apart; parameters by default may change with a version
_PLACE = ["dataset", "network", "attack", "norm", "eps", "threat", "defence", "quality", "samples"]
_PLACE += ["seed", "draws"]


def refuse_replacing(directory: Path, planned: pd.DataFrame, grid: str) -> None:
    """Raise TableError where the table of a directory has rows that a run will not write.

    A damaged table is free: nothing readable is lost.

    planned: a row for each one that the run writes. grid: the name of its grid.
    """
    try:
        old = read_results(directory)
    except TableError:
        return
    own = _places(planned)
    # a row without numbers may lack its draws
    own |= {(*place[:-1], "") for place in own}
    gone = _places(old) - own
    if not gone:
        return
    before = read_manifest(directory).get("grid")
    name = str(before.get("name", "?")) if isinstance(before, dict) else "?"
    which = f"grid {grid}" + (", as it is asked for now," if name == grid else "")
    raise TableError(
        f"--out {directory}: its results.csv has {len(old)} rows of the grid {name}, and the"
        f" {which} would remove {len(gone)} of them: name another --out, or add --replace (what is"
        " computed stays stored in the directory, and the first grid brings its rows back)"
    )


def _places(table: pd.DataFrame) -> set[tuple[str, ...]]:
    """Return what tells the rows apart, as text."""
    texts = table[_PLACE].astype(object).where(table[_PLACE].notna(), "").astype(str)
    return set(texts.itertuples(index=False, name=None))

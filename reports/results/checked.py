"""Numbers and texts of a results table that can be: what every reader of one may rely on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from reports.errors import TableError

STATES = ("ok", "skipped", "failed")
# ten million images are more than any data set has, and what the tests can take
MOST_IMAGES = 10**7
# every finished row has these; the others are empty where no image counts for them
_ALWAYS = ("clean_accuracy", "accuracy", "accuracy_low", "accuracy_high")
_SHARES = (*_ALWAYS, "success_rate", "zero_gradient")
_SIZES = (
    "eps",
    "l2_mean",
    "l2_median",
    "l2_max",
    "linf_mean",
    "linf_median",
    "linf_max",
    "gradients",
    "forwards",
)

# a spreadsheet evaluates a field that begins with one of these
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def check_texts(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table as it came, of which no text begins as a formula: what is read is exported again.

    Raises TableError for the first field that does.
    """
    for name in table.columns[table.dtypes.map(lambda kind: kind.kind == "O")]:
        bad = table[name].str.startswith(_FORMULA)
        if bad.any():
            found = str(table[name][bad].iloc[0])[:20]
            raise TableError(
                f"results {path}: {name} begins as a formula, {found!r}"
                f" (row {int(table.index[bad][0]) + 1}); no run writes that, take it out"
            )
    return table


def check_numbers(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table as it came, with counts that fit each other, shares in [0, 1], no infinite sizes.

    Raises TableError for the first row with status ok of which that is not true, and for an
    unknown status.
    """
    for status in table["status"].unique():
        if status not in STATES:
            raise TableError(
                f"results {path}: status {str(status)[:40]!r}, known: {', '.join(STATES)};"
                " write the file anew"
            )
    done = table[table["status"] == "ok"]
    n, hits, clean = (done[c].astype("float64") for c in ("n", "correct", "clean_correct"))
    faults = {
        "correct, clean_correct and n do not fit": ~(
            n.between(1, MOST_IMAGES) & hits.between(0, n) & clean.between(0, n)
        )
    }
    for name in _SHARES:
        may_lack = done[name].isna() & (name not in _ALWAYS)
        faults[f"{name} is no share in [0, 1]"] = ~(may_lack | done[name].between(0, 1))
    for name in _SIZES:
        sound = done[name].isna() | ((done[name] >= 0) & np.isfinite(done[name]))
        faults[f"{name} is negative or infinite"] = ~sound
    quality = done["quality"].astype("float64")
    faults["quality is not from 1 to 100"] = ~(quality.isna() | quality.between(1, 100))
    for told, bad in faults.items():
        if bad.any():
            row = done[bad].iloc[0]
            where = f"row {int(done.index[bad][0]) + 1}, cell {row['cell'][:16]}"
            raise TableError(f"results {path}: {told} ({where}); write the file anew")
    return table

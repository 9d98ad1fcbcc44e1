"""Reading and writing `results.csv`; a table is read only if its numbers are possible."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from reports.errors import TableError
from reports.results.atomic import csv_text, replace_text
from reports.results.columns import COLUMNS, REQUIRED, RESULTS, SCHEMA, typed
from reports.results.csv_file import read_csv, require
from reports.results.manifest import check_sha256
from reports.results.norms import LENGTHS
from reports.results.values import by_value

STATES = ("ok", "skipped", "failed")
# ten million images are more than any data set has, and what the tests can take
MOST_IMAGES = 10**7
# every row has these
NAMES = ("dataset", "network", "attack", "threat", "defence")
# every finished row has these; the others are empty where no image counts for them
_ALWAYS = ("clean_accuracy", "accuracy", "accuracy_low", "accuracy_high")
_OF_DRAWS = ("accuracy_worst_draw", "accuracy_every_draw")
_PROVED = ("proved_low", "proved_high")
_SHARES = (*_ALWAYS, *_OF_DRAWS, *_PROVED, "success_rate", "zero_gradient", "nan_gradient")
_NORMS = (f"{norm}_{kind}" for norm in LENGTHS for kind in ("mean", "median", "max"))
_SIZES = ("eps", *_NORMS, "gradients", "forwards")
# programs that write the table again may keep four digits
ROUNDED = 5e-5 + 1e-9
# a spreadsheet evaluates a field that begins with one of these
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_results(table: pd.DataFrame, path: Path) -> None:
    """Write `results.csv`: the same table gives the same bytes, on every pandas.

    Floats are written with the fewest digits that read back to the same number.
    """
    rows = table[list(COLUMNS)].itertuples(index=False, name=None)
    replace_text(path, csv_text(COLUMNS, ([_text(v) for v in row] for row in rows)))


def read_results(path: Path) -> pd.DataFrame:
    """Read a `results.csv`, or that of a run directory.

    The table of a run directory must be as the run wrote it (see `results.manifest`). Another one
    may come from pandas, R or a spreadsheet: values are read as `results.values` says.

    Raises TableError for a missing file, missing columns, a schema that this version cannot read,
    and impossible numbers.
    """
    file = path / RESULTS if path.is_dir() else path
    if not file.is_file():
        advice = "name a results.csv or its folder"
        raise TableError(f"results {path}: no such file or run directory; {advice}")
    if path.is_dir():
        check_sha256(file)
    table = read_csv(file, "results", NAMES)
    try:
        table = by_value(table)
    except ValueError as error:
        raise TableError(f"results {file}: {error}; write it with decimal points") from error
    versions = set(table["schema"]) if "schema" in table.columns else {str(SCHEMA)}
    if versions - {str(SCHEMA)}:
        raise TableError(
            f"results {file}: schema {', '.join(sorted(versions))[:80]}, this version of"
            f" art-bench reads {SCHEMA}; use the version that wrote it, or run the grid again"
        )
    require(table, REQUIRED, f"results {file}", "name a results.csv")
    try:
        table = typed(table.astype(object).replace("", None))
    except (ValueError, TypeError, OverflowError) as error:
        why = str(error).splitlines()[0][:200]
        raise TableError(f"results {file}: {why}; write it again") from error
    _check_texts(table, file)
    _check_numbers(table, file)
    return table


def _text(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _check_texts(table: pd.DataFrame, path: Path) -> None:
    """Raise TableError for a text that a spreadsheet would evaluate: tables are exported again."""
    for name in table.columns[table.dtypes.map(lambda kind: kind.kind == "O")]:
        bad = table[name].str.startswith(_FORMULA)
        if bad.any():
            where = f"{str(table[name][bad].iloc[0])[:20]!r} (row {int(table.index[bad][0]) + 1})"
            what = f"{name} begins as a formula, {where}"
            raise TableError(f"results {path}: {what}; no run writes that, remove it")


def _check_numbers(table: pd.DataFrame, path: Path) -> None:
    """Raise TableError for an unknown status, or an ok row with impossible numbers.

    Counts must fit each other and the accuracies, shares lie in [0, 1] and sizes be finite.
    """
    for status in table["status"].unique():
        if status not in STATES:
            which = f"status {str(status)[:40]!r}, known: {', '.join(STATES)}"
            raise TableError(f"results {path}: {which}; write the file again")
    done = table[table["status"] == "ok"]
    n, hits, clean = (done[c].astype("float64") for c in ("n", "correct", "clean_correct"))
    fit = n.between(1, MOST_IMAGES) & hits.between(0, n) & clean.between(0, n)
    faults = {"correct, clean_correct and n do not fit": ~fit}
    lost = done["non_finite"].astype("float64")
    faults["non_finite, correct and n do not fit"] = ~(lost.isna() | lost.between(0, n - hits))
    proved = done["proved"].astype("float64")
    faults["proved and n do not fit"] = ~(proved.isna() | proved.between(0, n))
    for name in _SHARES:
        may_lack = done[name].isna() & (name not in _ALWAYS)
        faults[f"{name} is no share in [0, 1]"] = ~(may_lack | done[name].between(0, 1))
    draws = done["draws"].astype("float64")
    faults["draws is below 1"] = draws < 1
    # several draws have an accuracy of their own: the mean over them
    once = ~(draws > 1)
    off = (done["accuracy"] - hits / n).abs()
    faults["accuracy is not correct / n"] = once & ~(off <= ROUNDED)
    off = (done["clean_accuracy"] - clean / n).abs()
    faults["clean_accuracy is not clean_correct / n"] = once & ~(off <= ROUNDED)
    for name in _OF_DRAWS:
        faults[f"{name} is above accuracy"] = done[name] > done["accuracy"] + 1e-9
    for name in _SIZES:
        sound = done[name].isna() | ((done[name] >= 0) & np.isfinite(done[name]))
        faults[f"{name} is negative or infinite"] = ~sound
    quality = done["quality"].astype("float64")
    faults["quality is not from 1 to 100"] = ~(quality.isna() | quality.between(1, 100))
    for fault, bad in faults.items():
        if bad.any():
            row = done[bad].iloc[0]
            where = f"row {int(done.index[bad][0]) + 1}, cell {row['cell'][:16]}"
            raise TableError(f"results {path}: {fault} ({where}); write the file again")

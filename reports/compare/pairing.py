"""Pair the cells of two runs, check that they are comparable, and test each pair."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import eq
from pathlib import Path

import numpy as np
import pandas as pd

from reports.errors import TableError
from reports.results.predictions import Pairs, Prediction, Predictions, pair, read_predictions
from reports.results.read_write import read_results
from reports.results.rows import Row
from reports.results.values import HASHES, damaged, name_by_value, parsed, same_hash, same_params
from reports.statistics.intervals import Floats, difference, paired_difference
from reports.statistics.tests import fisher, mcnemar

# what makes two rows the same cell; the key `cell` does not, it also hashes data and weights
IDENTITY = ("dataset", "network", "attack", "norm", "eps", "threat", "defence", "quality", "seed")
# what must agree as well for the numbers of that cell to be comparable
_AGREE: dict[str, Callable[[str, str], bool]] = {
    "data_sha256": same_hash,
    "samples": eq,
    "weights_sha256": same_hash,
    "attack_params": same_params,
}
MUST_AGREE = tuple(_AGREE)
# the attack of rows that compare clean accuracy, and the cells that share one clean accuracy
NO_ATTACK = "no attack"
_SAME_CLEAN = ("dataset", "network", "defence", "quality", "seed")
# the columns of IDENTITY whose texts contain parameters
_NAMES = ("network", "attack", "threat", "defence")
_NUMBERS = (
    *("n_a", "n_b", "accuracy_a", "accuracy_b", "difference", "low", "high"),
    *("p", "lost", "gained", "clean_a", "clean_b"),
)


class NotComparableError(TableError):
    """Two runs whose numbers are not comparable; the message says why and where."""


@dataclass(frozen=True, eq=False)
class Run:
    """One side of a comparison.

    name: as the user named it. table: its results, with a text `key` of IDENTITY.
    predictions: per image; None if the run has none.
    """

    name: str
    table: pd.DataFrame
    predictions: Predictions | None


def load(path: Path) -> Run:
    """Read one side: a results CSV, or a run directory with its predictions.

    Raises TableError for an unusable file, no rows, or two rows of one cell.
    """
    table = read_results(path)
    if table.empty:
        raise TableError(f"results {path}: no rows; name a run with rows")
    table["key"] = _keys(table.assign(**{n: table[n].map(name_by_value) for n in _NAMES}), IDENTITY)
    twice = table["key"].duplicated()
    if twice.any():
        first = describe(table[twice].iloc[0])
        raise TableError(f"results {path}: two rows for {first}; remove one of them")
    return Run(str(path), table, read_predictions(path))


def damages(run: Run) -> list[str]:
    """Return a sentence for each column of hashes that another program read as numbers."""
    counts = {name: int(run.table[name].map(damaged).sum()) for name in HASHES}
    return [
        f"{run.name}: {name} of {count} rows was read as a number and written back damaged, so it"
        " is not compared; read this column as text."
        for name, count in counts.items()
        if count
    ]


def describe(row: Row | pd.Series, columns: Iterable[str] = IDENTITY, named: bool = True) -> str:
    """Return a cell in words: the given columns that are not empty, numbers with their names."""
    before = {"norm": "L", "eps": "eps ", "quality": "q", "seed": "seed "} if named else {}
    parts = ((name, _text(row[name])) for name in columns)
    return " ".join(before.get(name, "") + text for name, text in parts if text)


def _text(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    # twelve digits: an eps of 0.1 + 0.2 is the cell of eps 0.3
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _keys(table: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    rows = table[list(columns)].itertuples(index=False, name=None)
    return [json.dumps([_text(value) for value in row]) for row in rows]


def match(a: Run, b: Run, force: bool) -> pd.DataFrame:
    """Return the cells of both runs side by side, columns with the suffixes _a and _b.

    Further columns: IDENTITY; `state` is both, a or b (the side that has the cell with status ok)
    or neither; `clean` marks the rows that compare clean accuracy; `warning` says what does not
    agree. Raises NotComparableError if a warning is not empty, unless `force`.
    """
    cells = a.table.merge(b.table, on="key", how="outer", suffixes=("_a", "_b"), sort=True)
    for name in IDENTITY:
        cells[name] = cells[f"{name}_a"].where(cells["status_a"].notna(), cells[f"{name}_b"])
    ok_a, ok_b = cells["status_a"] == "ok", cells["status_b"] == "ok"
    cells["state"] = np.select([ok_a & ok_b, ok_a, ok_b], ["both", "a", "b"], "neither")
    cells["warning"] = _warnings(cells, b.name, force)
    return _with_clean(cells)


def _warnings(cells: pd.DataFrame, name: str, force: bool) -> list[str]:
    warnings: list[list[str]] = [[] for _ in range(len(cells))]
    faults = []
    both = (cells["state"] == "both").to_numpy()
    for column in MUST_AGREE:
        left, right = cells[f"{column}_a"].to_numpy(), cells[f"{column}_b"].to_numpy()
        differ = [
            int(i)
            for i in np.flatnonzero(both & (left != right))
            if not _AGREE[column](left[i], right[i])
        ]
        for i in differ:
            warnings[i].append(f"{column} differs")
        if differ:
            at = differ[0]
            first = f"{_apart(left[at], right[at])}; {describe(cells.iloc[at])}"
            share = f"{len(differ)} of {both.sum()} cells"
            faults.append(f"{column} differs in {share} (first: {first})")
    if faults and not force:
        why = "; ".join(faults)
        raise NotComparableError(f"not comparable with {name}: {why}; --force compares them anyway")
    return ["; ".join(parts) for parts in warnings]


def _apart(left: str, right: str) -> str:
    """Return the two values in words; of parameters only those that differ."""
    a, b = parsed(left), parsed(right)
    if not (isinstance(a, dict) and isinstance(b, dict)):
        return f"{left or 'none'} in A, {right or 'none'} in B"
    missing = "nothing"
    names = [k for k in sorted({*a, *b}) if a.get(k, missing) != b.get(k, missing)]
    return ", ".join(f"{k} {a.get(k, missing)} in A, {b.get(k, missing)} in B" for k in names[:3])


def _with_clean(cells: pd.DataFrame) -> pd.DataFrame:
    """Add a row on clean accuracy for each network and defence without a cell at eps 0."""
    for side in "ab":
        cells[f"hits_{side}"] = cells[f"correct_{side}"]
    both = cells[cells["state"] == "both"]
    group = pd.Series(_keys(both, _SAME_CLEAN), both.index, dtype=object)
    at_zero = set(group[(both["eps"] == 0).to_numpy()])
    # the row with most images stands for its group: some attacks get fewer images
    order = both.assign(group=group).sort_values(["n_a", "key"], ascending=[False, True])
    chosen = order[~order["group"].isin(at_zero)].drop_duplicates("group").index
    out = cells.loc[[*cells.index, *chosen]].reset_index(drop=True)
    out["clean"] = clean = np.arange(len(out)) >= len(cells)
    for side in "ab":
        out.loc[clean, f"hits_{side}"] = out.loc[clean, f"clean_correct_{side}"]
    for name, value in (("attack", NO_ATTACK), ("norm", ""), ("threat", ""), ("eps", 0.0)):
        out.loc[clean, name] = value
    # the last of MUST_AGREE; it has no meaning without an attack
    warnings = out.loc[clean, "warning"].str.removesuffix("attack_params differs")
    out.loc[clean, "warning"] = warnings.str.removesuffix("; ")
    return out


def tested(cells: pd.DataFrame, a: Run, b: Run, level: float) -> pd.DataFrame:
    """Return the statistics of the cells of `match` in state both; NaN and "" for the others.

    Columns n_a, n_b, accuracy_a, accuracy_b (of the images that the test uses), difference, low,
    high, p, method, lost, gained, clean_a, clean_b, remark.
    """
    both = (cells["state"] == "both").to_numpy()
    n_a, hits_a, clean_a = _side(cells, "a")
    n_b, hits_b, clean_b = _side(cells, "b")
    counts = np.full((len(cells), 4), np.nan)
    remark = []
    for i, row in enumerate(records(cells)):
        pairs = _pairs(a, b, row) if both[i] else _missing(row)
        if not isinstance(pairs, str):
            counts[i] = pairs
            pairs = _shared(sum(pairs), n_a[i], n_b[i])
        remark.append(pairs)
    both_right, lost, gained, neither = counts.T
    paired = ~np.isnan(lost)
    unpaired = both & ~paired
    n_a, n_b = (np.where(paired, counts.sum(axis=1), n) for n in (n_a, n_b))
    hits_a = np.where(paired, both_right + lost, hits_a)
    hits_b = np.where(paired, both_right + gained, hits_b)
    of_pairs = paired_difference(both_right, lost, gained, neither, level)
    estimate = np.where(paired, of_pairs, difference(hits_a, n_a, hits_b, n_b, level))
    p = np.full(len(cells), np.nan)
    p[paired] = mcnemar(lost[paired], gained[paired])
    p[unpaired] = fisher(*(c[unpaired] for c in (hits_a, n_a, hits_b, n_b)))
    numbers = (n_a, n_b, hits_a / n_a, hits_b / n_b, *estimate, p, lost, gained, clean_a, clean_b)
    table = pd.DataFrame(dict(zip(_NUMBERS, numbers, strict=True)))
    counted = table[["n_a", "n_b", "lost", "gained"]].astype("Int64")
    method = np.select([paired, unpaired], ["paired", "unpaired"], "")
    return table.assign(**counted, method=method, remark=remark)


def _side(cells: pd.DataFrame, side: str) -> list[Floats]:
    """Return images, hits and clean accuracy of one side; NaN where its status is not ok."""
    ok = cells["state"].isin(["both", side]).to_numpy()
    n, hits, clean = (
        np.where(ok, cells[f"{name}_{side}"].to_numpy(dtype=np.float64, na_value=np.nan), np.nan)
        for name in ("n", "hits", "clean_correct")
    )
    return [n, hits, clean / n]


def _pairs(a: Run, b: Run, row: Row) -> Pairs | str:
    """Return the pairs of one cell, or why there are none."""
    prediction: Prediction = "clean" if row["clean"] else "adversarial"
    sides = []
    for side, of in (("a", a.predictions), ("b", b.predictions)):
        n, hits = int(row[f"n_{side}"]), int(row[f"hits_{side}"])
        sides.append(of.scored(row[f"cell_{side}"], prediction, n, hits) if of else None)
    left, right = sides
    if left is None or right is None:
        lacks = [name for name, scored in zip("AB", sides, strict=True) if scored is None]
        return f"no predictions in {' and '.join(lacks)}"
    return pair(left, right)


def _missing(row: Row) -> str:
    """Return why a side has no numbers; empty if it simply lacks the cell."""
    side = "b" if row["state"] == "a" else "a"
    status, reason = row[f"status_{side}"], row[f"reason_{side}"]
    return "" if pd.isna(status) else f"{status}: {reason}"


def records(cells: pd.DataFrame) -> list[Row]:
    """Return the rows of a table, missing values as pandas has them."""
    return [{str(name): value for name, value in r.items()} for r in cells.to_dict("records")]


def _shared(n: int, n_a: float, n_b: float) -> str:
    return "" if n == n_a == n_b else f"{n} shared images of {n_a:.0f} in A and {n_b:.0f} in B"

"""Pair the cells of two runs, and test each pair."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.compare.agree import CHECKS, with_exceptions, without_attack
from reports.compare.runs import Run, keys
from reports.results.predictions import Pairs, Prediction, pair
from reports.results.rows import Row
from reports.statistics.intervals import Floats, difference, paired_difference
from reports.statistics.tests import fisher, mcnemar
from reports.style.cell_names import IDENTITY, NO_ATTACK
from reports.style.labels import Labels

# the cells that share one clean accuracy
_SAME_CLEAN = ("dataset", "network", "defence", "quality", "seed")
# what says how two cells are paired, or why they are not
_PAIRED = (
    *("state", "clean"),
    *(
        f"{name}_{side}"
        for name in ("n", "hits", "cell", "status", "reason", "samples", "data_sha256")
        for side in "ab"
    ),
)
_NUMBERS = (
    *("n_a", "n_b", "accuracy_a", "accuracy_b", "difference", "low", "high"),
    *("p", "lost", "gained", "clean_a", "clean_b"),
)


def match(a: Run, b: Run, force: bool, allow: tuple[str, ...], labels: Labels) -> pd.DataFrame:
    """Return the cells of both runs side by side, columns with the suffixes _a and _b.

    Further columns: IDENTITY; `state` is both, a or b (the side that has the cell with status ok)
    or neither; `clean` marks the rows that compare clean accuracy; `warning` and `allowed` say what
    does not agree, see `agree.with_exceptions`.
    """
    cells = a.table.merge(b.table, on="key", how="outer", suffixes=("_a", "_b"), sort=True)
    for name in IDENTITY:
        cells[name] = cells[f"{name}_a"].where(cells["status_a"].notna(), cells[f"{name}_b"])
    ok_a, ok_b = cells["status_a"] == "ok", cells["status_b"] == "ok"
    cells["state"] = np.select([ok_a & ok_b, ok_a, ok_b], ["both", "a", "b"], "neither")
    return _with_clean(with_exceptions(cells, b.name, force, allow, labels))


def _with_clean(cells: pd.DataFrame) -> pd.DataFrame:
    """Add a row on clean accuracy for each network and defence without a cell at eps 0."""
    for side in "ab":
        cells[f"hits_{side}"] = cells[f"correct_{side}"]
    both = cells[cells["state"] == "both"]
    group = pd.Series(keys(both, _SAME_CLEAN), both.index, dtype=object)
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
    said = without_attack(out[clean])
    out.loc[clean, list(said)] = said
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
    for i, row in enumerate(records(cells[list(_PAIRED)])):
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
    data = CHECKS["data"].same
    if row["samples_a"] == row["samples_b"] and not data(
        row["data_sha256_a"], row["data_sha256_b"]
    ):
        # an index is a position in many data sets: it is that of another image in other data
        return "the same samples of other data"
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

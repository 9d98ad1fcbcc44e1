"""Cells that one side lacks, counted by data set and network."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from reports.results.rows import as_rows
from reports.style.cell_names import NO_ATTACK, describe, shown
from reports.style.labels import Labels

_GROUP = ["b", "dataset", "network"]
# parts of a group that a line names
_NAMED = 6


@dataclass(frozen=True)
class Group:
    """Missing cells of one data set and network.

    b: the run that is compared. count: how many are missing. text: which, in words.
    """

    b: str
    count: int
    text: str


def missing(rows: pd.DataFrame, verdict: str, labels: Labels, most: int = 0) -> list[Group]:
    """Return the cells with a verdict, `only in A` or `only in B`, in groups, the largest first.

    rows: those of a comparison, all verdicts. most: the characters of a name; 0 for all.
    """
    gone = rows[rows["verdict"] == verdict]
    # the rows on clean accuracy are no cells, and are on both sides
    side = rows[rows["verdict"].isin([verdict, "same", "worse", "better"])]
    cells = side[side["attack"] != NO_ATTACK][_GROUP]
    totals = Counter(cells.itertuples(index=False, name=None))
    groups = [
        Group(str(keys[0]), len(some), _text(some, totals[keys], labels, most))
        for keys, some in gone.groupby(_GROUP, sort=False)
    ]
    return sorted(groups, key=lambda group: -group.count)


def _text(gone: pd.DataFrame, total: int, labels: Labels, most: int) -> str:
    """Return one group in words: the cell itself, or how many cells of which attacks."""
    first = as_rows(gone.head(1))[0]
    reasons = gone.loc[gone["remark"] != "", "remark"].value_counts()
    why = "; ".join(f"{reason} ({count:,})" for reason, count in reasons.items())
    if len(gone) == 1:
        return describe(first, labels=labels, most=most) + (f" ({first['remark']})" if why else "")
    place = describe(first, ("dataset", "network"), labels, most)
    which = f"{place}: {len(gone):,} of {total:,} rows"
    if len(gone) == total:
        which = f"{place}: all {total:,} rows"
    else:
        which += _parts(gone, labels, most)
    return which + (f"; {why}" if why else "")


def _parts(gone: pd.DataFrame, labels: Labels, most: int) -> str:
    """Return the column that tells the missing rows apart best, with a count of each value."""
    counts = gone["attack"].value_counts()
    named = [
        f"{shown({'attack': name}, 'attack', labels, most)} {n:,}" for name, n in counts.items()
    ]
    more = f", and {len(named) - _NAMED} more attacks" if len(named) > _NAMED else ""
    return f" ({', '.join(named[:_NAMED])}{more})"

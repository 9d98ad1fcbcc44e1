"""The worst case over attacks, image by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.errors import TableError
from reports.results.atomic import csv_text, replace_text
from reports.results.csv_file import read_csv
from reports.statistics.intervals import paired_difference, wilson
from reports.worst_case.evidence import Evidence, Row, grouped

FILE = "worst_case.csv"
# an attacker who knows the defence may always do what one who does not know would do
ANY = "any"

# name: meaning; the table in docs/files.md has the same, a test compares the two
COLUMNS: dict[str, str] = {
    "dataset": "data set",
    "network": "network with its parameters",
    "norm": "norm of the budget",
    "eps": "the budget; empty for attacks without a bound",
    "threat": "attacker; any: the worse of all, image by image",
    "defence": "defence with its parameters, quality left out",
    "quality": "JPEG quality; empty for other defences",
    "seed": "seed of the subset",
    "attacks": "the attacks that count",
    "strongest": "the attack that leaves the fewest of these images right at this very budget",
    "strongest_threat": "and the threat by which it does; that of the row, where it is not any",
    "n": "images that every attack of the row saw",
    "clean_correct": "of these, right without attack behind the defence",
    "correct": "right under every attack with a budget of at most eps",
    "accuracy": "correct / n",
    "low": "its Wilson 95 % limit, lower",
    "high": "its Wilson 95 % limit, upper",
    "gain": "accuracy minus that of the undefended network, same threat and images",
    "gain_low": "its 95 % limit (Newcombe's method 10 for pairs), lower",
    "gain_high": "the same, upper",
}

_TEXT = (
    "dataset",
    "network",
    "norm",
    "threat",
    "defence",
    "attacks",
    "strongest",
    "strongest_threat",
)
_PLACE = ["dataset", "network", "norm", "defence", "quality", "seed"]
Ids = npt.NDArray[Any]
Right = npt.NDArray[np.bool_]


def worst_case(evidence: Evidence) -> pd.DataFrame:
    """One row a network, data set, defence, threat, norm and eps of the grid; columns as COLUMNS.

    An image stands at a budget where it is right under every attack of that norm and threat whose
    eps is at most this budget: whoever may go as far as eps may stop earlier. So the attacks need
    not share their eps, and accuracy never rises with eps. Attacks without a bound count in rows
    of their own, with an empty eps, together with all bounded ones of their norm. The control
    counts like any other attack: it stays in the budget too.

    Where attacks saw different numbers of images (subsets are nested), those that all attacks of
    one defence, threat and norm saw count, at every eps alike. Without predictions: no rows.
    """
    if evidence.predictions is None:
        return pd.DataFrame(columns=list(COLUMNS))
    found: list[dict[str, Any]] = []
    kept: dict[tuple[Any, ...], tuple[Ids, Right]] = {}
    for key, group in grouped(evidence.rows, _PLACE):
        place = dict(zip(_PLACE, key, strict=True))
        threats = list(dict.fromkeys(row["threat"] for row in group))
        for threat in [*threats, *([ANY] if len(threats) > 1 else [])]:
            part = [row for row in group if threat in (ANY, row["threat"])]
            for level in _levels(evidence, part):
                kept[_at(place, threat, level.eps)] = level.ids, level.right
                found.append(
                    {
                        **place,
                        "eps": level.eps,
                        "threat": threat,
                        "attacks": " + ".join(level.attacks),
                        "strongest": level.strongest,
                        "strongest_threat": level.threat,
                        "n": len(level.ids),
                        "clean_correct": int(level.clean.sum()),
                        "correct": int(level.right.sum()),
                    }
                )
    pairs = np.full((len(found), 4), np.nan)
    for row, counts in zip(found, pairs, strict=True):
        place, eps, threat = {**row, "defence": "none", "quality": None}, row["eps"], row["threat"]
        # without a defence there is nothing to know: any threat will do where the grid has one
        same = (_at(place, attacker, eps) for attacker in (threat, ANY, "oblivious"))
        bare = next((kept[at] for at in same if at in kept), None)
        if bare is not None and row["defence"] != "none":
            counts[:] = _pairs(bare, kept[_at(row, threat, eps)])
    table = pd.DataFrame(found, columns=list(COLUMNS))
    table["accuracy"] = table["correct"] / table["n"]
    table["low"], table["high"] = wilson(table["correct"], table["n"])
    gain = paired_difference(*pairs.T)
    return table.assign(gain=gain.value, gain_low=gain.low, gain_high=gain.high)


def write_worst_case(table: pd.DataFrame, path: Path) -> None:
    """Write `worst_case.csv`; the same table gives the same bytes. Shares have six digits."""
    shares = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")
    rows = (
        [_text(row[name], name in shares) for name in COLUMNS]
        for row in table[list(COLUMNS)].to_dict("records")
    )
    replace_text(path, csv_text(COLUMNS, rows))


def read_worst_case(directory: Path) -> pd.DataFrame | None:
    """`worst_case.csv` of a run directory; None where there is none.

    Raises TableError for a file with other columns.
    """
    path = directory / FILE
    if not path.is_file():
        return None
    table = read_csv(path, "worst case")
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise TableError(f"worst case {path}: lacks the columns {missing[0]}, ...; write it anew")
    try:
        for name in COLUMNS:
            if name not in _TEXT:
                table[name] = pd.to_numeric(table[name].astype(object).replace("", None))
    except (ValueError, TypeError) as error:
        raise TableError(f"worst case {path}: {error}; write it anew with bench report") from error
    return table[list(COLUMNS)]


class _Level(NamedTuple):
    """One budget of a group: the images [N] that all attacks saw, and which were right."""

    eps: float | None
    ids: Ids
    clean: Right
    right: Right
    attacks: list[str]
    strongest: str
    threat: str


def _levels(evidence: Evidence, part: list[Row]) -> Iterator[_Level]:
    """The budgets of the rows of one defence, norm and threat, from small to none."""
    bounded = sorted((row for row in part if row["eps"] is not None), key=lambda row: row["level"])
    unbounded = [row for row in part if row["eps"] is None]
    scored = _shared(evidence, bounded)
    if scored is not None:
        ids, clean, right = scored
        stands: Right = np.ones(len(ids), dtype=bool)
        names: dict[str, None] = {}
        for _, same in groupby(range(len(bounded)), key=lambda i: bounded[i]["level"]):
            now = list(same)
            stands = stands & np.all(right[now], axis=0)
            here, eps = [bounded[i]["attack"] for i in now], float(bounded[now[0]]["eps"])
            names.update(dict.fromkeys(here) if eps > 0 else {})
            best = bounded[now[int(right[now].sum(axis=1).argmin())]]
            strongest = (best["attack"], best["threat"]) if eps > 0 else ("", "")
            yield _Level(eps, ids, clean, stands, list(names), *strongest)
    scored = _shared(evidence, [*unbounded, *bounded]) if unbounded else None
    if scored is not None:
        ids, clean, right = scored
        every = dict.fromkeys(r["attack"] for r in (*unbounded, *bounded) if r["eps"] != 0)
        best = unbounded[int(right[: len(unbounded)].sum(axis=1).argmin())]
        yield _Level(
            None, ids, clean, np.all(right, axis=0), list(every), best["attack"], best["threat"]
        )


def _shared(evidence: Evidence, rows: list[Row]) -> tuple[Ids, Right, Right] | None:
    """The images that all rows saw: ids [N], right without attack [N], under attack [rows, N]."""
    seen = [side for side in map(evidence.scored, rows) if side is not None]
    clean = evidence.scored(rows[0], "clean") if rows else None
    if clean is None or len(seen) < len(rows):
        return None
    ids = seen[0].ids
    for side in seen:
        if side.ids is not ids and not np.array_equal(side.ids, ids):
            ids = np.intersect1d(ids, side.ids, assume_unique=True)
    if not len(ids):
        return None
    right = [side.right[np.searchsorted(side.ids, ids)] for side in seen]
    return ids, clean.right[np.searchsorted(clean.ids, ids)], np.stack(right)


def _pairs(bare: tuple[Ids, Right], own: tuple[Ids, Right]) -> tuple[float, float, float, float]:
    """Right on both sides, only undefended, only defended, on neither; on shared images."""
    first, second = bare[1], own[1]
    if not np.array_equal(bare[0], own[0]):
        _, a, b = np.intersect1d(bare[0], own[0], assume_unique=True, return_indices=True)
        first, second = first[a], second[b]
    if not len(first):
        return (np.nan,) * 4
    both = int((first & second).sum())
    only_a, only_b = int(first.sum()) - both, int(second.sum()) - both
    return both, only_a, only_b, len(first) - both - only_a - only_b


def _at(place: Mapping[str, Any], threat: str, eps: float | None) -> tuple[Any, ...]:
    level = None if eps is None else round(eps, 9)
    return (*(place[name] for name in _PLACE), threat, level)


def _text(value: Any, share: bool) -> str:
    if value is None or pd.isna(value):
        return ""
    if share:
        return f"{value:.6f}"
    return repr(float(value)) if isinstance(value, float) else str(value)

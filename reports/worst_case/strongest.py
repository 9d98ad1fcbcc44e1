"""The worst case over attacks, image by image; an attacker may also leave an image as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.errors import TableError
from reports.results.atomic import csv_text, replace_text
from reports.results.csv_file import numbers, read_csv, require
from reports.results.predictions import Array, counted, shared_places
from reports.results.rows import Key, Row, as_rows, grouped
from reports.results.threats import OBLIVIOUS
from reports.statistics.intervals import paired_difference, wilson
from reports.style.labels import Labels
from reports.worst_case.evidence import Evidence

FILE = "worst_case.csv"
# an attacker who sees the defence may always do what one who does not see it would do
ANY = "any"

# name: meaning; the table in docs/results.md has the same, a test compares the two
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
    "correct": "right without attack, and under every attack with a budget of at most eps",
    "accuracy": "correct / n",
    "low": "its Wilson 95 % limit, lower",
    "high": "its Wilson 95 % limit, upper",
    "gain": "accuracy minus that of the undefended network, same threat and images",
    "gain_low": "its 95 % limit (Newcombe's method 10 for pairs), lower",
    "gain_high": "the same, upper",
}

_TEXT = (
    *("dataset", "network", "norm", "threat", "defence"),
    *("attacks", "strongest", "strongest_threat"),
)
_PLACE = ["dataset", "network", "norm", "defence", "quality", "seed"]
Right = npt.NDArray[np.bool_]


def worst_case(evidence: Evidence) -> pd.DataFrame:
    """Return one row per network, data set, defence, threat, norm and eps; columns as COLUMNS.

    An image withstands a budget if it is right without attack, and under every attack of that norm
    and threat whose eps is at most this budget: an attacker with a budget may also use less of it,
    or nothing. So the attacks need not share their eps, accuracy never rises with eps, and it is
    never above that without attack, also where an attack makes wrong images right. Attacks without
    a bound count in rows of their own, with an empty eps, together with all bounded ones of their
    norm. The control counts like any other attack: it stays in the budget too.

    If attacks saw different numbers of images (subsets are nested), only the images count that all
    attacks of one defence, threat and norm saw, at every eps. Without predictions: no rows.
    """
    if evidence.predictions is None:
        return pd.DataFrame(columns=list(COLUMNS))
    rows: list[Row] = []
    kept: dict[Key, tuple[Array, Right]] = {}
    for key, group in grouped(evidence.rows, _PLACE):
        place = dict(zip(_PLACE, key, strict=True))
        threats = list(dict.fromkeys(row["threat"] for row in group))
        for threat in [*threats, *([ANY] if len(threats) > 1 else [])]:
            part = [row for row in group if threat in (ANY, row["threat"])]
            for level in _levels(evidence, part):
                kept[_at(place, threat, level.about["eps"])] = level.ids, level.right
                hits = {"clean_correct": level.clean.sum(), "correct": level.right.sum()}
                about = {**place, **level.about, "threat": threat, "n": len(level.ids)}
                rows.append({**about, **{name: int(count) for name, count in hits.items()}})
    pairs = np.full((len(rows), 4), np.nan)
    for row, counts in zip(rows, pairs, strict=True):
        place, eps, threat = {**row, "defence": "none", "quality": None}, row["eps"], row["threat"]
        # without a defence all threats attack the same thing: take whichever the grid has
        same = (_at(place, attacker, eps) for attacker in (threat, ANY, OBLIVIOUS))
        bare = next((kept[at] for at in same if at in kept), None)
        if bare is not None and row["defence"] != "none":
            own = kept[_at(row, threat, eps)]
            first, second = shared_places(bare[0], own[0])
            counts[:] = counted(bare[1][first], own[1][second]) if len(first) else np.nan
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["accuracy"] = table["correct"] / table["n"]
    table["low"], table["high"] = wilson(table["correct"], table["n"])
    gain = paired_difference(*pairs.T)
    return table.assign(gain=gain.value, gain_low=gain.low, gain_high=gain.high)


def write_worst_case(table: pd.DataFrame, path: Path) -> None:
    """Write `worst_case.csv`; the same table gives the same bytes. Shares have six digits."""
    shares = ("accuracy", "low", "high", "gain", "gain_low", "gain_high")
    records = table[list(COLUMNS)].to_dict("records")
    rows = ([_text(row[name], name in shares) for name in COLUMNS] for row in records)
    replace_text(path, csv_text(COLUMNS, rows))


def read_worst_case(directory: Path) -> pd.DataFrame | None:
    """Read `worst_case.csv` of a run directory; None if there is none.

    Raises TableError for a file with other columns.
    """
    path = directory / FILE
    if not path.is_file():
        return None
    table = read_csv(path, "worst case")
    require(table, COLUMNS, f"worst case {path}", "write it again with bench report")
    try:
        for name in [name for name in COLUMNS if name not in _TEXT]:
            table[name] = numbers(table[name])
    except (ValueError, TypeError) as error:
        raise TableError(f"worst case {path}: {error}; write it again with bench report") from error
    return table[list(COLUMNS)]


def strongest_attackers(
    worst: pd.DataFrame, budgets: Mapping[tuple[str, str, str], float | None], labels: Labels
) -> list[Row]:
    """Return which attacker is strongest behind each defence, at one budget per network.

    worst: a worst-case table. budgets: the eps by data set, network and norm; other eps are left
    out, attacks without a bound never are.

    Keys of a row: place, norm, eps, defence (with its quality), attacker (`threat: attack`, that
    one alone), accuracy and its limits low and high (the worst case over all), clean (accuracy
    without attack), n.
    """
    last: dict[Key, Row] = {}
    for row in as_rows(worst):
        # `any` comes last, if there are several threats
        last[tuple(row[key] for key in (*_PLACE, "eps"))] = row
    rows = []
    for row in last.values():
        budget = budgets.get((row["dataset"], row["network"], row["norm"]))
        eps = row["eps"]
        at_budget = eps is None or (budget is not None and abs(eps - budget) < 1e-9)
        if at_budget and row["strongest"]:
            numbers = {key: row[key] for key in ("norm", "eps", "accuracy", "low", "high", "n")}
            numbers["clean"] = row["clean_correct"] / row["n"]
            place = labels.place(row["dataset"], row["network"])
            defence = labels.behind(row)
            attacker = (
                f"{labels.threat(row['strongest_threat'])}: {labels.attack(row['strongest'])}"
            )
            rows.append({"place": place, "defence": defence, "attacker": attacker, **numbers})
    return rows


class _Level(NamedTuple):
    """One budget of a group: the images [N] that all attacks saw, and which were right.

    about: eps, attacks, strongest and strongest_threat, as in COLUMNS.
    """

    about: Row
    ids: Array
    clean: Right
    right: Right


def _levels(evidence: Evidence, part: list[Row]) -> Iterator[_Level]:
    """Yield the budgets of the rows of one defence, norm and threat, from small to unbounded."""
    bounded = sorted((row for row in part if row["eps"] is not None), key=lambda row: row["level"])
    unbounded = [row for row in part if row["eps"] is None]
    scored = _shared(evidence, bounded)
    if scored is not None:
        ids, clean, right = scored
        withstands = clean
        names: dict[str, None] = {}
        for _, same in groupby(range(len(bounded)), key=lambda i: bounded[i]["level"]):
            now = list(same)
            withstands = withstands & right[now].all(axis=0)
            here, eps = [bounded[i]["attack"] for i in now], float(bounded[now[0]]["eps"])
            names.update(dict.fromkeys(here) if eps > 0 else {})
            best = bounded[now[int(right[now].sum(axis=1).argmin())]]
            strongest = (best["attack"], best["threat"]) if eps > 0 else ("", "")
            yield _Level(_about(eps, names, *strongest), ids, clean, withstands)
    scored = _shared(evidence, [*unbounded, *bounded]) if unbounded else None
    if scored is not None:
        ids, clean, right = scored
        every = dict.fromkeys(r["attack"] for r in (*unbounded, *bounded) if r["eps"] != 0)
        best = unbounded[int(right[: len(unbounded)].sum(axis=1).argmin())]
        about = _about(None, every, best["attack"], best["threat"])
        yield _Level(about, ids, clean, clean & right.all(axis=0))


def _about(eps: float | None, attacks: Iterable[str], strongest: str, threat: str) -> Row:
    names = ("eps", "attacks", "strongest", "strongest_threat")
    return dict(zip(names, (eps, " + ".join(attacks), strongest, threat), strict=True))


def _shared(evidence: Evidence, rows: list[Row]) -> tuple[Array, Right, Right] | None:
    """Return the images of all rows: ids [N], right without attack [N], under attack [rows, N]."""
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


def _at(place: Row, threat: str, eps: float | None) -> Key:
    level = None if eps is None else round(eps, 9)
    return (*(place[name] for name in _PLACE), threat, level)


def _text(value: object, share: bool) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    if share:
        return f"{value:.6f}"
    return repr(float(value)) if isinstance(value, float) else str(value)

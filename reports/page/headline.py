"""The headline of a run: what an attacker leaves, what a defence gives, what is left of that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from reports.audit.finding import percent
from reports.statistics.intervals import wilson
from reports.worst_case.evidence import Row, behind, gather, grouped
from reports.worst_case.order import is_transfer, rank
from reports.worst_case.strongest import ANY

NORMS = {"inf": "L∞", "2": "L2"}


@dataclass(frozen=True)
class Bar:
    """One accuracy. label: of what. share, low, high: in [0, 1]. n: images. tone: for its look."""

    label: str
    share: float
    low: float
    high: float
    n: int
    tone: str

    @property
    def text(self) -> str:
        """`61.2 % (58.1 to 64.2)`."""
        return f"{percent(self.share)} ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True)
class Card:
    """The headline of one network and data set in one norm.

    place: network and data set. budget: the eps in words. eps: the same as a number. bars: clean,
    attacked, behind the best defence for an attacker who does not know it and for one who does.
    sentences: the same in words.
    gain, left: what the defence gives against the first and the second, as shares; None where it
    was not measured.
    """

    dataset: str
    network: str
    norm: str
    budget: str
    eps: float
    bars: tuple[Bar, ...]
    sentences: tuple[str, ...]
    gain: float | None
    left: float | None


def overall(found: Sequence[Card]) -> str:
    """All cards in one sentence; empty where there are fewer than two with a gain."""
    gains = [card.gain for card in found if card.gain is not None]
    left = [card.left for card in found if card.left is not None]
    if len(gains) < 2:
        return ""
    told = (
        f"Over these {len(gains)} cases the best defence gives between {_signed(min(gains), 0)} and"
        f" {_signed(max(gains), 0)} points against an attacker who does not know of it"
    )
    if not left:
        return f"{told}; no attacker who knows of it was tried."
    if len(left) < len(gains):
        return f"{told}; one who knows was tried in {len(left)} of them."
    return (
        f"{told}, and between {_signed(min(left), 0)} and {_signed(max(left), 0)} points against"
        " one who does."
    )


def cards(worst: pd.DataFrame, table: pd.DataFrame) -> list[Card]:
    """One card a network, data set and norm of a worst-case table (`reports.worst_case.strongest`).

    `table` is the results of the same run: attacks without a bound have no budget to be compared
    at, and are told of in the card of their norm.

    The eps is the smallest at which the undefended network keeps at most half of its clean
    accuracy (the largest tried, where none does that). The defence is the JPEG that keeps the most
    images right at that eps against an attacker who does not know of it.
    """
    records = worst.to_dict("records")
    rows = [{str(k): None if pd.isna(v) else v for k, v in r.items()} for r in records]
    bounded = [row for row in rows if row["eps"] is not None]
    searches = _searches(table)
    found = []
    for _, group in grouped(bounded, ["dataset", "network", "norm", "seed"]):
        bare = _one_a_level([row for row in group if row["defence"] == "none"])
        if bare:
            halved = [row for row in bare if 2 * row["correct"] <= row["clean_correct"]]
            card = _card(halved[0] if halved else bare[-1], bool(halved), group)
            more = searches.get((card.dataset, card.network, card.norm), [])
            found.append(replace(card, sentences=(*card.sentences, *more)))
    return found


def _searches(table: pd.DataFrame) -> dict[tuple[str, ...], list[str]]:
    """Sentences on the attacks that look for the smallest change, by data set, network and norm."""
    rows = [row for row in gather(table).rows if row["eps"] is None and not row["targeted"]]
    told: dict[tuple[str, ...], list[str]] = {}
    for (*place, attack), group in grouped(rows, ["dataset", "network", "norm", "attack"]):
        bare = next((row for row in group if row["defence"] == "none"), None)
        jpeg = [row for row in group if row["defence"].startswith("jpeg")]
        blind = [row for row in jpeg if row["threat"] == "oblivious"]
        if bare is None:
            continue
        median = f" (median {bare['l2_median']:.3g} in L2)" if bare["l2_median"] else ""
        text = (
            f"{attack} looks for the smallest change that works{median} and leaves"
            f" {percent(bare['accuracy'])} of {bare['n']:,} images."
        )
        if blind:
            best = max(blind, key=lambda row: (row["accuracy"], row["quality"] or 0))
            text += f" {behind(best)} undoes it for {percent(best['accuracy'])}"
            knows = [r["accuracy"] for r in jpeg if r["knows"] and r["quality"] == best["quality"]]
            text += f", and for {percent(min(knows))} if it knows." if knows else "."
        told.setdefault(tuple(place), []).append(text)
    return told


def _card(bare: Row, halved: bool, group: list[Row]) -> Card:
    here = [row for row in group if row["eps"] == bare["eps"] and row["defence"] != "none"]
    saved, knows, tried = _best(here)
    bars = [
        _bar("Clean, no defence", bare, "clean_correct", "clean"),
        _bar("Attacked, no defence", bare, "correct", "attacked"),
    ]
    sentences = [
        f"Without an attack {percent(bars[0].share)} of {bare['n']:,} images are right. An attacker"
        f" who may {_may(bare)} leaves {bars[1].text}, taking the worst of {bare['attacks']} for"
        " each image."
        + ("" if halved else " That is the largest budget of the run; none takes away half.")
    ]
    chosen = saved or knows
    if chosen is not None:
        name = behind(chosen)
        bars.append(_bar(f"Clean, {name}", chosen, "clean_correct", "clean"))
        if saved is not None:
            bars.append(_bar(f"Attacked, {name}, unaware attacker", saved, "correct", "saved"))
            sentences.append(_gives(name, saved, tried))
        if knows is not None:
            bars.append(_bar(f"Attacked, {name}, aware attacker", knows, "correct", "knows"))
            sentences.append(_left(saved, knows))
        else:
            sentences.append("No attacker who knows of it was tried, so this is an upper bound.")
    return Card(
        bare["dataset"],
        bare["network"],
        bare["norm"],
        budget(bare["norm"], bare["eps"]),
        bare["eps"],
        tuple(bars),
        tuple(sentences),
        saved["gain"] if saved else None,
        knows["gain"] if knows else None,
    )


def _one_a_level(rows: list[Row]) -> list[Row]:
    """The undefended rows by eps: any attacker will do, there is nothing to know."""
    best: dict[float, Row] = {}
    for row in sorted(rows, key=lambda r: (is_transfer(r["threat"]), rank(r["threat"]))):
        best.setdefault(row["eps"], row)
    return [best[eps] for eps in sorted(best)]


def _best(here: list[Row]) -> tuple[Row | None, Row | None, int]:
    """The best defence against who does not know of it, the same against who does, how many were
    tried: JPEG where there is any, else all but the control of 8 bits."""
    jpeg = [row for row in here if str(row["defence"]).startswith("jpeg")]
    rows = jpeg or [row for row in here if row["defence"] != "quantize"]
    blind = [row for row in rows if row["threat"] == "oblivious"]
    first = blind or [row for row in rows if row["threat"] == ANY] or rows
    if not first:
        return None, None, 0
    chosen = max(first, key=lambda row: (row["accuracy"], row["quality"] or 0))
    same = {
        row["threat"]: row
        for row in rows
        if (row["defence"], row["quality"]) == (chosen["defence"], chosen["quality"])
    }
    knowing = [row for threat, row in same.items() if threat.startswith("adaptive")]
    knows = (same.get(ANY) or knowing[0]) if knowing else None
    return (chosen if blind else None), knows, len(first)


def _gives(name: str, saved: Row, tried: int) -> str:
    best = f", the best of {tried} qualities," if tried > 1 else ""
    told = (
        f"{name}{best} brings this to {percent(saved['accuracy'])} as long as the attacker does not"
        " know of it"
    )
    if saved["gain"] is None:
        return told + "."
    if saved["gain_low"] <= 0:
        return f"{told}: {_points(saved)}, no gain beyond chance."
    return f"{told}: {_points(saved)}."


def _left(saved: Row | None, knows: Row) -> str:
    on = f" of {knows['n']:,} images" if saved is not None and knows["n"] != saved["n"] else ""
    told = f"An attacker who knows of it leaves {percent(knows['accuracy'])}{on}"
    if knows["gain"] is None:
        return told + "."
    told += f", against no defence {_points(knows)}"
    if saved is None or saved["gain"] is None or saved["gain_low"] <= 0:
        return told + "."
    if knows["gain_low"] <= 0:
        return f"{told}: no gain beyond chance is left."
    gone = min(1.0, max(0.0, 1 - knows["gain"] / saved["gain"]))
    return f"{told}: {100 * gone:.0f} % of the gain is gone."


def _points(row: Row) -> str:
    value, low, high = (_signed(row[name], 1) for name in ("gain", "gain_low", "gain_high"))
    return f"{value} points ({low} to {high})"


def _signed(share: float, digits: int) -> str:
    """A difference in points; nothing has no sign."""
    text = f"{100 * share:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]


def _bar(label: str, row: Row, column: str, tone: str) -> Bar:
    hits, n = int(row[column]), int(row["n"])
    low, high = wilson(hits, n)
    return Bar(label, hits / n, float(low), float(high), n, tone)


def _may(row: Mapping[str, Any]) -> str:
    size = eps_text(row["eps"])
    if row["norm"] == "inf":
        return f"change each pixel by up to {size} of its range"
    name = NORMS.get(row["norm"], f"L{row['norm']}")
    return f"change an image by up to {size} in {name} norm"


def budget(norm: str, eps: float) -> str:
    """`L∞ eps 0.0314 (8/255)`."""
    return f"{NORMS.get(norm, f'L{norm}')} eps {eps_text(eps)}"


def eps_text(eps: float) -> str:
    """An eps with four digits; whole grey levels of 8-bit images as such too."""
    levels = eps * 255
    whole = round(levels)
    # grids round 8/255 to five digits
    if 0 < whole <= 32 and math.isclose(levels, whole, abs_tol=2e-3):
        return f"{eps:.3g} ({whole}/255)"
    return f"{eps:.4g}"

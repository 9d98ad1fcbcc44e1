"""The headline of a run: accuracy under attack, the gain by a defence, and what remains of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from reports.results.norms import NO_NORM
from reports.results.operating_point import halving_point
from reports.results.rows import Row, as_rows, grouped
from reports.results.threats import OBLIVIOUS
from reports.statistics.intervals import wilson
from reports.style.labels import NO_LABELS, Labels
from reports.style.numbers import NORMS, budget, count, eps_text, percent
from reports.worst_case.brackets import LOOSE, Bracket, best_bracket
from reports.worst_case.evidence import params_of
from reports.worst_case.strongest import ANY


@dataclass(frozen=True)
class Bar:
    """One accuracy.

    label: of what. share, low, high: in [0, 1]. n: images. tone: its class in the style sheet.
    """

    label: str
    share: float
    low: float
    high: float
    n: int
    tone: str

    @property
    def text(self) -> str:
        """The share with its limits: `61.2 % (58.1 to 64.2)`."""
        return f"{percent(self.share)} ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True)
class Card:
    """The headline of one network and data set in one norm.

    dataset, network, norm: as in the results. budget: the eps in words. eps: the same as a number.
    bars: clean, attacked, behind the best defence under an unaware and an aware attacker.
    sentences: the same in words.
    gain, left: the gain by the defence under the unaware and the aware attacker, as shares; None
    if it was not measured.
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


def overall(cards: Sequence[Card]) -> str:
    """Return all cards in one sentence; empty if fewer than two have a gain."""
    gains = [card.gain for card in cards if card.gain is not None]
    left = [card.left for card in cards if card.left is not None]
    if len(gains) < 2:
        return ""
    cases = f"Over these {len(gains)} cases the best defence changes accuracy by"
    sentence = f"{cases} {_range(gains)} points against an unaware attacker"
    if not left:
        return f"{sentence}; no aware attacker was tried."
    if len(left) < len(gains):
        return f"{sentence}; an aware one was tried in {len(left)} of them."
    return f"{sentence}, and by {_range(left)} points against an aware one."


def _range(shares: list[float]) -> str:
    return f"{_signed(min(shares), 0)} to {_signed(max(shares), 0)}"


def cards(
    worst: pd.DataFrame,
    table: pd.DataFrame,
    labels: Labels = NO_LABELS,
    proved: Sequence[Bracket] = (),
) -> list[Card]:
    """Return one card per network, data set and norm of a worst-case table.

    worst: as of `reports.worst_case.strongest`. table: the results of the same run: attacks
    without a bound have no budget to be compared at, and get a sentence in the card of their norm,
    or in the first card of the network where that norm has none.
    proved: the brackets of the run.

    The eps is the smallest at which the undefended network keeps at most half of its clean
    accuracy (the largest tried, if none does that). The defence is the JPEG that keeps the most
    images right at that eps under an unaware attacker.
    """
    bounded = [row for row in as_rows(worst) if row["eps"] is not None]
    searches = _searches(table, labels)
    listed = []
    for _, group in grouped(bounded, ["dataset", "network", "norm", "seed"]):
        bare = _one_per_level([row for row in group if row["defence"] == "none"], labels)
        if bare:
            place, halved = halving_point((r["correct"], r["clean_correct"]) for r in bare)
            listed.append(_card(bare[place], halved, group, labels))
    return [_with_proof(card, proved) for card in _with_searches(listed, searches)]


def _with_searches(listed: list[Card], searches: dict[tuple[str, ...], list[str]]) -> list[Card]:
    """Return cards with the sentences of `_searches` in the cards where they belong."""
    norms = {(card.dataset, card.network, card.norm) for card in listed}
    first: dict[tuple[str, str], Card] = {}
    result = []
    for card in listed:
        at = card.dataset, card.network
        places: list[tuple[str, ...]] = [(*at, card.norm)]
        if first.setdefault(at, card) is card:
            places += [place for place in searches if place[:2] == at and place not in norms]
        more = [sentence for place in places for sentence in searches.get(place, [])]
        result.append(replace(card, sentences=(*card.sentences, *more)))
    return result


def _with_proof(card: Card, proved: Sequence[Bracket]) -> Card:
    """Return a card with the share that is proved, where there is one."""
    found = best_bracket(proved, card.dataset, card.network, card.eps)
    if found is None or card.norm != "inf":
        return card
    low, high, _, _ = found.limits()
    about = found.proved / found.n, low, high, found.n, "proved"
    bar = Bar(f"Proved, no defence ({found.name})", *about)
    branching = f" Here {found.branching()}." if found.branching() else ""
    sentence = f"From both sides: {found.text()}. {LOOSE}{branching}"
    bars = (*card.bars[:2], bar, *card.bars[2:])
    return replace(card, bars=bars, sentences=(*card.sentences, sentence))


def _searches(table: pd.DataFrame, labels: Labels) -> dict[tuple[str, ...], list[str]]:
    """Return sentences on attacks that minimise the change, by data set, network and norm."""
    # what has no norm searches for nothing: corruptions
    searched = (table["status"] == "ok") & table["eps"].isna() & (table["norm"] != NO_NORM)
    unbounded = as_rows(table[searched])
    rows = [row for row in unbounded if not params_of(row["attack_params"]).get("targeted")]
    sentences: dict[tuple[str, ...], list[str]] = {}
    for (*place, attack), group in grouped(rows, ["dataset", "network", "norm", "attack"]):
        bare = next((row for row in group if row["defence"] == "none"), None)
        jpeg = [row for row in group if row["defence"].startswith("jpeg")]
        unaware = [row for row in jpeg if row["threat"] == OBLIVIOUS]
        if bare is None:
            continue
        median = _median(bare)
        left = f"{percent(bare['accuracy'])} of {bare['n']:,} images right"
        text = f"{attack} searches for the smallest change that works{median} and leaves {left}."
        if unaware:
            best = max(unaware, key=_most_right)
            kept = f"keeps {percent(best['accuracy'])} right"
            text += f" {labels.behind(best)} {kept} under an unaware attacker"
            same = (row for row in jpeg if row["quality"] == best["quality"])
            aware = [r["accuracy"] for r in same if labels.threats.sees_defence(r["threat"])]
            text += f" and {percent(min(aware))} under an aware one." if aware else "."
        sentences.setdefault(tuple(place), []).append(text)
    return sentences


def _median(row: Row) -> str:
    """Return the median change of a row, in the norm that its attack minimises or else in L2."""
    norm = row["norm"] if row["norm"] in ("0", "1") else "2"
    value = row[f"l{norm}_median"]
    return f" (median {value:.3g} in {NORMS[norm]})" if value else ""


def _card(bare: Row, halved: bool, group: list[Row], labels: Labels) -> Card:
    defended = [row for row in group if row["eps"] == bare["eps"] and row["defence"] != "none"]
    saved, aware, tried = _best(defended, labels)
    bars = [
        _bar("Clean, no defence", bare, "clean_correct", "clean"),
        _bar("Attacked, no defence", bare, "correct", "attacked"),
    ]
    sentences = [
        f"Without an attack {percent(bars[0].share)} of {bare['n']:,} images are right. An attacker"
        f" who may {_may(bare)} leaves {bars[1].text} right, by the worst of {bare['attacks']} for"
        " each image."
        + ("" if halved else " No budget of the run halves the accuracy; this is the largest.")
    ]
    chosen = saved or aware
    if chosen is not None:
        name = labels.behind(chosen)
        bars.append(_bar(f"Clean, {name}", chosen, "clean_correct", "clean"))
        if saved is not None:
            bars.append(_bar(f"Attacked, {name}, unaware attacker", saved, "correct", "saved"))
            sentences.append(_gives(name, saved, tried))
        if aware is not None:
            bars.append(_bar(f"Attacked, {name}, aware attacker", aware, "correct", "aware"))
            sentences.append(_left(saved, aware))
        else:
            sentences.append("No aware attacker was tried, so this is an upper bound.")
    norm, eps = bare["norm"], bare["eps"]
    place = bare["dataset"], bare["network"], norm, budget(norm, eps), eps
    gain, left = (row["gain"] if row else None for row in (saved, aware))
    return Card(*place, tuple(bars), tuple(sentences), gain, left)


def _one_per_level(rows: list[Row], labels: Labels) -> list[Row]:
    """Return one undefended row per eps: without a defence all threats attack the same thing."""
    known, best = labels.threats, dict[float, Row]()
    own = sorted(rows, key=lambda row: known.rank(row["threat"]))
    for row in sorted(own, key=lambda row: known.crafted_elsewhere(row["threat"])):
        best.setdefault(row["eps"], row)
    return [best[eps] for eps in sorted(best)]


def _best(defended: list[Row], labels: Labels) -> tuple[Row | None, Row | None, int]:
    """Return the best defence under an unaware and under an aware attacker, and how many there are.

    Defences: JPEG if there is any, else all but the control of 8 bits.
    """
    jpeg = [row for row in defended if str(row["defence"]).startswith("jpeg")]
    rows = jpeg or [row for row in defended if row["defence"] != "quantize"]
    unaware = [row for row in rows if row["threat"] == OBLIVIOUS]
    first = unaware or [row for row in rows if row["threat"] == ANY] or rows
    if not first:
        return None, None, 0
    chosen = max(first, key=_most_right)
    place = chosen["defence"], chosen["quality"]
    same = {row["threat"]: row for row in rows if (row["defence"], row["quality"]) == place}
    informed = [row for threat, row in same.items() if labels.threats.sees_defence(threat)]
    aware = (same.get(ANY) or informed[0]) if informed else None
    return (chosen if unaware else None), aware, len(first)


def _most_right(row: Row) -> tuple[float, int]:
    """Order rows by accuracy, those of one accuracy by quality."""
    return row["accuracy"], row["quality"] or 0


def _gives(name: str, saved: Row, tried: int) -> str:
    best = f", the best of {tried} qualities," if tried > 1 else ""
    brings = f"{name}{best} brings this to {percent(saved['accuracy'])}"
    sentence = f"{brings} as long as the attacker is unaware of it"
    if saved["gain"] is None:
        return sentence + "."
    beyond = ", no gain beyond chance" if saved["gain_low"] <= 0 else ""
    return f"{sentence}: {_points(saved)}{beyond}."


def _left(saved: Row | None, aware: Row) -> str:
    on = f" of {aware['n']:,} images" if saved is not None and aware["n"] != saved["n"] else ""
    sentence = f"An aware attacker leaves {percent(aware['accuracy'])}{on} right"
    if aware["gain"] is None:
        return sentence + "."
    sentence += f", {_points(aware)} compared with no defence"
    if saved is None or saved["gain"] is None or saved["gain_low"] <= 0:
        return sentence + "."
    if aware["gain_low"] <= 0:
        return f"{sentence}: no gain beyond chance remains."
    lost = min(1.0, max(0.0, 1 - aware["gain"] / saved["gain"]))
    return f"{sentence}: {100 * lost:.0f} % of the gain is lost."


def _points(row: Row) -> str:
    value, low, high = (_signed(row[name], 1) for name in ("gain", "gain_low", "gain_high"))
    return f"{value} points ({low} to {high})"


def _signed(share: float, digits: int) -> str:
    """Return a difference in points; zero has no sign."""
    text = f"{100 * share:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]


def _bar(label: str, row: Row, column: str, tone: str) -> Bar:
    hits, n = int(row[column]), int(row["n"])
    low, high = wilson(hits, n)
    return Bar(label, hits / n, float(low), float(high), n, tone)


def _may(row: Row) -> str:
    size = eps_text(row["eps"])
    if row["norm"] == "inf":
        return f"change each pixel by up to {size} of its range"
    if row["norm"] == "0":
        return f"change up to {count(round(row['eps']), 'value')} of an image"
    name = NORMS.get(row["norm"], f"L{row['norm']}")
    return f"change an image by up to {size} in {name} norm"

"""The numbers of a headline in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from reports.page.card import Card
from reports.results.norms import NO_NORM
from reports.results.rows import Row, as_rows, grouped
from reports.results.threats import OBLIVIOUS
from reports.style.labels import Labels
from reports.style.numbers import NORMS, count, eps_text, percent
from reports.worst_case.evidence import params_of


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
    first, last = _signed(min(shares), 0), _signed(max(shares), 0)
    return first if first == last else f"{first} to {last}"


def attacked(base: Row, labels: Labels, halved: bool, per_image: bool) -> str:
    """Return the accuracy without and under attack."""
    names = [labels.attack(name) for name in str(base["attacks"]).split(" + ") if name]
    share = percent(base["clean_correct"] / base["n"])
    text = f"Without an attack {share} of {base['n']:,} images are right. "
    if not names:
        return text + "No attack of the run changes an image."
    accuracy = f"{percent(base['accuracy'])} ({100 * base['low']:.1f} to {100 * base['high']:.1f})"
    text += f"An attacker who may {_may(base)} leaves {accuracy} right. "
    if len(names) == 1:
        text += f"The attack is {names[0]}."
    elif per_image:
        text += f"An image counts as right only if it withstands all of {_listed(names)}."
    else:
        text += f"This is the lowest accuracy under one of {_listed(names)}."
    if not halved:
        text += " No budget of the run halves the accuracy; this is the largest."
    return text


def is_best(name: str, tried: int) -> str:
    """Return that the defence whose numbers are shown is the best one."""
    best = f"the best of {tried} defences" if tried > 1 else "the only defence"
    return f"{name} is {best}."


def gives(name: str, saved: Row, tried: int) -> str:
    """Return what a defence gives under an unaware attacker."""
    best = f", the best of {tried} defences," if tried > 1 else ""
    brings = f"{name}{best} brings this to {percent(saved['accuracy'])}"
    sentence = f"{brings} as long as the attacker is unaware of it"
    if saved["gain"] is None:
        return sentence + "."
    beyond = ", no gain beyond chance" if saved["gain_low"] <= 0 else ""
    return f"{sentence}: {_points(saved)}{beyond}."


def left(saved: Row | None, aware: Row) -> str:
    """Return what remains of it under an aware attacker."""
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


def searches(table: pd.DataFrame, labels: Labels) -> dict[tuple[str, ...], list[str]]:
    """Return sentences on attacks that minimise the change, by data set, network and norm."""
    # what has no norm searches for nothing: corruptions
    searched = (table["status"] == "ok") & table["eps"].isna() & (table["norm"] != NO_NORM)
    unbounded = as_rows(table[searched])
    rows = [row for row in unbounded if not params_of(row["attack_params"]).get("targeted")]
    found: dict[tuple[str, ...], list[str]] = {}
    for (*place, attack), group in grouped(rows, ["dataset", "network", "norm", "attack"]):
        bare = next((row for row in group if row["defence"] == "none"), None)
        others = [row for row in group if row["defence"] not in ("none", "quantize")]
        unaware = [row for row in others if row["threat"] == OBLIVIOUS]
        if bare is None:
            continue
        remain = f"{percent(bare['accuracy'])} of {bare['n']:,} images right"
        text = f"{labels.attack(attack)} searches for the smallest change that works"
        text += f"{_median(bare)} and leaves {remain}."
        if unaware:
            best = max(unaware, key=most_right)
            at = best["defence"], best["quality"]
            same = (row for row in others if (row["defence"], row["quality"]) == at)
            aware = [r["accuracy"] for r in same if labels.threats.sees_defence(r["threat"])]
            text += f" {labels.behind(best)} {_saves(best['accuracy'])} an unaware attacker"
            text += f" and {_images(min(aware))} from an aware one." if aware else "."
        found.setdefault(tuple(place), []).append(text)
    return found


def with_searches(listed: list[Card], found: dict[tuple[str, ...], list[str]]) -> list[Card]:
    """Return cards with the sentences of `searches` in the cards where they belong."""
    norms = {(card.dataset, card.network, card.norm) for card in listed}
    first: dict[tuple[str, str], Card] = {}
    result = []
    for card in listed:
        at = card.dataset, card.network
        places: list[tuple[str, ...]] = [(*at, card.norm)]
        if first.setdefault(at, card) is card:
            places += [place for place in found if place[:2] == at and place not in norms]
        more = [sentence for place in places for sentence in found.get(place, [])]
        result.append(replace(card, sentences=(*card.sentences, *more)))
    return result


def most_right(row: Row) -> tuple[float, int]:
    """Order rows by accuracy, those of one accuracy by quality."""
    return row["accuracy"], row["quality"] or 0


def _saves(share: float) -> str:
    return f"saves {_images(share)} from"


def _images(share: float) -> str:
    """Return a share of the images in words: `all images`, `none`, `61.2 %`."""
    return "all images" if share == 1 else "none" if share == 0 else percent(share)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _median(row: Row) -> str:
    """Return the median change of a row, in the norm that its attack minimises or else in L2."""
    norm = row["norm"] if row["norm"] in ("0", "1") else "2"
    value = row[f"l{norm}_median"]
    return f" (median {value:.3g} in {NORMS[norm]})" if value else ""


def _points(row: Row) -> str:
    value, low, high = (_signed(row[name], 1) for name in ("gain", "gain_low", "gain_high"))
    return f"{value} points ({low} to {high})"


def _signed(share: float, digits: int) -> str:
    """Return a difference in points; zero has no sign."""
    text = f"{100 * share:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]


def _may(row: Row) -> str:
    if row["eps"] is None:
        return "change an image without a bound"
    size = eps_text(row["eps"])
    if row["norm"] == "inf":
        return f"change each pixel by up to {size} of its range"
    if row["norm"] == "0":
        return f"change up to {count(round(row['eps']), 'value')} of an image"
    name = NORMS.get(row["norm"], f"L{row['norm']}")
    return f"change an image by up to {size} in {name} norm"

"""The headline of a run: one card per network, data set and norm, each at one budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from reports.page import sentences
from reports.page.card import Bar, Card
from reports.results.norms import NO_NORM
from reports.results.operating_point import halving_point
from reports.results.rows import Key, Row, as_rows, grouped
from reports.results.threats import OBLIVIOUS
from reports.statistics.intervals import wilson
from reports.style.labels import NO_LABELS, Labels
from reports.style.numbers import NORMS, budget
from reports.worst_case.brackets import LOOSE, Bracket, best_bracket
from reports.worst_case.strongest import ANY

_PLACE = ["dataset", "network", "norm", "seed"]


def cards(
    worst: pd.DataFrame,
    table: pd.DataFrame,
    labels: Labels = NO_LABELS,
    proved: Sequence[Bracket] = (),
    per_image: bool = True,
) -> list[Card]:
    """Return one card per network, data set and norm of a worst-case table.

    worst: as of `reports.worst_case.strongest`. table: the results of the same run: attacks
    without a bound have no budget to be compared at. They get a sentence in the card of their
    norm, or in the first card of the network where that norm has none, and a card of their own
    where the network has no other. proved: the brackets of the run. per_image: whether `worst` is
    over images; else it is the lowest accuracy of one attack.

    Networks on one data set are compared at one eps: the smallest at which they keep, on average,
    at most half of their clean accuracy (the largest tried, if they do at none). The defence is
    the one that keeps the most images right at that eps under an unaware attacker.
    """
    listed, waiting = [], []
    rows = [row for row in as_rows(worst) if row["norm"] != NO_NORM]
    curves = {key: _base(group) for key, group in grouped(rows, _PLACE)}
    budgets = _budgets(curves)
    for key, group in grouped(rows, _PLACE):
        base = next(
            (row for row in curves[key] if row["eps"] == budgets.get(key, (None,))[0]), None
        )
        if base is not None and base["eps"] is not None:
            listed.append(_card(base, budgets[key][1], group, labels, per_image))
        elif base is not None:
            waiting.append(_card(base, True, group, labels, per_image))
    known = {(card.dataset, card.network) for card in listed}
    listed += [card for card in waiting if (card.dataset, card.network) not in known]
    listed = sentences.with_searches(listed, sentences.searches(table, labels))
    return [_with_proof(card, proved) for card in listed]


def lowest(found: Sequence[Card]) -> Card | None:
    """Return the card with the lowest accuracy under attack; None without cards."""
    return min(found, key=lambda card: (card.worst.share, card.clean.share), default=None)


def _base(group: list[Row]) -> list[Row]:
    """Return the rows of the undefended network, one per eps, by rising eps; None comes last.

    Where the run has no undefended network, those of its first defence.
    """
    defences = [(row["defence"], row["quality"]) for row in group]
    chosen = ("none", None) if ("none", None) in defences else defences[0]
    rows = [row for row, defence in zip(group, defences, strict=True) if defence == chosen]
    best = dict[float | None, Row]()
    # the worst over all threats, where there are several
    for row in sorted(rows, key=lambda row: row["threat"] != ANY):
        best.setdefault(row["eps"], row)
    return [best[eps] for eps in sorted(best, key=lambda e: (e is None, e or 0.0))]


def _budgets(curves: dict[Key, list[Row]]) -> dict[Key, tuple[float | None, bool]]:
    """Return the eps of each group, and whether it halves the accuracy."""
    together: dict[Key, list[Key]] = {}
    for key in curves:
        dataset, _, norm, seed = key
        together.setdefault((dataset, norm, seed), []).append(key)
    budgets: dict[Key, tuple[float | None, bool]] = {}
    for keys in together.values():
        levels = [
            {row["eps"]: row for row in curves[key] if row["eps"] is not None} for key in keys
        ]
        bounded = [known for known in levels if known]
        shared = sorted(set.intersection(*(set(known) for known in bounded))) if bounded else []
        for key, known in zip(keys, levels, strict=True):
            own = shared or sorted(known)
            if not known:
                budgets[key] = (None, True)
                continue
            among = bounded if shared else [known]
            means = [
                tuple(
                    sum(k[eps][c] / k[eps]["n"] for k in among)
                    for c in ("correct", "clean_correct")
                )
                for eps in own
            ]
            place, halved = halving_point((low, clean) for low, clean in means)
            budgets[key] = (own[place], halved)
    return budgets


def _card(base: Row, halved: bool, group: list[Row], labels: Labels, per_image: bool) -> Card:
    own = base["defence"], base["quality"]
    best, under, tried = _best([row for row in group if row["eps"] == base["eps"]], labels)
    behind, norm, eps = labels.behind(base), base["norm"], base["eps"]
    clean = _bar(f"Clean, {behind}", base, "clean_correct", "clean")
    worst = _bar(f"Attacked, {behind}", base, "correct", "attacked")
    bars, texts = [clean, worst], [sentences.attacked(base, labels, halved, per_image)]
    saved = aware = None
    chosen = best or under
    name = labels.behind(chosen) if chosen else ""
    if chosen is not None:
        # without an undefended network the card shows a defence, which may be the best one
        itself = (chosen["defence"], chosen["quality"]) == own
        if not itself:
            bars.append(_bar(f"Clean, {name}", chosen, "clean_correct", "clean"))
        if best is not None:
            saved = _bar(f"Attacked, {name}, unaware attacker", best, "correct", "saved")
            texts += [
                sentences.is_best(name, tried) if itself else sentences.gives(name, best, tried)
            ]
        if under is not None:
            aware = _bar(f"Attacked, {name}, aware attacker", under, "correct", "aware")
            texts.append(sentences.left(best, under))
        else:
            texts.append("No aware attacker was tried, so this is an upper bound.")
        bars += [bar for bar in (saved, aware) if bar is not None]
    words = budget(norm, eps) if eps is not None else f"{NORMS.get(norm, f'L{norm}')}, no bound"
    place = base["dataset"], base["network"], norm, eps, words, _by(base, labels), behind
    gain, left = (row["gain"] if row else None for row in (best, under))
    return Card(*place, clean, worst, name, saved, aware, tuple(bars), tuple(texts), gain, left)


def _by(row: Row, labels: Labels) -> str:
    """Return the strongest attack of a row, and who carries it out where that matters."""
    attack, threat = labels.attack(row["strongest"]), row["strongest_threat"]
    told = row["defence"] != "none" or labels.threats.crafted_elsewhere(threat)
    return f"{attack} ({labels.threat(threat)})" if attack and told else attack


def _with_proof(card: Card, proved: Sequence[Bracket]) -> Card:
    """Return a card with the share that is proved, where there is one."""
    if card.eps is None or card.norm != "inf":
        return card
    found = best_bracket(proved, card.dataset, card.network, card.eps)
    if found is None:
        return card
    low, high, _, _ = found.limits()
    about = found.proved / found.n, low, high, found.n, "proved"
    bar = Bar(f"Proved, no defence ({found.name})", *about)
    branching = f" Here {found.branching()}." if found.branching() else ""
    sentence = f"From both sides: {found.text()}. {LOOSE}{branching}"
    bars = (*card.bars[:2], bar, *card.bars[2:])
    return replace(card, bars=bars, sentences=(*card.sentences, sentence))


def _best(defended: list[Row], labels: Labels) -> tuple[Row | None, Row | None, int]:
    """Return the best defence under an unaware and under an aware attacker, and how many there are.

    Defences: all but the control of 8 bits.
    """
    rows = [row for row in defended if row["defence"] not in ("none", "quantize")]
    unaware = [row for row in rows if row["threat"] == OBLIVIOUS]
    first = unaware or [row for row in rows if row["threat"] == ANY] or rows
    if not first:
        return None, None, 0
    chosen = max(first, key=sentences.most_right)
    place = chosen["defence"], chosen["quality"]
    same = {row["threat"]: row for row in rows if (row["defence"], row["quality"]) == place}
    informed = [row for threat, row in same.items() if labels.threats.sees_defence(threat)]
    aware = (same.get(ANY) or informed[0]) if informed else None
    return (chosen if unaware else None), aware, len(first)


def _bar(label: str, row: Row, column: str, tone: str) -> Bar:
    hits, n = int(row[column]), int(row["n"])
    low, high = wilson(hits, n)
    return Bar(label, hits / n, float(low), float(high), n, tone)

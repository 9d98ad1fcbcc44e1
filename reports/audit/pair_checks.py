"""Checks that hold cells against each other: which side must do at least as much harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from reports.audit.finding import SCOPE, Finding, count, finding, percent
from reports.audit.reversals import LARGE, LEVEL, Case, reversals, status, worst
from reports.statistics.tests import adjust
from reports.worst_case.evidence import Evidence, Row, behind, grouped, size
from reports.worst_case.order import is_transfer, rank

_HOW = (
    " Tested image by image (exact McNemar; without predictions Fisher), two-sided, Holm's"
    f" correction over all comparisons of the check at {LEVEL:g}: a rise beyond chance warns, one"
    f" of {100 * LARGE:g} points or more fails."
)
MONOTONE_RULE = (
    "Each eps of an attack is held against every smaller one behind the same defence." + _HOW
)
ITERATIVE_RULE = (
    "At equal norm and eps, where the attacker attacks what is scored: behind a defence that it"
    " does not know, an iterative attack is known to fare worse than one step." + _HOW + " An"
    " attack that minimises the L2 norm is held against one-step L2 attacks: these, with an eps up"
    " to its median norm, must not turn more than half of the images (binomial test)."
)
ADAPTIVE_RULE = (
    "The same attack, eps and defence, by attackers who know less and more: oblivious, adaptive,"
    " adaptive-diff, adaptive-eot." + _HOW
)
WHITE_BOX_RULE = (
    "At equal norm, eps and defence: an iterative attack with gradients of what is scored is held"
    " against attacks that only ask for outputs, and against itself crafted on another network."
    + _HOW
)
CONTROL_RULE = (
    "At equal norm and eps; an L2 attack is held against the largest noise whose L2 norm stays"
    " within its eps." + _HOW
)
_CELL = ("dataset", "network", "norm", "level", "threat", "defence", "quality", "seed")
_CURVE = (*SCOPE, "norm", "defence", "quality", "seed")

_WEAK = "More iterations, a smaller step or restarts; look for masked gradients."
_STOPPED = "Something stops the attack: look for masked gradients, a wrong sign or scale."
_MISLED = (
    "The gradient through the defence misleads the attack: take the stronger of both attackers as"
    " the accuracy, and a better estimate of the gradient."
)
_OVERSHOOT = "A single step overshoots: judge by an iterative attack at the same eps."


def monotone(evidence: Evidence) -> Iterator[Finding]:
    """More budget must not leave more images right."""
    rows = [row for row in evidence.rows if row["eps"] is not None and not row["targeted"]]
    cases = []
    for _, curve in grouped(rows, _CURVE):
        for harsh in curve:
            cases += [Case(row, harsh) for row in curve if row["level"] < harsh["level"]]
    yield from _findings(
        evidence,
        cases,
        rows,
        ("pair of eps", "pairs of eps"),
        lambda a, b: f"{size(a)} to {b['eps']:.4g}",
        lambda row: {"one-step": _OVERSHOOT, "control": "Noise helps: the defence expects it."}.get(
            row["kind"], _WEAK
        ),
        ("One eps alone.", "Add more eps to the attack."),
    )


def iterative(evidence: Evidence) -> Iterator[Finding]:
    """Many steps must not do less than one."""
    rows = [row for row in evidence.rows if row["knows"] and not row["targeted"]]
    one = [row for row in rows if row["kind"] == "one-step" and row["eps"] != 0]
    many = [row for row in rows if row["kind"] == "iterative" and row["eps"] != 0]
    bounded = [row for row in many if row["eps"] is not None]
    yield from _findings(
        evidence,
        _matched(one, bounded, _CELL),
        bounded,
        ("comparison", "comparisons"),
        lambda a, b: f"{a['attack']} to {b['attack']} at {size(b)}",
        lambda row: _WEAK,
        ("No one-step attack of its norm at its eps.", "Add fgsm (Linf) or fgm (L2) at its eps."),
    )
    searching = [row for row in many if row["eps"] is None and row["norm"] == "2"]
    yield from _minimal(evidence, searching, [row for row in one if row["norm"] == "2"])


def adaptive(evidence: Evidence) -> Iterator[Finding]:
    """Who knows more must not do less."""
    rows = [
        row
        for row in evidence.rows
        if row["defence"] != "none"
        and row["kind"] != "control"
        and not row["targeted"]
        and row["eps"] != 0
    ]
    rows = [row for row in rows if not is_transfer(row["threat"])]
    knowing = [row for row in rows if row["knows"]]
    columns = ("attack", *(name for name in _CELL if name != "threat"))
    cases = [
        case
        for case in _matched(rows, knowing, columns)
        if rank(case.gentle["threat"]) < rank(case.harsh["threat"])
    ]
    yield from _findings(
        evidence,
        cases,
        knowing,
        ("comparison", "comparisons"),
        lambda a, b: f"{a['threat']} to {b['threat']} at {size(b)}",
        lambda row: _MISLED,
        ("No oblivious cell to hold it against.", "Add threat oblivious."),
    )


def white_box(evidence: Evidence) -> Iterator[Finding]:
    """Gradients of the target must not do less than questions or another network's images."""
    rows = [row for row in evidence.rows if row["eps"] and not row["targeted"]]
    harsh = [row for row in rows if row["knows"] and row["kind"] == "iterative"]
    place = [name for name in _CELL if name != "threat"]
    asked = [row for row in rows if row["knows"] and row["kind"] == "query"]
    moved = [row for row in rows if is_transfer(row["threat"])]
    cases = _matched(asked, harsh, place) + _matched(moved, harsh, ["attack", *place])
    tested = {case.harsh["number"] for case in cases}
    yield from _findings(
        evidence,
        cases,
        [row for row in harsh if row["number"] in tested],
        ("comparison", "comparisons"),
        lambda a, b: f"{a['attack']}, {a['threat']} to {b['attack']}, {b['threat']} at {size(b)}",
        lambda row: _STOPPED,
        ("", ""),
    )


def control(evidence: Evidence) -> Iterator[Finding]:
    """Noise that looks at nothing must not do more than an attack that looks."""
    rows = [row for row in evidence.rows if row["eps"] and not row["targeted"]]
    noise = [row for row in rows if row["kind"] == "control"]
    attacks = [row for row in rows if row["kind"] != "control"]
    cases = _matched(noise, attacks, _CELL) + _within(noise, attacks)
    yield from _findings(
        evidence,
        cases,
        attacks,
        ("comparison", "comparisons"),
        lambda a, b: f"{a['attack']} ({size(a)}) to {b['attack']} ({size(b)})",
        lambda row: _STOPPED,
        ("No noise of its budget in the run.", "Add the control: noise of this size."),
    )


def _matched(gentle: list[Row], harsh: list[Row], columns: Sequence[str]) -> list[Case]:
    """Every pair of rows that agree in the columns; where one side has several samples, all."""
    known = dict(grouped(gentle, columns))
    return [
        Case(row, other)
        for other in harsh
        for row in known.get(tuple(other[name] for name in columns), ())
    ]


def _within(noise: list[Row], attacks: list[Row]) -> list[Case]:
    """For each L2 attack the largest noise of another norm, measured in L2, that its eps allows."""
    columns = [name for name in _CELL if name not in ("norm", "level")]
    known = dict(grouped((row for row in noise if row["norm"] != "2"), columns))
    cases = []
    for row in attacks:
        same = known.get(tuple(row[name] for name in columns), ())
        inside = [other for other in same if (other["l2_max"] or 0) <= row["eps"] * (1 + 1e-5)]
        if row["norm"] == "2" and inside:
            cases.append(Case(max(inside, key=lambda other: float(other["l2_max"] or 0)), row))
    return cases


def _findings(
    evidence: Evidence,
    cases: list[Case],
    rows: list[Row],
    things: tuple[str, str],
    between: Callable[[Row, Row], str],
    advice: Callable[[Row], str],
    untested: tuple[str, str],
) -> Iterator[Finding]:
    """One finding for each scope of the rows, from all comparisons of a check tested together."""
    tested = reversals(evidence, cases)
    by_scope = dict(grouped([{**case.harsh, "case": case} for case in tested], SCOPE))
    for scope, _ in grouped(rows, SCOPE):
        group = [row["case"] for row in by_scope.get(scope, ())]
        if not group:
            yield finding(scope, "not tested", 0, *untested)
            continue
        at, told = worst(group), status(group)
        n = f"{len(group):,} {things[len(group) > 1]}"
        if told == "ok":
            least = f"largest rise {100 * at.rise:.1f} points" if at.rise > 0 else "no rise at all"
            yield finding(scope, told, len(group), f"{n}, none beyond chance ({least}).")
            continue
        detail = (
            f"{sum(case.beyond for case in group):,} of {n} beyond chance; most from"
            f" {percent(at.before)} to {percent(at.after)} of {at.n} images"
            f" ({between(at.gentle, at.harsh)}, {behind(at.harsh)}; adjusted p {at.p:.2g})."
        )
        yield finding(scope, told, len(group), detail, advice(at.harsh))


def _minimal(evidence: Evidence, searching: list[Row], one: list[Row]) -> Iterator[Finding]:
    """Attacks that minimise the L2 norm against one-step attacks of that norm."""
    within: dict[int, Case] = {}
    for case in _matched(one, searching, [name for name in _CELL if name != "level"]):
        least, most = case
        # where the search gave up on images its median says nothing of them
        if (most["success_rate"] or 0) >= 0.99 and least["eps"] <= (most["l2_median"] or 0):
            kept = within.get(most["number"])
            if kept is None or least["eps"] > kept.gentle["eps"]:
                within[most["number"]] = case
    turned = {number: _turned(evidence, case) for number, case in within.items()}
    raw = [_more_than_half(hits, n) for hits, n in turned.values()]
    p = dict(zip(turned, adjust(raw, "holm"), strict=True))
    for scope, group in grouped(searching, SCOPE):
        told = [row["number"] for row in group if row["number"] in turned]
        if not told:
            yield finding(
                scope,
                "not tested",
                0,
                "No one-step L2 attack with an eps up to its median norm.",
                "Add fgm with small eps.",
            )
            continue
        at = max(told, key=lambda n: (bool(p[n] <= LEVEL), turned[n][0] / turned[n][1]))
        (hits, n), (least, most) = turned[at], within[at]
        bad = sum(bool(p[number] <= LEVEL) for number in told)
        level = "ok" if not bad else "fail" if hits / n >= 0.5 + LARGE else "warn"
        yield finding(
            scope,
            level,
            len(told),
            f"{bad} of {count(len(told), 'comparison')} beyond chance; {least['attack']} at"
            f" {size(least)} turns {percent(hits / n)} of {n} images where the median L2 norm is"
            f" {most['l2_median']:.3g} ({behind(most)}).",
            "The search stops early: more iterations or binary search steps.",
        )


def _turned(evidence: Evidence, case: Case) -> tuple[int, int]:
    """How many of the images that were right the one-step attack turned, on shared images."""
    clean, attacked = evidence.scored(case.gentle, "clean"), evidence.scored(case.gentle)
    other = evidence.scored(case.harsh)
    if clean is None or attacked is None or other is None:
        right = int(case.gentle["clean_correct"])
        return round(float(case.gentle["success_rate"] or 0) * right), max(right, 1)
    among = np.isin(clean.ids, other.ids) & clean.right
    return int((among & ~attacked.right).sum()), max(int(among.sum()), 1)


def _more_than_half(hits: int, n: int) -> float:
    """One-sided exact binomial p-value against a share of one half."""
    from scipy.special import bdtrc

    return float(bdtrc(hits - 1, n, 0.5)) if hits > 0 else 1.0

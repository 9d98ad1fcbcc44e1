"""Checks of pairs of cells: the attack of one must be at least as strong as the other's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from reports.audit.cell_checks import NO_ATTACKER
from reports.audit.finding import SCOPE, Finding, finding
from reports.audit.reversals import LARGE, LEVEL, Case, reversals
from reports.results.rows import Key, Row, grouped
from reports.statistics.tests import adjust
from reports.style.numbers import count, percent, size
from reports.worst_case.evidence import Evidence

_HOW = (
    " Tested image by image (exact McNemar test; without predictions Fisher's), two-sided, with"
    f" Holm's correction over all comparisons of the check at {LEVEL:g}: a rise beyond chance"
    f" warns, one of {100 * LARGE:g} points or more fails."
)
MONOTONE_RULE = (
    "Each eps of an attack is compared with every smaller one behind the same defence, and with the"
    " images without attack where it has no eps 0." + _HOW
)
ITERATIVE_RULE = (
    "At equal norm and eps, if the attacker attacks what is scored: behind a defence that it does"
    " not see, an iterative attack is often weaker than one step." + _HOW + " An attack that"
    " minimises the L2 norm is compared with one-step L2 attacks: with an eps up to its median norm"
    " these must not turn more than half of the images (binomial test)."
)
ADAPTIVE_RULE = (
    "The same attack, eps and defence, by attackers from the least to the best informed." + _HOW
)
WHITE_BOX_RULE = (
    "At equal norm, eps and defence: an iterative attack with gradients of what is scored is"
    " compared with attacks that only query outputs, and with itself crafted on another network."
    + _HOW
)
CONTROL_RULE = (
    "At equal norm and eps; an attack in L2, L1 or L0 is compared with the largest noise that stays"
    " within its eps in that norm." + _HOW
)
_CELL = ("dataset", "network", "norm", "level", "threat", "defence", "quality", "seed")
_CURVE = (*SCOPE, "norm", "defence", "quality", "seed")

_WEAK = "Use more iterations, a smaller step or restarts; look for masked gradients."
_STOPPED = "Something stops the attack: look for masked gradients, a wrong sign or scale."
_MISLED = (
    "The gradient through the defence misleads the attack: report the accuracy under the stronger"
    " attacker, and use a better estimate of the gradient."
)
_OVERSHOOT = "A single step overshoots: use an iterative attack at the same eps."
_BY_KIND = {"one-step": _OVERSHOOT, "control": "Noise helps: the defence was made for it."}


def monotone(evidence: Evidence) -> Iterator[Finding]:
    """Check that a larger eps leaves no more images right."""
    attacks = (row for row in evidence.rows if row["kind"] != "given" and not row["targeted"])
    rows = [row for row in attacks if row["eps"] is not None]
    cases = []
    for _, curve in grouped(rows, _CURVE):
        if all(row["level"] > 0 for row in curve):
            curve = [evidence.unattacked(curve[0]), *curve]
        for stronger in curve:
            cases += [Case(row, stronger) for row in curve if row["level"] < stronger["level"]]
    untested = ("The attack has eps 0 only.", "Add more eps to the attack.")
    between, things = "{size_a} to {b[eps]:.4g}", ("pair of eps", "pairs of eps")
    yield from _findings(evidence, cases, rows, between, _WEAK, untested, _BY_KIND, things)


def iterative(evidence: Evidence) -> Iterator[Finding]:
    """Check that many steps are not weaker than one."""
    rows = [row for row in evidence.rows if row["attacks_scored"] and not row["targeted"]]
    one = [row for row in rows if row["kind"] == "one-step" and row["eps"] != 0]
    many = [row for row in rows if row["kind"] == "iterative" and row["eps"] != 0]
    bounded = [row for row in many if row["eps"] is not None]
    cases = _matched(one, bounded, _CELL)
    untested = (
        "No one-step attack of its norm and eps.",
        "Add fgsm (Linf) or fgm (L2) at its eps.",
    )
    between = "{a[attack]} to {b[attack]} at {size_b}"
    yield from _findings(evidence, cases, bounded, between, _WEAK, untested)
    searching = [row for row in many if row["eps"] is None and row["norm"] == "2"]
    yield from _minimal(evidence, searching, [row for row in one if row["norm"] == "2"])


def adaptive(evidence: Evidence) -> Iterator[Finding]:
    """Check that a better-informed attacker is never weaker."""
    threats = evidence.labels.threats
    attacks = (row for row in evidence.rows if row["defence"] != "none" and row["eps"] != 0)
    rows = [row for row in attacks if row["kind"] not in NO_ATTACKER and not row["targeted"]]
    rows = [row for row in rows if not threats.crafted_elsewhere(row["threat"])]
    informed = [row for row in rows if row["attacks_scored"]]
    columns = ("attack", *(name for name in _CELL if name != "threat"))
    cases = [
        Case(weaker, stronger)
        for weaker, stronger in _matched(rows, informed, columns)
        if threats.rank(weaker["threat"]) < threats.rank(stronger["threat"])
    ]
    untested = ("No weaker threat to compare with.", "Add threat oblivious.")
    between = "{a[threat]} to {b[threat]} at {size_b}"
    yield from _findings(evidence, cases, informed, between, _MISLED, untested)


def white_box(evidence: Evidence) -> Iterator[Finding]:
    """Check that gradients of the target beat queries and images crafted on another network."""
    rows = [row for row in evidence.rows if row["eps"] and not row["targeted"]]
    stronger = [row for row in rows if row["attacks_scored"] and row["kind"] == "iterative"]
    place = [name for name in _CELL if name != "threat"]
    queries = [row for row in rows if row["attacks_scored"] and row["kind"] == "query"]
    moved = [row for row in rows if evidence.labels.threats.crafted_elsewhere(row["threat"])]
    cases = _matched(queries, stronger, place) + _matched(moved, stronger, ["attack", *place])
    tested = {case.stronger["number"] for case in cases}
    rows = [row for row in stronger if row["number"] in tested]
    between = "{a[attack]}, {a[threat]} to {b[attack]}, {b[threat]} at {size_b}"
    yield from _findings(evidence, cases, rows, between, _STOPPED, ("", ""))


def control(evidence: Evidence) -> Iterator[Finding]:
    """Check that an attack is not weaker than the noise control."""
    rows = [row for row in evidence.rows if row["eps"] and not row["targeted"]]
    noise = [row for row in rows if row["kind"] == "control"]
    attacks = [row for row in rows if row["kind"] != "control"]
    cases = _matched(noise, attacks, _CELL) + _within(noise, attacks)
    untested = ("No noise of its budget in the run.", "Add the control: noise of this size.")
    between = "{a[attack]} ({size_a}) to {b[attack]} ({size_b})"
    yield from _findings(evidence, cases, attacks, between, _STOPPED, untested)


def _matched(weaker: list[Row], stronger: list[Row], columns: Sequence[str]) -> list[Case]:
    """Return every pair of rows that agree in the columns; of several samples all pairs."""
    known = dict(grouped(weaker, columns))
    return [
        Case(row, other)
        for other in stronger
        for row in known.get(tuple(other[name] for name in columns), ())
    ]


def _within(noise: list[Row], attacks: list[Row]) -> list[Case]:
    """Return for each attack in L2, L1 or L0 the largest noise of another norm within its eps."""
    columns = [name for name in _CELL if name not in ("norm", "level")]
    known = dict(grouped(noise, columns))
    cases = []
    for row in attacks:
        if row["norm"] not in ("2", "1", "0"):
            continue
        largest, allowed = f"l{row['norm']}_max", row["eps"] * (1 + 1e-5)
        same = known.get(tuple(row[name] for name in columns), ())
        others = [other for other in same if other["norm"] != row["norm"]]
        inside = [other for other in others if _size(other, largest) <= allowed]
        if inside:
            cases.append(Case(max(inside, key=lambda other: _size(other, largest)), row))
    return cases


def _size(row: Row, column: str) -> float:
    """Return the largest change of a row; inf where an old table lacks it."""
    if row[column] is None:
        return math.inf if row["clean_correct"] else 0.0
    return float(row[column])


def _findings(
    evidence: Evidence,
    cases: list[Case],
    rows: list[Row],
    between: str,
    advice: str,
    untested: tuple[str, str],
    by_kind: Mapping[str, str] | None = None,
    things: tuple[str, str] = ("comparison", "comparisons"),
) -> Iterator[Finding]:
    """Yield one finding per scope of the rows, from all comparisons of a check tested together.

    between: names both sides of the worst case. by_kind: other advice for kinds of attacks.
    """
    tested = reversals(evidence, cases)
    # not by `grouped`: of a million comparisons each would need a row of its own
    scopes: dict[Key, int] = {}
    keys = (tuple(case.stronger[name] for name in SCOPE) for case in cases)
    numbers = np.fromiter((scopes.setdefault(key, len(scopes)) for key in keys), np.int64)
    for scope, _ in grouped(rows, SCOPE):
        group = tested.of(np.flatnonzero(numbers == scopes.get(scope, -1)))
        if not group.cases:
            yield finding(scope, "not tested", 0, *untested)
            continue
        at, verdict, rise = group.worst(), group.status(), group.rise
        n = f"{len(group.cases):,} {things[len(group.cases) > 1]}"
        if verdict == "ok":
            most = f"largest rise {100 * rise[at]:.1f} points" if rise[at] > 0 else "no rise at all"
            yield finding(scope, verdict, len(group.cases), f"{n}, none beyond chance ({most}).")
            continue
        a, b = group.cases[at]
        sides = between.format(a=a, b=b, size_a=size(a["eps"]), size_b=size(b["eps"]))
        detail = (
            f"{group.beyond.sum():,} of {n} beyond chance; most from"
            f" {percent(group.before[at])} to {percent(group.after[at])} of {group.n[at]} images"
            f" ({sides}, {evidence.labels.behind(b)}; adjusted p {group.p[at]:.2g})."
        )
        advised = (by_kind or {}).get(b["kind"], advice)
        yield finding(scope, verdict, len(group.cases), detail, advised)


def _minimal(evidence: Evidence, searching: list[Row], one: list[Row]) -> Iterator[Finding]:
    """Compare attacks that minimise the L2 norm with one-step attacks of that norm."""
    within: dict[int, Case] = {}
    for case in _matched(one, searching, [name for name in _CELL if name != "level"]):
        least, most = case
        # if the search failed on some images, its median does not describe them
        if (most["success_rate"] or 0) >= 0.99 and least["eps"] <= (most["l2_median"] or 0):
            kept = within.get(most["number"])
            if kept is None or least["eps"] > kept.weaker["eps"]:
                within[most["number"]] = case
    turned = {number: _turned(evidence, case) for number, case in within.items()}
    raw = [_more_than_half(hits, n) for hits, n in turned.values()]
    p = dict(zip(turned, adjust(raw, "holm"), strict=True))
    for scope, group in grouped(searching, SCOPE):
        numbers = [row["number"] for row in group if row["number"] in turned]
        if not numbers:
            detail = "No one-step L2 attack with an eps up to its median norm."
            yield finding(scope, "not tested", 0, detail, "Add fgm with small eps.")
            continue
        at = max(numbers, key=lambda n: (bool(p[n] <= LEVEL), turned[n][0] / turned[n][1]))
        (hits, n), (least, most) = turned[at], within[at]
        bad = sum(bool(p[number] <= LEVEL) for number in numbers)
        level = "ok" if not bad else "fail" if hits / n >= 0.5 + LARGE else "warn"
        detail = (
            f"{bad} of {count(len(numbers), 'comparison')} beyond chance; {least['attack']} at"
            f" {size(least['eps'])} turns {percent(hits / n)} of {n} images; the median L2 norm is"
            f" {most['l2_median']:.3g} ({evidence.labels.behind(most)})."
        )
        advice = "The search stops early: use more iterations or binary search steps."
        yield finding(scope, level, len(numbers), detail, advice)


def _turned(evidence: Evidence, case: Case) -> tuple[int, int]:
    """Count the shared images that were right: those that the one-step attack turned, and all."""
    clean, attacked = evidence.scored(case.weaker, "clean"), evidence.scored(case.weaker)
    other = evidence.scored(case.stronger)
    if clean is None or attacked is None or other is None:
        right = int(case.weaker["clean_correct"])
        return round(float(case.weaker["success_rate"] or 0) * right), max(right, 1)
    among = np.isin(clean.ids, other.ids) & clean.right
    return int((among & ~attacked.right).sum()), max(int(among.sum()), 1)


def _more_than_half(hits: int, n: int) -> float:
    """Return the one-sided exact binomial p-value against a share of one half."""
    from scipy.special import bdtrc

    return float(bdtrc(hits - 1, n, 0.5)) if hits > 0 else 1.0

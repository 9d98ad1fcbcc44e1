"""Checks that look at cells one by one: what must hold of each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from reports.audit.finding import SCOPE, STATUSES, Finding, count, finding, percent
from reports.statistics.intervals import wilson
from reports.worst_case.evidence import Evidence, Row, behind, grouped, size

WARN_ZERO, FAIL_ZERO = 0.01, 0.10
NOTHING = 0.02
# half of the range: in Linf it turns any image grey, and in L2 so does half for every pixel
LARGE_LINF = 0.5

EPS_ZERO_RULE = (
    "At eps 0 the number of right images equals the clean one; with per-image predictions the same"
    " images are right. Any difference fails."
)
BUDGET_RULE = (
    "Norm and range are measured on the images themselves. Any image outside its eps or outside"
    " [0, 1] fails."
)
LOGITS_RULE = (
    "Fails where all outputs lie in [0, 1] and each image's sum to 1: cross entropy on top of a"
    " softmax flattens the gradient, and C&W's margin means something else."
)
WRAPPING_RULE = (
    "Networks of others alone: warns of log-probabilities, a saturated loss, accuracy at chance or"
    " far below what a usual normalisation gives. Worse faults stop the run before it begins."
)
ZERO_GRADIENT_RULE = (
    "Share of images whose loss gradient is zero in every pixel, in the worst cell: warns from"
    f" {100 * WARN_ZERO:g} %, fails from {100 * FAIL_ZERO:g} %. An attack on that loss cannot move"
    " such an image: the accuracy is flattered by up to that share."
)
LARGE_EPS_RULE = (
    "Where the attacker attacks what is scored: some eps brings accuracy to where the lower 95 %"
    f" Wilson limit is at most {100 * NOTHING:g} %. Large is eps {LARGE_LINF} in Linf (it can turn"
    " any image grey), the same for every pixel in L2, or an attack without a bound. An iterative"
    " attack that is large and stays above fails; a one-step attack overshoots, so it warns, and"
    " only above chance. Without a large eps: not tested."
)
JUDGED_RULE = (
    "Warns where no attack on a defence was made by an attacker who knows it, or one-step attacks"
    " alone: accuracy against an oblivious attacker is an upper bound, not robustness."
)
_CANNOT_LOSE = (
    "The attack fails where it cannot lose: more iterations, another loss, or an attack without"
    " gradients; look for masked gradients."
)
_OVERSHOOT = "A single step overshoots: judge by an iterative attack."


def eps_zero(evidence: Evidence) -> Iterator[Finding]:
    """At eps 0 an attack changes nothing."""
    bounded = [row for row in evidence.rows if row["eps"] is not None]
    for scope, group in grouped(bounded, SCOPE):
        still = [row for row in group if row["eps"] == 0]
        off = [row for row in still if not _unchanged(evidence, row)]
        cells = count(len(still), "cell")
        if not still:
            told = "The grid has no eps 0 for this attack."
            yield finding(scope, "not tested", 0, told, "Add eps 0 to the attack.")
        elif not off:
            yield finding(scope, "ok", len(still), f"{cells}: the same images are right.")
        else:
            yield finding(
                scope,
                "fail",
                len(still),
                f"{len(off)} of {cells} differ; {behind(off[0])}: {off[0]['correct']} images are"
                f" right at eps 0, {off[0]['clean_correct']} without attack.",
                "The harness or the attack changes images that it was told to leave alone.",
            )


def _unchanged(evidence: Evidence, row: Row) -> bool:
    clean, attacked = evidence.scored(row, "clean"), evidence.scored(row)
    if clean is None or attacked is None:
        return bool(row["correct"] == row["clean_correct"])
    return bool(np.array_equal(clean.right, attacked.right))


def budget(evidence: Evidence) -> Iterator[Finding]:
    """No adversarial image lies outside its eps or outside [0, 1]."""
    for scope, group in grouped(evidence.rows, SCOPE):
        bad = [row for row in group if row["over_budget"]]
        if not bad:
            yield finding(scope, "ok", len(group), f"{count(len(group), 'cell')}: all within.")
            continue
        most = max(bad, key=lambda row: int(row["over_budget"]))
        over = count(sum(row["over_budget"] for row in bad), "image")
        yield finding(
            scope,
            "fail",
            len(group),
            f"{over} outside in {count(len(bad), 'cell')}; most at {size(most)}, {behind(most)}:"
            f" {most['over_budget']} of {most['n']}.",
            "These accuracies are too low; clip the attack's output to its budget.",
        )


def logits(evidence: Evidence) -> Iterator[Finding]:
    """What comes out of each network, from the manifest's `outputs`."""
    outputs = evidence.manifest.get("outputs", {})
    for scope, _ in grouped(evidence.rows, SCOPE[:2]):
        facts: Any = outputs.get("/".join(scope)) if isinstance(outputs, dict) else None
        try:
            low, high, sum_low, sum_high = (
                float(facts[name]) for name in ("low", "high", "sum_low", "sum_high")
            )
            seen = int(facts["images"])
        except (TypeError, KeyError, ValueError):
            told = "The manifest says nothing of the outputs."
            yield finding(scope, "not tested", 0, told, "Run the grid with this version.")
            continue
        inside = low >= -1e-4 and high <= 1 + 1e-4
        probabilities = inside and abs(sum_low - 1) <= 1e-3 and abs(sum_high - 1) <= 1e-3
        detail = (
            f"Outputs of {count(seen, 'image')} from {low:.3g} to {high:.3g}, sums from"
            f" {sum_low:.3g} to {sum_high:.3g}{': probabilities' if probabilities else ''}."
        )
        advice = "Leave the softmax out of the network; argmax needs none."
        yield finding(scope, "fail" if probabilities else "ok", 1, detail, advice)


def wrapping(evidence: Evidence) -> Iterator[Finding]:
    """What was seen when the networks of others were wrapped, from the manifest's `wrapping`."""
    told = evidence.manifest.get("wrapping", {})
    for scope, _ in grouped(evidence.rows, SCOPE[:2]):
        texts: Any = told.get("/".join(scope)) if isinstance(told, dict) else None
        if not isinstance(texts, list):
            continue  # a network of this project's own
        detail = "; ".join(str(text) for text in texts) or "No fault was seen."
        yield finding(scope, "warn" if texts else "ok", 1, detail, "Mend it, then run again.")


def zero_gradient(evidence: Evidence) -> Iterator[Finding]:
    """How many images have a gradient that says nothing."""
    for (dataset, network, threat), group in grouped(
        evidence.rows, ["dataset", "network", "threat"]
    ):
        scope = (dataset, network, "", threat)
        seen = [row for row in group if row["zero_gradient"] is not None]
        if not seen:
            told = "No attack of the run looks at a gradient."
            yield finding(scope, "not tested", 0, told, "Add an attack with gradients.")
            continue
        most = max(seen, key=lambda row: float(row["zero_gradient"]))
        share = float(most["zero_gradient"])
        status = "fail" if share >= FAIL_ZERO else "warn" if share >= WARN_ZERO else "ok"
        sees = behind(most) if threat.startswith("adaptive") else "no defence"
        yield finding(
            scope,
            status,
            len(seen),
            f"At most {100 * share:.2g} % of {most['n']} images (attacker sees {sees}).",
            "The loss saturates or the network masks its gradient: scale the logits down, or judge"
            " by an attack on the logits (C&W) or one without gradients.",
        )


def large_eps(evidence: Evidence) -> Iterator[Finding]:
    """An attacker without a real limit must win."""
    rows = [
        row
        for row in evidence.rows
        if row["knows"] and not row["targeted"] and row["kind"] != "control" and row["eps"] != 0
    ]
    for scope, group in grouped(rows, SCOPE):
        curves = grouped(group, ["defence", "quality", "seed"])
        told = [_reached(evidence, curve) for _, curve in curves]
        status = min((verdict for verdict, _ in told), key=STATUSES.index)
        chosen = [row for verdict, row in told if verdict == status]
        most = max(chosen, key=lambda row: float(row["accuracy"]))
        left = f"{percent(most['accuracy'])} of {most['n']} images ({size(most)}, {behind(most)})"
        of = f"{len(chosen)} of {count(len(told), 'curve')}"
        large = _large_size(evidence, most)
        advice = _OVERSHOOT if most["kind"] == "one-step" else _CANNOT_LOSE
        detail = f"Above 0 in {of}; the most that is left: {left}."
        if status == "ok":
            detail = f"{count(len(told), 'curve')}; the most that is left: {left}."
        elif status == "not tested":
            detail = f"No large eps; above 0 in {of}; the most that is left: {left}."
            advice = "Add a large eps." if large is None else f"Add eps {large:g} to the attack."
        yield finding(scope, status, len(group), detail, advice)


def _reached(evidence: Evidence, curve: list[Row]) -> tuple[str, Row]:
    """The verdict on one curve, and the row that shows it."""
    best = min(curve, key=lambda row: float(row["accuracy"]))
    if _at_least(best) <= NOTHING:
        return "ok", best
    large = [row for row in curve if _is_large(evidence, row)]
    if not large:
        return "not tested", best
    least = min(large, key=lambda row: float(row["accuracy"]))
    if least["kind"] != "one-step":
        return "fail", least
    classes = evidence.about_data(least["dataset"]).get("classes", 10)
    chance = 1 / classes if isinstance(classes, int) and classes > 0 else 0.1
    return ("ok" if _at_least(least) <= chance else "warn"), least


def _at_least(row: Row) -> float:
    return float(wilson(int(row["correct"]), int(row["n"]))[0])


def _is_large(evidence: Evidence, row: Row) -> bool:
    large = _large_size(evidence, row)
    return row["eps"] is None or (large is not None and row["level"] >= large - 1e-6)


def _large_size(evidence: Evidence, row: Row) -> float | None:
    """The eps from which on any image can be turned grey; None for a norm without such a size."""
    if row["norm"] == "inf":
        return LARGE_LINF
    shape = evidence.about_data(row["dataset"]).get("shape")
    if row["norm"] == "2" and isinstance(shape, list) and shape:
        # rounded up, so that the advice is a number to type
        return math.ceil(10 * LARGE_LINF * math.sqrt(math.prod(shape))) / 10
    return None


def judged(evidence: Evidence) -> Iterator[Finding]:
    """Which defences met an attacker who knows them."""
    defended = [row for row in evidence.rows if row["defence"] != "none"]
    for scope, group in grouped(defended, ["dataset", "network", "defence"]):
        met: dict[int | None, set[str]] = {}
        for row in group:
            kinds = met.setdefault(row["quality"], set())
            if row["knows"] and row["kind"] != "control" and row["eps"] != 0:
                kinds.add(row["kind"])
        unmet = sum(not kinds for kinds in met.values())
        weak = sum(kinds == {"one-step"} for kinds in met.values())
        status, detail = "ok", "attacked by attackers who know it, iterative ones included."
        if unmet:
            status, detail = "warn", "judged by an oblivious attacker alone."
        elif weak:
            status, detail = "warn", "one-step attacks are all that knew it."
        of = f"{len(met)} qualities" if len(met) > 1 else "The defence"
        if status == "warn" and len(met) > 1:
            of = f"{unmet or weak} of {of}"
        yield finding(
            scope[:2],
            status,
            len(group),
            f"{of}: {detail}",
            "Add threat adaptive and an iterative attack; read these accuracies as upper bounds.",
            defence=scope[2],
        )

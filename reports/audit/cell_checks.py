"""Checks of single cells."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from reports.audit.finding import SCOPE, STATUSES, Finding, finding
from reports.results.manifest import squashed_networks
from reports.results.rows import Row, grouped
from reports.statistics.intervals import wilson
from reports.style.numbers import count, percent, size
from reports.worst_case.evidence import Evidence

NOTHING = 0.02
# kinds of rows of which it is not known that an attacker of the row's threat made the images
NO_ATTACKER = ("control", "given")
# half of the range: in Linf it can turn any image grey; in L2 so can half for every pixel
LARGE_LINF = 0.5

EPS_ZERO_RULE = (
    "At eps 0 as many images are right as without attack; with per-image predictions the same"
    " images are right. Any difference fails."
)
BUDGET_RULE = (
    "Norm and range are measured on the images themselves. Any image outside its eps or outside"
    " [0, 1] fails."
)
LOGITS_RULE = (
    "Fails where all outputs lie in [0, 1] and each image's sum to 1: cross entropy on top of a"
    " softmax flattens the gradient, and C&W's margin means something else. If the run found the"
    " outputs squashed, it repeated every attack on their margin, and the check only warns."
)
WRAPPING_RULE = (
    "For external networks only: warns of probabilities and other squashed outputs, a saturated"
    " loss, NaN gradients, log-probabilities, and an accuracy that is at chance or far below the"
    " accuracy with a usual normalisation. A gradient that is not that of the outputs fails, and"
    " only warns beside an attack that queries outputs alone. Worse faults stop the run before it"
    " begins."
)
LARGE_EPS_RULE = (
    "If the attacker attacks what is scored, some eps must bring the lower 95 % Wilson limit of the"
    f" accuracy to {100 * NOTHING:g} % or less. Large is eps {LARGE_LINF} in Linf (it can turn any"
    " image grey), the same for every pixel in L2 and L1, every value in L0, or no bound. An"
    " iterative attack that stays above this at a large eps fails. A one-step attack may overshoot,"
    " so it only warns, and only above chance. Without a large eps the check is not tested."
)
JUDGED_RULE = (
    "Warns if no attacker who sees the defence attacked it, or if every such attack takes one step:"
    " accuracy under an oblivious attacker is an upper bound, not robustness."
)
_CANNOT_LOSE = (
    "The attack fails where success is certain: use more iterations, another loss, or an attack"
    " without gradients; look for masked gradients."
)
_OVERSHOOT = "A single step overshoots: use an iterative attack."


def eps_zero(evidence: Evidence) -> Iterator[Finding]:
    """Check that an attack changes nothing at eps 0."""
    bounded = [row for row in evidence.rows if row["eps"] is not None and row["kind"] != "given"]
    for scope, group in grouped(bounded, SCOPE):
        zero = [row for row in group if row["eps"] == 0]
        changed = [row for row in zero if not _unchanged(evidence, row)]
        cells = count(len(zero), "cell")
        if not zero:
            detail = "The grid has no eps 0 for this attack."
            yield finding(scope, "not tested", 0, detail, "Add eps 0 to the attack.")
        elif not changed:
            yield finding(scope, "ok", len(zero), f"{cells}: the same images are right.")
        else:
            first = changed[0]
            detail = (
                f"{len(changed)} of {cells} differ; {evidence.labels.behind(first)}:"
                f" {first['correct']} images are right at eps 0,"
                f" {first['clean_correct']} without attack."
            )
            advice = "The harness or the attack changes images at eps 0; fix it, then run again."
            yield finding(scope, "fail", len(zero), detail, advice)


def _unchanged(evidence: Evidence, row: Row) -> bool:
    clean, attacked = evidence.scored(row, "clean"), evidence.scored(row)
    if clean is None or attacked is None:
        return bool(row["correct"] == row["clean_correct"])
    return bool(np.array_equal(clean.right, attacked.right))


def budget(evidence: Evidence) -> Iterator[Finding]:
    """Check that no adversarial image lies outside its eps or outside [0, 1]."""
    for scope, group in grouped(evidence.rows, SCOPE):
        bad = [row for row in group if row["over_budget"]]
        if not bad:
            yield finding(scope, "ok", len(group), f"{count(len(group), 'cell')}: all inside.")
            continue
        most = max(bad, key=lambda row: int(row["over_budget"]))
        over = count(sum(row["over_budget"] for row in bad), "image")
        detail = (
            f"{over} outside in {count(len(bad), 'cell')}; most at {size(most['eps'])},"
            f" {evidence.labels.behind(most)}: {most['over_budget']} of {most['n']}."
        )
        advice = "These accuracies are too low; clip the attack's output to its budget."
        yield finding(scope, "fail", len(group), detail, advice)


def logits(evidence: Evidence) -> Iterator[Finding]:
    """Check that each network returns logits, by the manifest's `outputs`."""
    outputs = evidence.manifest.get("outputs", {})
    for scope, _ in grouped(evidence.rows, SCOPE[:2]):
        try:
            ranges = outputs["/".join(scope)]
            low, high, sum_low, sum_high = (
                float(ranges[name]) for name in ("low", "high", "sum_low", "sum_high")
            )
            seen = int(ranges["images"])
        except (TypeError, KeyError, ValueError):
            detail = "The manifest has no ranges of the outputs."
            yield finding(scope, "not tested", 0, detail, "Run the grid with this version.")
            continue
        inside = low >= -1e-4 and high <= 1 + 1e-4
        probabilities = inside and abs(sum_low - 1) <= 1e-3 and abs(sum_high - 1) <= 1e-3
        detail = (
            f"Outputs of {count(seen, 'image')} from {low:.3g} to {high:.3g}, sums from"
            f" {sum_low:.3g} to {sum_high:.3g}{': probabilities' if probabilities else ''}."
        )
        advice = "Remove the softmax from the network; argmax does not need it."
        bad = "warn" if "/".join(scope) in squashed_networks(evidence.manifest) else "fail"
        yield finding(scope, bad if probabilities else "ok", 1, detail, advice)


def wrapping(evidence: Evidence) -> Iterator[Finding]:
    """Report the warnings about external networks, from the manifest's `wrapping`."""
    warnings = evidence.manifest.get("wrapping", {})
    listed = evidence.manifest.get("misleading")
    misleading = set(map(str, listed)) if isinstance(listed, list) else set()
    for scope, group in grouped(evidence.rows, SCOPE[:2]):
        texts = warnings.get("/".join(scope)) if isinstance(warnings, dict) else None
        if not isinstance(texts, list):
            continue  # a built-in network
        status, advice = "warn" if texts else "ok", "Fix it, then run again."
        queried = any(row["kind"] == "query" and row["eps"] != 0 for row in group)
        if "/".join(scope) in misleading and not queried:
            status, advice = "fail", "Correct the gradient, or add square, which needs none."
        detail = "; ".join(str(text) for text in texts) or "No fault."
        yield finding(scope, status, 1, detail, advice)


def large_eps(evidence: Evidence) -> Iterator[Finding]:
    """Check that an attacker with a large budget wins."""
    attacks = (row for row in evidence.rows if row["kind"] not in NO_ATTACKER and row["eps"] != 0)
    rows = [row for row in attacks if row["attacks_scored"] and not row["targeted"]]
    for scope, group in grouped(rows, SCOPE):
        curves = grouped(group, ["defence", "quality", "seed"])
        verdicts = [_reached(evidence, curve) for _, curve in curves]
        status = min((verdict for verdict, _ in verdicts), key=STATUSES.index)
        chosen = [row for verdict, row in verdicts if verdict == status]
        most = max(chosen, key=lambda row: float(row["accuracy"]))
        where = f"{most['n']} images ({size(most['eps'])}, {evidence.labels.behind(most)})"
        left = f"highest accuracy left: {percent(most['accuracy'])} of {where}."
        of = f"{len(chosen)} of {count(len(verdicts), 'curve')}"
        large = _large_size(evidence, most)
        advice = _OVERSHOOT if most["kind"] == "one-step" else _CANNOT_LOSE
        detail = f"Above 0 in {of}; {left}"
        if status == "ok":
            detail = f"{count(len(verdicts), 'curve')}; {left}"
        elif status == "not tested":
            detail = f"No large eps; above 0 in {of}; {left}"
            advice = "Add a large eps." if large is None else f"Add eps {large:g} to the attack."
        yield finding(scope, status, len(group), detail, advice)


def _reached(evidence: Evidence, curve: list[Row]) -> tuple[str, Row]:
    """Return the verdict on one curve, and the row that shows it."""
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
    """Return the eps that can turn any image grey; None for a norm without such an eps."""
    if row["norm"] == "inf":
        return LARGE_LINF
    shape = evidence.about_data(row["dataset"]).get("shape")
    if row["norm"] not in ("2", "1", "0") or not isinstance(shape, list) or not shape:
        return None
    values = math.prod(shape)
    if row["norm"] == "0":
        return float(values)
    # rounded up, so that the advice is a number to type
    grey = LARGE_LINF * (math.sqrt(values) if row["norm"] == "2" else values)
    return math.ceil(10 * grey) / 10


def judged(evidence: Evidence) -> Iterator[Finding]:
    """Check that each defence was attacked by an attacker who sees it."""
    defended = [row for row in evidence.rows if row["defence"] != "none"]
    for scope, group in grouped(defended, ["dataset", "network", "defence"]):
        met: dict[int | None, set[str]] = {}
        for row in group:
            kinds = met.setdefault(row["quality"], set())
            if row["attacks_scored"] and row["kind"] not in NO_ATTACKER and row["eps"] != 0:
                kinds.add(row["kind"])
        unmet = sum(not kinds for kinds in met.values())
        weak = sum(kinds == {"one-step"} for kinds in met.values())
        status, detail = "ok", "attacked by attackers who see it, also iteratively."
        if unmet:
            status, detail = "warn", "attacked by oblivious attackers only."
        elif weak:
            status, detail = "warn", "only one-step attacks saw it."
        of = f"{len(met)} qualities" if len(met) > 1 else "The defence"
        if status == "warn" and len(met) > 1:
            of = f"{unmet or weak} of {of}"
        advice = "Add threat adaptive and an iterative attack; these accuracies are upper bounds."
        yield finding(scope[:2], status, len(group), f"{of}: {detail}", advice, scope[2])

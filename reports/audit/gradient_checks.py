"""Checks of gradients and outputs that cannot be used: zero, NaN, infinite."""

from __future__ import annotations

from collections.abc import Iterator

from reports.audit.finding import Finding, finding
from reports.results.manifest import squashed_networks
from reports.results.rows import Row, grouped
from reports.style.numbers import count, size
from reports.worst_case.evidence import Evidence

# shares of images, in the worst cell
WARN_SHARE, FAIL_SHARE = 0.01, 0.10

ZERO_GRADIENT_RULE = (
    "Share of images whose loss gradient is zero in every pixel, in the worst cell: warns from"
    f" {100 * WARN_SHARE:g} %, fails from {100 * FAIL_SHARE:g} %. An attack on that loss cannot"
    " move such an image: the true accuracy may be lower by up to that share. If the run found the"
    " outputs of a network squashed, it also attacked their margin, and the check only warns."
)
NAN_GRADIENT_RULE = (
    "Share of images whose loss gradient has NaN or infinite values, clean or attacked, in the"
    f" worst cell: any such image warns, from {100 * FAIL_SHARE:g} % on the check fails. An attack"
    " takes such a gradient again without the operation that spoils it, or at points nearby."
    " Nothing shows whether that gradient is the right one."
)
FINITE_RULE = (
    "Counts images whose outputs are NaN or infinite under attack: any such image warns. It counts"
    " as broken because its class is undefined."
)
_SATURATED = (
    "The loss saturates or the network masks its gradient: scale the logits down, or use an attack"
    " on the logits (C&W) or one without gradients."
)
_SPOILT = (
    "Look for sqrt, log, norm or a division where their argument is 0 or negative, also in a branch"
    " that torch.where leaves out; compare with an attack without gradients (square)."
)
_UNDEFINED = "Look for log, sqrt, exp or a division that bright or dark images make undefined."


def zero_gradient(evidence: Evidence) -> Iterator[Finding]:
    """Check how many images have a loss gradient of zero."""
    yield from _shares(evidence, "zero_gradient", WARN_SHARE, _SATURATED)


def nan_gradient(evidence: Evidence) -> Iterator[Finding]:
    """Check how many images have a loss gradient with NaN or infinite values."""
    yield from _shares(evidence, "nan_gradient", 0.0, _SPOILT)


def finite(evidence: Evidence) -> Iterator[Finding]:
    """Check that outputs stay finite under attack."""
    for scope, group in grouped(evidence.rows, ["dataset", "network"]):
        seen = [row for row in group if row["non_finite"] is not None]
        if not seen:
            yield finding(scope, "not tested", 0, *_untested(group))
            continue
        most = max(seen, key=lambda row: int(row["non_finite"]))
        if not most["non_finite"]:
            yield finding(scope, "ok", len(seen), f"{count(len(seen), 'cell')}: all finite.")
            continue
        where = f"{most['attack']}, {size(most['eps'])}, {evidence.labels.behind(most)}"
        detail = f"At most {most['non_finite']} of {most['n']} images ({where})."
        yield finding(scope, "warn", len(seen), detail, _UNDEFINED)


def _shares(evidence: Evidence, column: str, warn: float, advice: str) -> Iterator[Finding]:
    """Judge the largest share of a column, per network and threat; `warn` 0 warns of any."""
    squashed = squashed_networks(evidence.manifest) if column == "zero_gradient" else {}
    groups = grouped(evidence.rows, ["dataset", "network", "threat"])
    for (dataset, network, threat), group in groups:
        scope = (dataset, network, "", threat)
        seen = [row for row in group if row[column] is not None]
        if not seen:
            yield finding(scope, "not tested", 0, *_untested(group))
            continue
        most = max(seen, key=lambda row: float(row[column]))
        share = float(most[column])
        worst = "warn" if f"{dataset}/{network}" in squashed else "fail"
        reached = share >= warn if warn else share > 0
        status = worst if share >= FAIL_SHARE else "warn" if reached else "ok"
        sees = evidence.labels.threats.sees_defence(threat)
        seen_defence = evidence.labels.behind(most) if sees else "no defence"
        of = f"{most['n']} images (attacker sees {seen_defence})"
        yield finding(scope, status, len(seen), f"At most {100 * share:.2g} % of {of}.", advice)


def _untested(group: list[Row]) -> tuple[str, str]:
    """Return why a column is empty in all rows, and what to do."""
    if any(row["zero_gradient"] is not None for row in group):
        return "The table is of an earlier version.", "Run the grid with this version."
    return "No attack of the run uses a gradient.", "Add an attack with gradients."

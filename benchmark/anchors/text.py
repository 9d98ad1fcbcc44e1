"""The marks of `bench anchors` as text: the columns of its CSV file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmark.anchors.anchor import Check

if TYPE_CHECKING:
    from benchmark.anchors.marks import Mark

COLUMNS = ("network", "attack", "measure", "published", "by", "proved", "accepted", "ours",
           "images", "verdict")  # fmt: skip


def cells(mark: Mark) -> tuple[str, ...]:
    """Return one row of the CSV file, in the order of COLUMNS."""
    check = mark.check
    ours = "" if math.isnan(mark.ours) else f"{mark.ours:.4g}"
    what = mark.anchor.name, check.attack or "clean", check.measure
    known = f"{check.published:g}", check.by, limits(check.proved), limits(check.accept)
    return (*what, *known, ours, str(mark.n), mark.verdict)


def answer(mark: Mark) -> str:
    """Return our answer as text, with its 95 % interval where images are left."""
    ours = f"{mark.ours:.4g}"
    return ours if mark.n == mark.count else f"{ours} ({mark.low:.4g} to {mark.high:.4g})"


def used(mark: Mark) -> str:
    """Return how many images were used, and of how many where some are left."""
    return f"{mark.n:,}" if mark.n == mark.count else f"{mark.n:,} of {mark.count:,} so far"


def title(check: Check) -> str:
    """Return what a check measures: the attack, and the measure where it is no accuracy."""
    kind = "" if check.measure == "accuracy" else f", {check.measure.replace('_', ' ')}"
    return (check.attack or "clean") + kind


def limits(pair: tuple[float | None, float | None] | None) -> str:
    """Return limits as text: one number where they are equal, empty without any."""
    if pair is None:
        return ""
    low, high = ("" if value is None else f"{value:g}" for value in pair)
    return low if low == high else f"{low} to {high}".strip()

"""Decide requirements on the rows of a run; an interval's end decides, not the estimate."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reports.errors import TableError
from reports.gates.requirement import SHARES, Requirement, parse_requirement
from reports.gates.where import known_values, matching
from reports.results.manifest import read_manifest
from reports.results.read_write import read_results
from reports.results.rows import Row, as_rows
from reports.statistics.intervals import wilson
from reports.style.cell_names import IDENTITY, describe
from reports.style.labels import Labels, labels_of

_NAN = float("nan")
# 0.45 from 45 / 100 is a hair off
_HAIR = 1e-12
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">=": lambda have, want: have >= want - _HAIR,
    "<=": lambda have, want: have <= want + _HAIR,
    ">": lambda have, want: have > want + _HAIR,
    "<": lambda have, want: have < want - _HAIR,
    "=": lambda have, want: abs(have - want) <= _HAIR,
    "!=": operator.ne,
}
# how a number that does not hold relates to the bound
_MISSES = {
    ">=": "below",
    "<=": "above",
    ">": "not above",
    "<": "not below",
    "=": "not",
    "!=": "equal to",
}
# the rate's number of images; its hits are the rate times this
_IMAGES = {"success_rate": "clean_correct"}


@dataclass(frozen=True)
class Judged:
    """One row and what a requirement says about it.

    cell: the row in words. value: the column. low, high: its 95 % limits; NaN for what is no rate.
    decided: the number that is compared with the bound. met: whether the row meets the requirement.
    reason: why not; empty if it does.
    """

    cell: str
    value: float
    low: float
    high: float
    decided: float
    met: bool
    reason: str


@dataclass(frozen=True)
class Verdict:
    """A requirement with all rows that it means, in the order of the table.

    requirement: what was asked. rows: one or more. point: whether the estimate decided.
    """

    requirement: Requirement
    rows: tuple[Judged, ...]
    point: bool

    @property
    def failed(self) -> tuple[Judged, ...]:
        """The rows that do not meet the requirement: those without a number, then the worst."""

        def gap(row: Judged) -> float:
            missing = row.decided != row.decided
            return -float("inf") if missing else -abs(row.decided - self.requirement.value)

        return tuple(sorted((row for row in self.rows if not row.met), key=gap))

    @property
    def met(self) -> bool:
        """Whether every row meets it."""
        return not self.failed


def check(
    table: pd.DataFrame, requirements: Iterable[Requirement], labels: Labels, point: bool = False
) -> tuple[Verdict, ...]:
    """Return the verdict on each requirement.

    Every row that is meant must meet it: of a rate with >= or > the lower end of the 95 % interval
    (Wilson), with <= or < the upper end; `point` takes the rate itself. Other numbers are compared
    as they are. A row that is not ok, or has no number, does not meet it.

    Raises TableError for a requirement that means no row: it would check nothing.
    """
    return tuple(_verdict(table, requirement, labels, point) for requirement in requirements)


def check_run(path: Path, texts: Sequence[str] = (), point: bool = False) -> tuple[Verdict, ...]:
    """Check a run directory or a results CSV.

    texts: the requirements; without any, those of the grid file as the manifest has them. Raises
    TableError where there are none.
    """
    manifest = read_manifest(path) if path.is_dir() else {}
    requirements = [parse_requirement(text) for text in texts] or of_manifest(manifest)
    if not requirements:
        raise TableError(
            f"run {path}: nothing is required; add --require 'accuracy>=0.45 where"
            " attack=autoattack', or `require:` to the grid file"
        )
    return check(read_results(path), requirements, labels_of(manifest), point)


def of_manifest(manifest: Row) -> list[Requirement]:
    """Return the requirements of the grid file that a manifest was made from."""
    grid = manifest.get("grid")
    return of_grid(grid.get("require") if isinstance(grid, dict) else None, "manifest's require")


def of_grid(value: object, source: str) -> list[Requirement]:
    """Return the requirements of the key `require`: a text or a list of texts."""
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [parse_requirement(str(text), source) for text in texts]


def meant(table: pd.DataFrame, requirement: Requirement, labels: Labels) -> pd.DataFrame:
    """Return the rows that a requirement means. Raises TableError if there are none."""
    rows = table[matching(requirement.where, table, labels)]
    if rows.empty:
        have = known_values(requirement.where, table, labels) if len(table) else "there are no rows"
        raise TableError(f"require {requirement.text!r}: no row is meant, {have}")
    return rows


def as_text(requirement: Requirement, value: float) -> str:
    """Return a number of a requirement's column with its unit."""
    return f"{100 * value:.4g} %" if requirement.column in SHARES else f"{value:.6g}"


def measured(requirement: Requirement, row: Judged) -> str:
    """Return what a row has, with its interval: `accuracy 43.2 %, 95 % interval 40.1 to 46.3 %`."""
    text = f"{requirement.column} {as_text(requirement, row.value)}"
    if row.low != row.low:
        return text
    low, high = (as_text(requirement, end) for end in (row.low, row.high))
    return f"{text}, 95 % interval {low.removesuffix(' %')} to {high}"


def _verdict(table: pd.DataFrame, requirement: Requirement, labels: Labels, point: bool) -> Verdict:
    rows = meant(table, requirement, labels)
    values = _with_limits(rows, requirement)
    columns = [c for c in IDENTITY if c != "seed" or table["seed"].nunique() > 1]
    judged = [
        _judged(row, describe(row, columns, labels), limits, requirement, point, labels)
        for row, limits in zip(as_rows(rows), values, strict=True)
    ]
    return Verdict(requirement, tuple(judged), point)


def _with_limits(rows: pd.DataFrame, requirement: Requirement) -> list[tuple[float, ...]]:
    """Return value, lower and upper end of each row."""
    column = requirement.column
    numbers = {
        name: rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in (column, "n", "clean_correct", "accuracy_low", "accuracy_high")
    }
    value, n = numbers[column], numbers[_IMAGES.get(column, "n")]
    if not requirement.is_rate:
        low = high = np.full(len(rows), np.nan)
    elif column == "accuracy":
        # these take the draws of a random defence into account
        low, high = numbers["accuracy_low"], numbers["accuracy_high"]
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = value / n if column == "proved" else value
            # a rate times its images is whole up to rounding, and a mean over draws is not
            low, high = wilson(np.clip(value * n, 0, n), n)
    return list(zip(value.tolist(), low.tolist(), high.tolist(), strict=True))


def _judged(
    row: Row,
    cell: str,
    limits: tuple[float, ...],
    requirement: Requirement,
    point: bool,
    labels: Labels,
) -> Judged:
    if row["status"] != "ok":
        reason = f"{row['status']}: {labels.in_text(str(row['reason']))}"
        return Judged(cell, _NAN, _NAN, _NAN, _NAN, False, reason)
    value, low, high = limits
    if value != value:
        reason = f"{requirement.column} is empty in this row"
        return Judged(cell, value, low, high, _NAN, False, reason)
    end = low if requirement.is_lower_bound else high
    decided = end if requirement.is_rate and not point else value
    met = _HOLDS[requirement.operator](decided, requirement.value)
    judged = Judged(cell, value, low, high, decided, met, "")
    if met:
        return judged
    misses = f"{_MISSES[requirement.operator]} {as_text(requirement, requirement.value)}"
    if requirement.is_rate and not point:
        misses = f"{'lower' if requirement.is_lower_bound else 'upper'} end {misses}"
    reason = f"{measured(requirement, judged)}: {misses}"
    return Judged(cell, value, low, high, decided, False, reason)

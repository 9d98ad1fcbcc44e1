"""Requirements on a run: `accuracy>=0.45 where attack=autoattack`. Nothing in them is evaluated."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from reports.errors import TableError
from reports.gates.where import COLUMNS as WHERE
from reports.gates.where import Condition, number, parse_where
from reports.results.columns import COLUMNS

# what a requirement can be about: the numbers that a run measures
MEASURES = tuple(
    name
    for name, (kind, _, _) in COLUMNS.items()
    if kind != "str" and name not in (*WHERE, "schema")
)
SHARES = (*(name for name in MEASURES if COLUMNS[name][2] == "share"), "proved")
# these are rates of images, and have an interval
RATES = (
    *("accuracy", "clean_accuracy", "accuracy_worst_draw", "accuracy_every_draw"),
    *("success_rate", "proved"),
)
_FORM = "COLUMN>=NUMBER where COLUMN=VALUE, as 'accuracy>=0.45 where attack=autoattack'"
_TEXT = re.compile(
    r"\s*(?P<column>[A-Za-z_]\w*)\s*(?P<operator>==|!=|<=|>=|=|<|>)\s*"
    r"(?P<value>[-+.\d][^\s%]*)\s*(?P<percent>%?)\s*(?:\bwhere\b(?P<where>.*))?",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Requirement:
    """What every row that is meant must reach.

    text: as it was written. column: one of MEASURES. operator: <, <=, > or >=, and =, != for what
    is no rate. value: the bound. where: which rows are meant; all of them if empty.
    """

    text: str
    column: str
    operator: str
    value: float
    where: tuple[Condition, ...]

    @property
    def is_rate(self) -> bool:
        """Whether the column is a rate of images, which has an interval."""
        return self.column in RATES

    @property
    def is_lower_bound(self) -> bool:
        """Whether the column must be large: its lower end decides."""
        return self.operator in (">", ">=")


def parse_requirement(text: str, source: str = "--require") -> Requirement:
    """Return the requirement of a text.

    source: where the text comes from, for errors. Raises TableError for a text that is none, for an
    unknown column, for a share outside [0, 1], and for a rate that must equal a number.
    """
    text = " ".join(text.split())
    said = f"{source} {text[:100]!r}"
    match = _TEXT.fullmatch(text)
    if match is None:
        raise TableError(f"{said}: expected {_FORM}")
    column, operator = match["column"], match["operator"].replace("==", "=")
    if column not in MEASURES:
        near = difflib.get_close_matches(column, MEASURES, 1)
        what = f"{column} says which rows are meant; write it behind where"
        if column not in COLUMNS:
            hint = f"did you mean {near[0]}?" if near else "known: accuracy, clean_accuracy, ..."
            what = f"unknown column {column!r}; {hint} docs/results.md lists the columns"
        raise TableError(f"{said}: {what}")
    value = number(match["value"])
    if value is None:
        raise TableError(f"{said}: expected a number, got {match['value'][:60]!r}")
    if match["percent"]:
        value /= 100
    if column in SHARES and not 0 <= value <= 1:
        raise TableError(f"{said}: {column} is a share from 0 to 1, got {value:g}; 45 % is 0.45")
    if match["percent"] and column not in SHARES:
        raise TableError(f"{said}: {column} is no share; write a number without %")
    if column in RATES and operator in ("=", "!="):
        raise TableError(f"{said}: a rate has an interval, and equals no number; use >= or <=")
    where = match["where"]
    conditions = () if where is None else parse_where(where, said)
    return Requirement(text, column, operator, value, conditions)

"""Conditions on rows: `dataset=mnist network=lenet eps<=0.1`, of `--where` and of requirements."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.errors import TableError
from reports.results.norms import norm_text
from reports.results.values import name_by_value
from reports.style.cell_names import IDENTITY, NAMES, label_of, value_text
from reports.style.labels import NO_LABELS, Labels

Mask = npt.NDArray[np.bool_]
# the columns that a condition may name: those that were asked for, none that was measured
COLUMNS = (*IDENTITY, "samples")
_NUMBERS = ("eps", "quality", "seed")
# sizes as they are read from a file or computed: 8/255 is 0.03137254901960784
_CLOSE = 1e-9
_START = re.compile(r"\s*([A-Za-z_]\w*)\s*(==|!=|<=|>=|=|<|>)\s*")
_AND = re.compile(r"\s*(?:,|\band\b)?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:/(\d+))?")
_COMPARE: dict[str, Callable[[npt.NDArray[np.float64], float], Mask]] = {
    "=": lambda have, want: np.isclose(have, want, rtol=_CLOSE, atol=0),
    "<": lambda have, want: (have < want) & ~np.isclose(have, want, rtol=_CLOSE, atol=0),
    ">": lambda have, want: (have > want) & ~np.isclose(have, want, rtol=_CLOSE, atol=0),
    "<=": lambda have, want: (have < want) | np.isclose(have, want, rtol=_CLOSE, atol=0),
    ">=": lambda have, want: (have > want) | np.isclose(have, want, rtol=_CLOSE, atol=0),
}


@dataclass(frozen=True)
class Condition:
    """One condition on a row.

    column: one of COLUMNS. operator: =, !=, <, <=, > or >=. values: what the column is compared
    with; with several, `=` means any of them and `!=` none of them.
    """

    column: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.column}{self.operator}{','.join(map(_quoted, self.values))}"


def parse_where(text: str, source: str = "--where") -> tuple[Condition, ...]:
    """Return the conditions of a text: `COLUMN=VALUE`, separated by blanks, commas or `and`.

    A value with blanks stands in quotes; several values are separated by commas: `attack=fgsm,pgd`.

    source: where the text comes from, for errors. Raises TableError for a text that is not so, for
    a column that is not in COLUMNS, and for an operator or value that does not fit the column.
    """
    found, at = [], 0
    while at < len(text.rstrip()):
        start = _START.match(text, at)
        if start is None:
            raise _fault(source, text, f"expected COLUMN=VALUE, got {text[at:].strip()[:60]!r}")
        column, operator = start.group(1), start.group(2).replace("==", "=")
        values, at = _values(text, start.end(), source)
        found.append(_checked(Condition(column, operator, values), source))
        separator = _AND.match(text, at)
        at = separator.end() if separator else at
    if not found:
        raise TableError(f"{source}: expected conditions as network=lenet, got nothing")
    return tuple(found)


def matching(conditions: tuple[Condition, ...], table: pd.DataFrame, labels: Labels) -> Mask:
    """Return which rows of a table meet all conditions.

    A name matches itself, its label, and the same name with any parameters: `network=lenet` is also
    `lenet[adversarial=pgd]`, and `network=lenet[]` is LeNet without parameters alone; so is its
    label with `[]`. Capital letters make no difference.
    """
    mask = np.ones(len(table), dtype=bool)
    for condition in conditions:
        mask &= _meets(condition, table[condition.column], labels)
    return mask


def known_values(
    conditions: tuple[Condition, ...], table: pd.DataFrame, labels: Labels = NO_LABELS
) -> str:
    """Return which condition no row meets, and what the rows have instead, in words."""
    for condition in conditions:
        column = table[condition.column]
        if not _meets(condition, column, labels).any():
            have = sorted({value_text(value) or "none" for value in column.unique()}, key=_natural)
            more = f" and {len(have) - 12} more" if len(have) > 12 else ""
            return f"{condition.column} is one of: {', '.join(have[:12])}{more}"
    return "each condition is met by some row, but none meets all of them"


def _values(text: str, at: int, source: str) -> tuple[tuple[str, ...], int]:
    """Return the values that begin at a place, and the place behind them."""
    values = []
    while True:
        value, at = _value(text, at, source)
        values.append(value)
        comma = re.compile(r"\s*,\s*").match(text, at)
        # behind a comma comes another value, or another condition
        if comma is None or _START.match(text, comma.end()) or comma.end() >= len(text):
            return tuple(values), at
        at = comma.end()


def _value(text: str, at: int, source: str) -> tuple[str, int]:
    quote = text[at : at + 1]
    if quote in ('"', "'") and quote:
        end = text.find(quote, at + 1)
        if end < 0:
            raise _fault(source, text, f"the quote {quote} is not closed")
        return text[at + 1 : end], end + 1
    end, depth = at, 0
    # the parameters of a name hold commas: pgd[norm=2,steps=40]
    while end < len(text) and (depth > 0 or not (text[end].isspace() or text[end] == ",")):
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(text[end], 0)
        end += 1
    if end == at:
        raise _fault(source, text, "expected a value behind the operator")
    return text[at:end], end


def _checked(condition: Condition, source: str) -> Condition:
    column = condition.column
    if column not in COLUMNS:
        near = difflib.get_close_matches(column, COLUMNS, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        known = ", ".join(COLUMNS)
        raise TableError(f"{source}: unknown column {column!r}{hint}; known: {known}")
    if column not in _NUMBERS:
        if condition.operator not in ("=", "!="):
            expected = f"{column} is a text; use = or !="
            raise TableError(f"{source}: {expected}, got {condition.operator}")
        return condition
    for value in condition.values:
        if number(value) is None and value.casefold() != "none":
            expected = f"{column} is a number, such as 0.1 or 8/255, or none"
            raise TableError(f"{source}: {expected}, got {value[:60]!r}")
        if value.casefold() == "none" and condition.operator not in ("=", "!="):
            raise TableError(f"{source}: {column}{condition.operator}none has no meaning; use =")
    return condition


def number(text: str) -> float | None:
    """Return the number of a text such as 0.1, 1e-3 or 8/255; None for another text."""
    match = _NUMBER.fullmatch(text)
    if match is None or (match.group(2) and int(match.group(2)) == 0):
        return None
    return float(match.group(1)) / int(match.group(2) or 1)


def _meets(condition: Condition, column: pd.Series, labels: Labels) -> Mask:
    negated = condition.operator == "!="
    compare = "=" if negated else condition.operator
    if condition.column in _NUMBERS:
        have = column.to_numpy(dtype=np.float64, na_value=np.nan)
        tests = [_number_test(have, compare, value) for value in condition.values]
        mask = np.logical_or.reduce(tests)
    else:
        names = column.unique()
        wanted = partial(_is_meant, condition, labels=labels)
        mask = column.isin([name for name in names if wanted(str(name))]).to_numpy(dtype=bool)
    return np.asarray(~mask if negated else mask, dtype=bool)


def _number_test(have: npt.NDArray[np.float64], operator: str, value: str) -> Mask:
    wanted = number(value)
    if wanted is None:
        return np.isnan(have)
    with np.errstate(invalid="ignore"):
        return np.asarray(_COMPARE[operator](have, wanted), dtype=bool)


def _is_meant(condition: Condition, name: str, labels: Labels) -> bool:
    """Return whether a name of the table is one that a condition gives."""
    column = condition.column
    for value in condition.values:
        if column == "norm":
            if norm_text(value) == norm_text(name):
                return True
            continue
        wanted = name_by_value(value).casefold()
        known = {name_by_value(name), label_of(column, name, labels)}
        if column in NAMES:
            bare = name.partition("[")[0]
            known |= {bare, label_of(column, bare, labels)}
            if "[" not in name:
                known |= {f"{text}[]" for text in (name, label_of(column, name, labels))}
        if wanted in {text.casefold() for text in known}:
            return True
    return False


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"[\s,]", value) and "[" not in value else value


def _natural(text: str) -> tuple[float, str]:
    value = number(text)
    return (float("inf") if value is None else value, text)


def _fault(source: str, text: str, why: str) -> TableError:
    shown = " ".join(text.split())[:100]
    return TableError(f"{source} {shown!r}: {why}; write it as 'dataset=mnist network=lenet'")

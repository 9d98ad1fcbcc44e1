"""Values of a results table as other programs write them: the same number in another form.

pandas writes `2.0` for the norm 2 beside `inf`, and `75.0` for a quality in a column with gaps;
spreadsheets write `0,5`; R writes NA. All are read by value. A hash that looks like a number may
come back as another text: it is repaired where its digits are all there.
"""

from __future__ import annotations

import json
import re

import pandas as pd

from reports.results.columns import COLUMNS
from reports.results.norms import norm_text

HASHES = ("cell", "data_sha256", "weights_sha256")
_NUMBERS = tuple(name for name, (kind, _, _) in COLUMNS.items() if kind != "str")
_WHOLE = tuple(name for name, (kind, _, _) in COLUMNS.items() if kind == "int")
_MISSING = ("na", "nan", "n/a", "null", "none", "<na>", "#n/a")
_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
_HASH = re.compile(r"[0-9a-f]{16}")
# what is left of a hash that was read as a number
_NUMBER = re.compile(r"[-+]?(?:\d+[.,]\d*(?:e[-+]?\d+)?|\d+e\+\d+|inf|nan)", re.IGNORECASE)
# a spreadsheet keeps so many digits
_DIGITS = 15
# a number in the brackets of a name, as in `gaussian[sigma=1.0]`; 010 may be part of a file's name
_IN_NAME = re.compile(
    r"(?<=[=\[ ])[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?=[,\]])"
)
_NORM_IN_NAME = re.compile(r"(?<=[\[,]norm=)[^,\[\]]+")


def by_value(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of text, its values in the form that a run writes.

    table: columns as in COLUMNS, all text; some may be missing.

    Raises ValueError for decimal commas that may be something else.
    """
    table = table.copy()
    for name in (*_NUMBERS, *HASHES, "reason", "broken_by", "curve"):
        if name in table.columns:
            column = table[name].str.strip()
            table[name] = column.mask(column.str.lower().isin(_MISSING), "")
    changes = {"norm": _norm, "samples": _whole, **dict.fromkeys(_WHOLE, _whole)}
    for name, change in {**changes, **dict.fromkeys(HASHES, _repaired)}.items():
        if name in table.columns:
            table[name] = table[name].map(change).astype(object)
    return _with_points(table)


def damaged(text: str) -> bool:
    """Return whether a hash was read as a number and lost digits by that."""
    return not _HASH.fullmatch(text) and _NUMBER.fullmatch(text) is not None


def same_hash(a: str, b: str) -> bool:
    """Return whether two hashes are equal, as far as their digits are there.

    A damaged one may be any; of one that ends in 0 and has no letter a spreadsheet may have
    rounded the last digit.
    """
    if a == b or damaged(a) or damaged(b):
        return True
    rounded = (a if a.endswith("0") else b).endswith("0") and (a + b).isdecimal()
    return rounded and len(a) == len(b) == _DIGITS + 1 and a[:_DIGITS] == b[:_DIGITS]


def same_params(a: str, b: str) -> bool:
    """Return whether two texts of `attack_params` have the same names and values."""
    return a == b or _params(a) == _params(b)


def name_by_value(text: str) -> str:
    """Return a name with its numbers in one form: `fgsm[norm=2.0]` and `fgsm[norm=2]` are equal."""
    text = _NORM_IN_NAME.sub(lambda match: norm_text(match.group()), text)
    return _IN_NAME.sub(lambda match: f"{float(match.group()):.12g}", text)


def parsed(text: str) -> object:
    """Return the value of a JSON text; of another text the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _params(text: str) -> object:
    value = parsed(text)
    if isinstance(value, dict) and "norm" in value:
        value["norm"] = norm_text(value["norm"])
    return value


def _norm(text: str) -> str:
    return norm_text(text.replace(",", "."))


def _whole(text: str) -> str:
    """Return the text of an integer without its decimals, another text as it is."""
    # nearly every value of a run's own table is one: no pattern for those
    return text if text.isdecimal() else re.sub(r"\A(\d+)[.,]0\Z", r"\1", text)


def _repaired(text: str) -> str:
    """Return a hash that was read as an integer with its first zeros and without decimals."""
    match = re.fullmatch(r"(\d{10,16})(?:[.,]0)?", text)
    # beyond 2^53 a float with decimals stands for several integers
    exact = match is not None and (text.isdecimal() or int(match.group(1)) < 2**53)
    return match.group(1).zfill(16) if match is not None and exact else text


def _with_points(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with decimal points in the place of decimal commas."""
    names = [name for name in _NUMBERS if name in table.columns]
    found = [
        (name, str(text))
        for name in names
        for text in table[name][table[name].str.contains(",", regex=False)].unique()
    ]
    if not found:
        return table
    for name, text in found:
        if not _COMMA.fullmatch(text) or (name in _WHOLE and _THOUSANDS.fullmatch(text)):
            raise ValueError(f"column {name}: {text!r} may be several numbers")
    name, text = found[0]
    for other in names:
        if table[other].str.contains(".", regex=False).any():
            raise ValueError(f"column {name}: {text!r} has a comma, numbers of {other} have points")
    if all(_THOUSANDS.fullmatch(text) for _, text in found):
        raise ValueError(f"column {name}: {text!r} may be thousands or a decimal comma")
    return table.assign(**{n: table[n].str.replace(",", ".", regex=False) for n in names})

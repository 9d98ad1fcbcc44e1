"""Whether a record of the run store can be used: its checksum, its form, and its own numbers."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Sequence
from typing import Any

from benchmark.runs.packed import Predicted, columns_of
from estimators.data.labels import MOST_IMAGES

Row = dict[str, Any]
# bytes of a row, and of packed predictions; those of a certificate of 50,000 images are 3 MB
LONGEST_ROW, LONGEST_BLOB = 1 << 26, 1 << 28
# images in a row that does not say how many it has
UNSAID_IMAGES = 1_000_000
_STATES = ("ok", "failed")
_SCALARS = (str, int, float, type(None))
_LISTS = ("id", "label", "proved", "margin", "undecided")


def checksum(key: bytes, row: bytes, seconds: float, blob: bytes | None) -> str:
    """Return the checksum of a record, over everything that is exported."""
    content = (key or b"", row or b"", repr(seconds).encode(), blob or b"")
    return hashlib.sha256(b"".join(content)).hexdigest()[:16]


def is_intact(record: Sequence[Any]) -> bool:
    """Whether the checksum of a record matches: key, row, seconds, predictions, checksum."""
    *content, expected = record
    return bool(checksum(*content).encode() == expected)


def is_usable(record: Sequence[Any]) -> bool:
    """Whether a record matches its checksum, and holds what a run writes.

    A wrong record may have a right checksum: whoever changes a number can compute it again. So the
    counts and accuracies of the row are compared with the predictions, which are unpacked up to
    the size that the row states.
    """
    key, text, seconds, blob, _ = record
    if not is_intact(record) or not isinstance(seconds, float) or not math.isfinite(seconds):
        return False
    try:
        str(key, "utf-8")
        row = _row(text)
        return row is not None and _matches(row, blob)
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError, zlib.error):
        return False


def _row(text: bytes) -> Row | None:
    """Return the row of a record; None for anything but a flat object of a known status."""
    if len(text) > LONGEST_ROW:
        return None
    row = json.loads(text)
    if not isinstance(row, dict) or row.get("status") not in _STATES:
        return None
    for name, value in row.items():
        if isinstance(value, list):
            if name not in _LISTS or not all(isinstance(v, _SCALARS) for v in value):
                return None
            if any(isinstance(v, str) for v in value):
                return None
        elif not isinstance(value, _SCALARS):
            return None
    return row


def _matches(row: Row, blob: bytes | None) -> bool:
    """Whether the numbers of a row follow from its predictions."""
    if blob is None:
        lists = [row[name] for name in _LISTS if name in row]
        whole = len(lists) in (0, len(_LISTS)) and len({len(own) for own in lists}) <= 1
        # a finished cell has predictions
        return whole and not (row["status"] == "ok" and "n" in row)
    if row["status"] != "ok":
        return False
    n = row.get("n", UNSAID_IMAGES)
    if type(n) is not int or not 0 <= n <= MOST_IMAGES:
        return False
    table = columns_of(blob, n)
    if not _parts_match(row, table):
        return False
    if "n" not in row:
        return True
    if len(table["label"]) != n:
        return False
    right = table["clean"] == table["label"]
    still = table["adversarial"] == table["label"]
    counts = {"clean_correct": int(right.sum()), "correct": int(still.sum())}
    if any(name in row and row[name] != count for name, count in counts.items()):
        return False
    return not n or _accuracies_match(row, table, n)


def _parts_match(row: Row, table: Predicted) -> bool:
    """Whether the parts of an attack have names, and those of the predictions are among them.

    One number more stands for an image that no part broke, as -1 does.
    """
    names = json.loads(row.get("broken_by") or "{}")
    part = table.get("part")
    known = part is None or not len(part) or (part.min() >= -1 and part.max() <= len(names))
    return isinstance(names, dict) and bool(known)


def _accuracies_match(row: Row, table: Predicted, n: int) -> bool:
    """Whether the accuracies of a row are those of its predictions of n images."""
    draws, shares = row.get("draws"), {}
    if draws is None:
        shares["clean_accuracy"] = float((table["clean"] == table["label"]).mean())
        shares["accuracy"] = float((table["adversarial"] == table["label"]).mean())
    elif "hits" in table:
        shares["accuracy"] = float(table["hits"].sum()) / (n * draws)
    return all(
        isinstance(row[name], int | float) and math.isclose(row[name], share, abs_tol=1e-9)
        for name, share in shares.items()
        if name in row
    )

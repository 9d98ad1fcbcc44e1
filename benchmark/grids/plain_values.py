"""Values as Python callers have them, in the form in which a grid file has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from estimators.yaml_values import read_number

# in a grid file `8/255` is a number, too
_FRACTION = re.compile(r"\s*[-+]?[\d.]+\s*/\s*[\d.]+\s*")


def plain_values(value: Any) -> Any:
    """Return mappings, lists, numbers and texts as YAML would have given them.

    Tuples, ranges and arrays become lists, numbers of NumPy and torch become Python's, paths become
    texts, and the text of a fraction becomes its number.
    """
    if isinstance(value, Mapping):
        return {str(key): plain_values(part) for key, part in value.items()}
    if isinstance(value, str) and _FRACTION.fullmatch(value):
        return read_number("".join(value.split()))
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple, range)):
        return [plain_values(part) for part in value]
    # arrays and numbers of NumPy and torch, without importing either
    listed = getattr(value, "tolist", None)
    return plain_values(listed()) if callable(listed) else value

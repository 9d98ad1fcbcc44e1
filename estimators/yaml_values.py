"""Numbers in grid files and on the command line: every usual form, and one form per number.

PyYAML follows YAML 1.1: it reads `1e-2` as text, `010` as 8 and `1:30` as 90. Here a text without
quotes that looks like a number is that number, or is refused where it has two meanings.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from estimators.errors import InputError

_DECIMAL = r"(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?"
_BASED = r"0(?:x[\da-fA-F_]+|b[01_]+|o[0-7_]+)"
_SEXAGESIMAL = r"\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?"
_WHOLE = rf"[-+]?(?:\d[\d_]*|{_BASED})"
_REAL = rf"[-+]?(?:{_DECIMAL}(?:/{_DECIMAL})?|{_SEXAGESIMAL}|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
# in this order: the first that matches decides
_TAGS = {"tag:yaml.org,2002:int": _WHOLE, "tag:yaml.org,2002:float": _REAL}
# a float has 309 digits at most
_LONGEST = 400


class _Loader(yaml.SafeLoader):
    """YAML's safe loader with the numbers of this module."""


class _Dumper(yaml.SafeDumper):
    """YAML's safe dumper; it quotes a text that `_Loader` would read as a number."""


def _number_of(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    return read_number(str(loader.construct_scalar(node)))


for _kind in (_Loader, _Dumper):
    _kind.yaml_implicit_resolvers = {
        first: [(tag, regex) for tag, regex in resolvers if tag not in _TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for _tag, _form in _TAGS.items():
        _kind.add_implicit_resolver(_tag, re.compile(f"(?:{_form})$"), list("-+.0123456789"))
for _tag in _TAGS:
    _Loader.add_constructor(_tag, _number_of)


def read_yaml(text: str) -> Any:
    """Read YAML as plain values; a number is as `read_number` gives it.

    Raises InputError for a number with two meanings, and the errors of PyYAML for other texts.
    """
    return yaml.load(text, _Loader)


def flow(value: object) -> str:
    """Return a value as YAML on one line; `read_yaml` gives the same value."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, width=10_000, sort_keys=False
    )
    return text.removesuffix("...\n").strip()


def read_number(text: str) -> int | float:
    """Return the number of a text such as `40`, `1e2`, `8/255`, `+.5`, `1_000`, `0x10` or `.inf`.

    Raises InputError for other texts, for a number with two meanings (`010`, `1:30`), and for one
    beyond the range of floats.
    """
    if len(text) > _LONGEST or not re.fullmatch(f"{_WHOLE}|{_REAL}", text):
        raise InputError(f"expected a number, got {text[:40]!r}")
    plain = text.replace("_", "").lower()
    digits = plain.lstrip("-+")
    if re.fullmatch(_SEXAGESIMAL, digits):
        raise InputError(f"{text}: base 60 in YAML; write the number to base 10, a text in quotes")
    if re.fullmatch(r"0\d+", digits):
        zeros = "some readers of YAML take it for octal"
        raise InputError(f"{text}: {zeros}; leave out the first zeros, or write a text in quotes")
    if digits in (".inf", ".nan"):
        return float(plain.replace(".", ""))
    try:
        number: int | float = one_form(_value(plain))
        # an integer beyond the range of floats raises here
        finite = math.isfinite(number)
    except (OverflowError, ZeroDivisionError):
        finite = False
    if not finite:
        raise InputError(f"{text[:40]}: beyond the range of numbers")
    return number


def one_form(value: Any) -> Any:
    """Return a value in the form that all equal ones share: 2.0 is 2, in lists too."""
    if isinstance(value, (list, tuple)):
        return type(value)(one_form(part) for part in value)
    # beyond 2^53 a float stands for several integers
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    return value


def _value(plain: str) -> int | float:
    """Return the value of a number to a base, of a fraction, an integer or a decimal number."""
    if re.fullmatch(rf"[-+]?{_BASED}", plain):
        return int(plain, 0)
    above, slash, below = plain.partition("/")
    if slash:
        return float(above) / float(below)
    return int(plain) if re.fullmatch(r"[-+]?\d+", plain) else float(plain)

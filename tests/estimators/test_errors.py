"""Checks of parameters: what passes, and the message for everything else."""

from __future__ import annotations

import math

import pytest

from estimators.errors import InputError, number, whole


def test_good_values_come_back() -> None:
    assert whole("x", 3, 1, 3) == 3
    assert whole("x", 10**9, 1) == 10**9
    assert number("x", 1, 0, 1) == 1.0 and isinstance(number("x", 1, 0, 1), float)
    assert number("x", -5, -math.inf) == -5.0
    assert number("x", 0.5, 0, 1, "()") == 0.5


@pytest.mark.parametrize("value", [0, 4, 2.0, "2", None, True, math.nan])
def test_bad_integers(value: object) -> None:
    with pytest.raises(InputError, match=r"^x must be an integer from 1 to 3, got "):
        whole("x", value, 1, 3)
    with pytest.raises(InputError, match="from 5 up"):
        whole("x", value, 5)


@pytest.mark.parametrize("value", [-0.1, 1.1, "0.5", None, True, math.nan, math.inf, (0.5,)])
def test_bad_numbers(value: object) -> None:
    with pytest.raises(InputError, match=r"^x must be a number in \[0, 1\], got "):
        number("x", value, 0, 1)


def test_round_brackets_exclude_the_limit() -> None:
    with pytest.raises(InputError, match=r"in \(0, inf\), got 0"):
        number("x", 0, 0, ends="(]")
    with pytest.raises(InputError, match=r"in \[0, 1\), got 1"):
        number("x", 1, 0, 1, "[)")

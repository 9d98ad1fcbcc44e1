"""Numbers of grid files and of the command line: every usual form, or a refusal by name."""

from __future__ import annotations

import math

import pytest

from estimators.errors import InputError
from estimators.spec import Spec, parse_spec
from estimators.yaml_values import flow, one_form, read_number, read_yaml

FORMS = {
    "40": 40,
    "-3": -3,
    "8/255": 8 / 255,
    "-1/3": -1 / 3,
    "0.5/255": 0.5 / 255,
    "1e-2": 0.01,
    "1E-2": 0.01,
    "1e2": 100,
    "2.5e+3": 2500,
    "+.5": 0.5,
    ".5": 0.5,
    "5.": 5,
    "2.0": 2,
    "1_000": 1000,
    "0x10": 16,
    "0o10": 8,
    "0b11": 3,
    "0.10": 0.1,
    "010.5": 10.5,
    ".inf": math.inf,
    "-.inf": -math.inf,
}


@pytest.mark.parametrize("text", FORMS)
def test_every_form_is_read_as_its_number(text: str) -> None:
    wanted = FORMS[text]
    for number in (read_number(text), read_yaml(f"x: {text}")["x"], read_yaml(f"[{text}]")[0]):
        assert number == wanted
        assert type(number) is type(wanted)
    assert parse_spec(f"pgd:eps={text}") == Spec.of("pgd", eps=wanted)


def test_nan_is_read() -> None:
    assert math.isnan(read_yaml(".nan"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("010", "octal"),
        ("-08", "octal"),
        ("0_10", "octal"),
        ("1:30", "base 60"),
        ("1:30:30.5", "base 60"),
        ("1/0", "beyond the range"),
        ("1e999", "beyond the range"),
        ("9" * 350, "beyond the range"),
        ("9" * 5000, "expected a number"),
    ],
)
def test_what_has_two_meanings_or_none_is_refused(text: str, told: str) -> None:
    for read in (read_number, read_yaml, lambda text: parse_spec(f"pgd:eps={text}")):
        if len(text) < 1000 or read is not read_yaml:
            with pytest.raises(InputError, match=told) as raised:
                read(text)
            assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["abc", "1e", "8/", "/255", "1/2/3", "1.2.3", "Linf", "e5", ""])
def test_other_texts_are_no_numbers(text: str) -> None:
    with pytest.raises(InputError, match="expected a number"):
        read_number(text)
    assert not isinstance(read_yaml(f"x: {text}")["x"], (int, float))


def test_quotes_make_a_text() -> None:
    for text in FORMS:
        assert read_yaml(f"'{text}'") == text


def test_equal_numbers_are_one_number() -> None:
    assert [type(v) for v in one_form([2.0, 2.5, (1.0, True), "2.0", 1e300])] == [
        *(int, float, tuple, str, float)
    ]
    assert one_form((1.0, [2.0])) == (1, [2]) and one_form(True) is True
    assert str(parse_spec("tvm:norm=2.0")) == str(parse_spec("tvm:norm=2")) == "tvm[norm=2]"


def test_what_is_written_is_read_again() -> None:
    values = [0, "8/255", "010", "1:30", "1e5", 1e-5, 8 / 255, -3, True, None, "yes", [math.inf]]
    assert read_yaml(flow(values)) == values
    assert flow({"name": "lenet", "mean": [0.5, 0]}) == "{name: lenet, mean: [0.5, 0]}"

"""The lines of `bench speed`: an empty choice is an error, capital letters count as small ones."""

from __future__ import annotations

import pytest

from benchmark.speed.lines import LINES, chosen
from estimators.errors import InputError


def test_names_are_found_by_a_part() -> None:
    assert [line.name for line in chosen("")] == [n for n in LINES if n != "paper quick"]
    assert [line.name for line in chosen("paper")] == ["paper quick"]
    assert [line.name for line in chosen("PGD")] == ["pgd"]
    assert [line.name for line in chosen(" Jpeg ")] == ["jpeg grey", "jpeg rgb"]


def test_an_empty_choice_is_an_error(bench) -> None:
    with pytest.raises(
        InputError, match=r"unknown line of --only 'square'; known: autoattack, cw, grid"
    ):
        chosen("square")
    code, out = bench("speed", "--only", "square")
    assert code == 2
    assert "known: autoattack, cw, grid lenet adaptive" in out


def test_help_lists_the_names(bench) -> None:
    out = " ".join(bench("speed", "--help")[1].split())
    assert all(name in out for name in (*LINES, "memory"))


@pytest.mark.parametrize("name", LINES)
def test_every_line_can_be_loaded(name: str) -> None:
    assert callable(LINES[name].load())


def test_a_line_says_what_it_needs(bench, tmp_path) -> None:
    code, out = bench("speed", "--only", "autoattack")
    assert code == 2 and "autoattack: needs --weights-dir" in out
    code, out = bench("speed", "--only", "autoattack", "--weights-dir", ".")
    assert code == 2 and "git clone https://github.com/fra31/auto-attack" in out
    found = ("--weights-dir", ".", "--original", str(tmp_path))
    code, out = bench("speed", "--only", "autoattack", *found)
    assert code == 2 and "no autoattack/autoattack.py" in out

"""`bench list` fits a screen, and shows one kind at a time."""

from __future__ import annotations

import csv
import io

import pytest

from benchmark.attacks.registry import ATTACKS
from benchmark.cli.catalogue import KINDS, kind_of
from estimators.errors import InputError


def test_the_kinds_are_one_screen(bench) -> None:
    code, out = bench("list")
    assert code == 0
    lines = out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    for name, kind in KINDS.items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert int(line.split()[1]) == len(kind.rows())
        assert kind.summary in line


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_at_80_columns(bench, name: str) -> None:
    code, out = bench("list", name)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    shown = " ".join(out.replace("│", " ").split())
    for row in KINDS[name].rows():
        # names are whole, in one line each
        assert row[0] in out
        assert row[0] in shown


def test_all_attacks_are_listed(bench) -> None:
    out = bench("list", "attacks")[1]
    assert all(f" {name} " in out for name in ATTACKS)
    assert "eps=..." in out


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("attack", "attacks"),
        ("Data Sets", "datasets"),
        ("study", "studies"),
        ("data-set", "datasets"),
    ],
)
def test_a_kind_has_usual_names(text: str, name: str) -> None:
    assert kind_of(text) is KINDS[name]


def test_another_kind_is_refused(bench) -> None:
    with pytest.raises(InputError, match="did you mean 'networks'"):
        kind_of("netwroks")
    assert bench("list", "networks", "--attack", "art:")[0] == 2
    assert bench("list", "--format", "csv")[0] == 2


def test_other_programs_get_rows(bench) -> None:
    code, out = bench("list", "defences", "--format", "csv")
    assert code == 0
    assert list(csv.reader(io.StringIO(out)))[1:] == [list(row) for row in KINDS["defences"].rows()]
    assert bench("list", "defences", "--format", "markdown")[1].startswith("| name | summary |")
    assert r"\begin{tabular}" in bench("list", "defences", "--format", "latex")[1]


def test_the_package_that_frost_needs_is_named(bench) -> None:
    shown = " ".join(bench("list", "attacks")[1].replace("│", " ").split())
    assert "frost: pip install --no-deps imagecorruptions-imaug" in shown

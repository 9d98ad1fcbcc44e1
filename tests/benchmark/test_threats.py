"""Threats: their table, their texts, and how grids and the command line name them."""

from __future__ import annotations

import pytest

from benchmark.grids.model import Grid
from benchmark.grids.overrides import narrowed
from benchmark.threats import THREATS, threat, threat_text
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec


def test_from_the_weakest_to_the_strongest() -> None:
    order = ["transfer", "oblivious", "adaptive", "adaptive-diff", "adaptive-eot"]
    assert list(THREATS) == order
    assert [THREATS[name].sees_defence for name in order] == [False, False, True, True, True]
    assert [THREATS[name].crafted_elsewhere for name in order] == [True, *4 * [False]]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("adaptive", "adaptive"),
        ("adaptive-eot", "adaptive-eot[k=16]"),
        ("adaptive-eot:k=4", "adaptive-eot[k=4]"),
        ("transfer:from=lenet:extra_layers=4", "transfer[from=lenet:extra_layers=4]"),
        (Spec.of("transfer", {"from": "resnet"}), "transfer[from=resnet]"),
    ],
)
def test_threats_have_a_text(entry, text: str) -> None:
    assert threat_text(entry) == text
    read = threat(text)
    assert read.entry is THREATS[text.partition("[")[0]]
    assert (read.source is not None) == read.entry.crafted_elsewhere


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("blind", "unknown threat"),
        ("transfer", "which network"),
        ("adaptive-eot:k=0", "1 to 10000"),
        ("adaptive:k=3", "unknown parameter of the threat adaptive 'k'"),
    ],
)
def test_bad_threats(entry: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        threat_text(entry)


def test_threats_of_a_grid_and_of_the_command_line() -> None:
    grid = Grid(
        name="g",
        attacks=[{"name": "fgsm", "eps": 0.1}],
        threats=["adaptive-diff", {"name": "transfer", "from": ["cnn", "resnet"]}],
    )
    assert [cell.threat for cell in grid.cells()] == [
        "adaptive-diff",
        "transfer[from=cnn]",
        "transfer[from=resnet]",
    ]
    asked = [parse_spec("adaptive-eot:k=2"), parse_spec("adaptive-diff")]
    assert {cell.threat for cell in narrowed(grid, threats=asked).cells()} == {
        "adaptive-diff",
        "adaptive-eot[k=2]",
    }

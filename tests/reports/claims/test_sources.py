"""What claims read: tables of studies, rows of the grid, and what is missing of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up import MadeUp

from reports.claims.sources import Missing, Sources
from reports.errors import TableError


def study(directory: Path, text: str) -> Sources:
    """Write one table of one study into a directory."""
    path = directory / "studies" / "noise" / "norms.csv"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return Sources(directory)


def test_rows_of_a_study(tmp_path: Path) -> None:
    sources = study(tmp_path, "class,norm,l2\n1,2,0.5\n2,inf,0.7\n")
    assert list(sources.rows("noise", "norms", norm="2")["l2"]) == [0.5]
    with pytest.raises(Missing, match="norm 1"):
        sources.rows("noise", "norms", norm="1")
    with pytest.raises(Missing, match="no column eps"):
        sources.rows("noise", "norms", eps=1)
    with pytest.raises(Missing, match="first-error"):
        sources.study("first-error", "norms")


def test_an_empty_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"norms\.csv"):
        study(tmp_path, "").study("noise", "norms")


def test_what_the_grid_lacks(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="no grid"):
        Sources(tmp_path).qualities("digits", "lenet")
    made = MadeUp(attacks={"fgsm": (0, 0.1)}, threats=("oblivious",), samples=10)
    made.write(tmp_path)
    sources = Sources(tmp_path)
    assert len(sources.curves("digits", "lenet", "oblivious", None).ids) == 10
    with pytest.raises(Missing, match="cnn"):
        sources.curves("digits", "cnn", "oblivious", None)

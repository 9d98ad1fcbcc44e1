"""A table of another grid in the same directory is not replaced unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up import MadeUp

from reports.errors import TableError
from reports.results.replacing import refuse_replacing


@pytest.fixture
def made(tmp_path: Path) -> MadeUp:
    """A made-up run, written to `run`."""
    made = MadeUp(attacks={"fgsm": (0.1, 0.2)}, samples=20)
    made.manifest["grid"] = {"name": "first"}
    made.write(tmp_path / "run")
    return made


def test_the_same_rows_and_more_are_fine(made: MadeUp, tmp_path: Path) -> None:
    refuse_replacing(tmp_path / "run", made.table, "first")
    more = MadeUp(attacks={"fgsm": (0.1, 0.2, 0.3), "pgd": (0.1,)}, samples=20)
    refuse_replacing(tmp_path / "run", more.table, "second")


def test_a_row_that_would_vanish_is_named(made: MadeUp, tmp_path: Path) -> None:
    fewer = made.table[made.table["eps"] == 0.1]
    said = r"has 12 rows of the grid first, and the grid second would remove 6 of them: .*--replace"
    with pytest.raises(TableError, match=said):
        refuse_replacing(tmp_path / "run", fewer, "second")
    with pytest.raises(TableError, match="grid first, as it is asked for now, would remove 6 of"):
        refuse_replacing(tmp_path / "run", fewer, "first")


@pytest.mark.parametrize(
    ("column", "value"), [("samples", "21"), ("seed", 1), ("network", "resnet"), ("quality", 51)]
)
def test_what_tells_rows_apart(made: MadeUp, tmp_path: Path, column: str, value: object) -> None:
    other = made.table
    other[column] = value
    with pytest.raises(TableError, match="would remove"):
        refuse_replacing(tmp_path / "run", other, "second")


def test_new_defaults_and_hashes_are_the_same_rows(made: MadeUp, tmp_path: Path) -> None:
    other = made.table.assign(attack_params='{"new":1}', cell="0" * 16, weights_sha256="1" * 16)
    refuse_replacing(tmp_path / "run", other, "first")


def test_a_damaged_table_is_free(made: MadeUp, tmp_path: Path) -> None:
    (tmp_path / "run" / "results.csv").write_text("schema\n9\n", encoding="utf-8")
    refuse_replacing(tmp_path / "run", made.table[:0], "second")

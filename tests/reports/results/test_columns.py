"""Tables of earlier versions lack columns; they are read everywhere all the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from made_up import MadeUp

from reports.audit.audit import write_audit
from reports.compare.compare import compare
from reports.errors import TableError
from reports.page.cell_data import cell_data
from reports.page.page import write_page
from reports.results.columns import ADDED, COLUMNS, frame
from reports.results.read_write import read_results, write_results


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same run as this version writes it, and as an earlier one did."""
    new, old = (tmp_path_factory.mktemp(name) for name in ("new", "old"))
    write_results(frame(MadeUp().rows), new / "results.csv")
    text = pd.read_csv(new / "results.csv", dtype=str, keep_default_na=False)
    text.drop(columns=list(ADDED)).to_csv(old / "results.csv", index=False, lineterminator="\n")
    return new, old


def test_missing_columns_are_empty(runs: tuple[Path, Path]) -> None:
    new, old = map(read_results, runs)
    assert list(old.columns) == list(new.columns) == list(COLUMNS)
    added = old[list(ADDED)]
    assert (added.isna() | (added == "")).all(axis=None)
    pd.testing.assert_frame_equal(old.drop(columns=list(ADDED)), new.drop(columns=list(ADDED)))


def test_old_and_new_tables_are_compared(runs: tuple[Path, Path]) -> None:
    for a, b in (runs, runs[::-1]):
        rows = compare(a, b).rows
        assert len(rows) and (rows["difference"] == 0).all()


def test_audit_and_page_of_an_old_table(runs: tuple[Path, Path]) -> None:
    _, old = runs
    findings = write_audit(old)
    by_check = findings.groupby("check")["status"].agg(set)
    assert by_check["nan-gradient"] == by_check["finite"] == {"not tested"}
    assert by_check["zero-gradient"] == {"ok"}
    assert write_page(old).stat().st_size > 0
    keys = {column["key"] for column in cell_data(old / "results.csv")["main"]}
    assert "zero_gradient" in keys and not keys & set(ADDED)


def test_the_page_shows_what_is_not_zero(runs: tuple[Path, Path], tmp_path: Path) -> None:
    made = MadeUp()
    made.rows[0]["nan_gradient"] = 0.5
    write_results(frame(made.rows), tmp_path / "results.csv")
    keys = {column["key"] for column in cell_data(tmp_path / "results.csv")["main"]}
    assert "nan_gradient" in keys and "non_finite" not in keys


@pytest.mark.parametrize(("norm", "column"), [("0", "l0_median"), ("1", "l1_median")])
def test_the_page_shows_l0_and_l1_where_an_attack_has_them(
    tmp_path: Path, norm: str, column: str
) -> None:
    for shown in (False, True):
        made = MadeUp()
        for row in made.rows:
            row |= {"l0_median": 12.0, "l1_median": 3.5}
            row["norm"] = norm if shown and row["attack"] == "cw" else row["norm"]
        folder = tmp_path / str(shown)
        folder.mkdir()
        write_results(frame(made.rows), folder / "results.csv")
        keys = {one["key"] for one in cell_data(folder / "results.csv")["main"]}
        assert (column in keys) == shown and not {"l0_median", "l1_median"} - {column} & keys


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("nan_gradient", 1.5, "nan_gradient is no share"),
        ("non_finite", 10_000, "non_finite, correct and n do not fit"),
        ("non_finite", -1, "non_finite, correct and n do not fit"),
        ("accuracy", 0.123, "accuracy is not correct / n"),
        ("clean_accuracy", 0.123, "clean_accuracy is not clean_correct / n"),
        ("l0_mean", -1.0, "l0_mean"),
        ("l1_max", float("inf"), "l1_max"),
    ],
)
def test_impossible_numbers_are_refused(
    tmp_path: Path, column: str, value: float, told: str
) -> None:
    made = MadeUp()
    made.rows[0][column] = value
    write_results(frame(made.rows), tmp_path / "results.csv")
    with pytest.raises(TableError, match=told):
        read_results(tmp_path)

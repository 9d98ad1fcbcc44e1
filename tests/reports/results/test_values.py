"""Tables that pandas, R or a spreadsheet wrote again: read by value, or refused by name."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import MadeUp

from reports.audit.audit import audit, write_audit
from reports.compare.compare import compare, failures
from reports.errors import TableError
from reports.page.cell_data import cell_data
from reports.results.norms import norm_text
from reports.results.read_write import read_results
from reports.results.values import damaged, name_by_value, same_hash, same_params
from reports.worst_case.evidence import gather

Write = Callable[[Path, Path], None]


def made() -> MadeUp:
    """Norms inf and 2, rows without eps, rows without quality, and a skipped one."""
    run = MadeUp(attacks={"fgsm": (0, 0.1), "fgm": (0.5, 1.0), "cw": (None,)}, samples=60)
    for number, row in enumerate(run.rows):
        row["cell"] = f"{number:03d}" + "ab" * 6 + "7"
        row["attack_params"] = '{"engine":"fast","max_iter":40,"norm":"2"}'
    run.rows[-1].update(status="skipped", reason="no data")
    for name in list(run.rows[-1]):
        if name in ("n", "correct", "clean_correct", "accuracy", "l2_max", "data_sha256"):
            run.rows[-1][name] = None
    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The results file of a run, alone in its folder."""
    made().write(tmp_path / "run", predictions=False)
    alone = tmp_path / "a.csv"
    alone.write_bytes((tmp_path / "run" / "results.csv").read_bytes())
    return alone


def by_pandas(source: Path, target: Path) -> None:
    pd.read_csv(source).to_csv(target, index=False)


def with_index(source: Path, target: Path) -> None:
    pd.read_csv(source).to_csv(target)


def twice_with_index(source: Path, target: Path) -> None:
    with_index(source, target)
    with_index(target, target)


def all_as_objects(source: Path, target: Path) -> None:
    with warnings.catch_warnings():
        # pandas 2 casts NaN on its way
        warnings.simplefilter("ignore", RuntimeWarning)
        pd.read_csv(source).convert_dtypes().to_csv(target, index=False)


def short_floats(source: Path, target: Path) -> None:
    pd.read_csv(source).to_csv(target, index=False, float_format="%.13g")


def other_columns(source: Path, target: Path) -> None:
    table = pd.read_csv(source)
    table[[*sorted(table.columns, reverse=True)]].assign(note="mine", more=1).to_csv(
        target, index=False
    )


def as_excel_in_europe(source: Path, target: Path) -> None:
    """Semicolons, decimal commas, CRLF and a byte order mark."""
    table = pd.read_csv(source)
    table.to_csv(
        target, index=False, sep=";", decimal=",", encoding="utf-8-sig", lineterminator="\r\n"
    )


def semicolons(source: Path, target: Path) -> None:
    pd.read_csv(source).to_csv(target, index=False, sep=";")


def declared(source: Path, target: Path) -> None:
    target.write_text("sep=;\r\n" + pd.read_csv(source).to_csv(index=False, sep=";"))


def tabs(source: Path, target: Path) -> None:
    pd.read_csv(source).to_csv(target, index=False, sep="\t")


def quoted(source: Path, target: Path) -> None:
    pd.read_csv(source, dtype=str).to_csv(
        target, index=False, quoting=csv.QUOTE_ALL, lineterminator="\r\n"
    )


def as_r(source: Path, target: Path) -> None:
    """Quotes around texts and names, NA for what is missing, numbered rows."""
    table = pd.read_csv(source)
    table.index = [str(i + 1) for i in range(len(table))]
    table.to_csv(target, na_rep="NA", quoting=csv.QUOTE_NONNUMERIC)


def spaced_json(source: Path, target: Path) -> None:
    table = pd.read_csv(source, dtype=str, keep_default_na=False)
    table["attack_params"] = '{ "max_iter": 40.0, "norm": 2.0,  "engine": "fast" }'
    table["norm"] = table["norm"].map({"inf": "Inf", "2": "2.0"})
    table["samples"] += ".0"
    table.to_csv(target, index=False)


WAYS: tuple[Write, ...] = (
    *(by_pandas, with_index, twice_with_index, all_as_objects, short_floats, other_columns),
    *(as_excel_in_europe, semicolons, declared, tabs, quoted, as_r, spaced_json),
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_table_that_was_written_again_is_the_same_run(
    file: Path, tmp_path: Path, way: Write
) -> None:
    again = tmp_path / "b.csv"
    way(file, again)
    before, after = read_results(file), read_results(again)
    exact = [name for name in before if name not in ("attack_params",)]
    if way is short_floats:
        pd.testing.assert_frame_equal(before[exact], after[exact], rtol=1e-11)
    else:
        pd.testing.assert_frame_equal(before[exact], after[exact])
    for base, other in ((file, again), (again, file)):
        compared = compare(base, other)
        assert failures(compared) == ()
        assert set(compared.rows["verdict"]) == {"same"}
        assert not any("damaged" in note for note in compared.notes)
    both = [audit(gather(table))[["check", "status"]] for table in (before, after)]
    pd.testing.assert_frame_equal(*both)


def test_audit_worst_case_and_page_of_a_run_that_pandas_wrote_again(tmp_path: Path) -> None:
    run = MadeUp(attacks={"fgsm": (0, 0.1), "fgm": (0.5, 1.0), "cw": (None,)}, samples=60)
    for number, row in enumerate(run.rows):
        # pandas must not take it for a number
        run.predictions[f"{number:03d}" + "ab" * 6 + "7"] = run.predictions.pop(row["cell"])
        row["cell"] = f"{number:03d}" + "ab" * 6 + "7"
        run.predictions[row["cell"]]["cell"] = row["cell"]
    one, two = (run.write(tmp_path / name) for name in ("one", "two"))
    by_pandas(two / "results.csv", two / "results.csv")
    assert (one / "results.csv").read_bytes() != (two / "results.csv").read_bytes()
    for folder in (one, two):
        write_audit(folder)
    for name in ("audit.csv", "worst_case.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert len(pd.read_csv(one / "worst_case.csv")) > 5
    first, second = (cell_data(folder / "results.csv") for folder in (one, two))
    for key in ("norm", "quality", "samples", "seed", "n", "cell"):
        columns = [next(c for c in data["columns"] if c["name"] == key) for data in (first, second)]
        assert columns[0] == columns[1]


def test_todays_fault_of_pandas_is_in_these_files(file: Path, tmp_path: Path) -> None:
    """The round trip changes the text of norms and qualities; else the tests above show nothing."""
    again = tmp_path / "b.csv"
    by_pandas(file, again)
    rows = list(csv.DictReader(io.StringIO(again.read_text())))
    assert {row["norm"] for row in rows} == {"inf", "2.0"}
    assert {row["quality"] for row in rows} == {"", "50.0"}


def changed(file: Path, **columns: object) -> Path:
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    path = file.with_name("changed.csv")
    table.assign(**columns).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("n", "1,000", "column n: '1,000' may be several numbers"),
        ("eps", "0,5", "column eps: '0,5' has a comma, numbers of clean_accuracy have points"),
        ("eps", "1,234,567", "column eps: '1,234,567' may be several numbers"),
        ("network", "", "network is empty (row 1)"),
        ("seed", "x", "Unable to parse"),
    ],
)
def test_what_may_be_several_numbers_is_refused(
    file: Path, column: str, value: str, told: str
) -> None:
    with pytest.raises(TableError) as raised:
        read_results(changed(file, **{column: value}))
    assert told in str(raised.value).replace("unable", "Unable")
    assert "\n" not in str(raised.value)


def test_commas_that_may_be_thousands_are_refused(file: Path) -> None:
    numbers = pd.read_csv(file).select_dtypes("number").columns
    path = changed(file, **{**{name: "1" for name in numbers}, "eps": "1,234"})
    with pytest.raises(TableError, match="'1,234' may be thousands or a decimal comma"):
        read_results(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PK\x03\x04rest", "a workbook or another ZIP archive, not a CSV table"),
        (b"PAR1rest", "a Parquet file, not a CSV table"),
        (b"\x1f\x8brest", "a compressed file"),
        (b"\xd0\xcf\x11\xe0rest", "a workbook"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path: Path, content: bytes, told: str) -> None:
    for name in ("results.csv", "results.xlsx", "results.parquet"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TableError, match=told) as raised:
            read_results(tmp_path / name)
        assert "\n" not in str(raised.value)


# a hash, what pandas or a spreadsheet makes of it, and whether its digits are still there
HASHES = [
    ("1234567890123456", "1234567890123456", True),
    ("1234567890123456", "1234567890123456.0", True),
    ("0034567890123456", "34567890123456", True),
    ("0034567890123456", "34567890123456.0", True),
    ("9999999999999999", "1e+16", False),
    ("12345678901234e5", "1.2345678901234e+18", False),
    ("12e4567890123456", "inf", False),
    ("1234567890123456", "1.23457E+15", False),
    ("1234567890123456", "1,23457E+15", False),
]


@pytest.mark.parametrize(("text", "seen", "whole"), HASHES)
def test_hashes_that_look_like_numbers(file: Path, text: str, seen: str, whole: bool) -> None:
    """Repaired, or named and left out; the cells are paired all the same."""
    base = changed(file, weights_sha256=text)
    base.replace(file)
    again = changed(file, weights_sha256=seen)
    got = read_results(again)["weights_sha256"]
    compared = compare(file, again)
    assert failures(compared) == ()
    assert set(compared.rows["verdict"]) == {"same"}
    notes = [note for note in compared.notes if "damaged" in note]
    if whole:
        assert set(got) == {text}
        assert notes == []
    else:
        (note,) = notes
        assert "weights_sha256" in note and "\n" not in note


def test_another_hash_is_still_another(file: Path) -> None:
    again = changed(file, weights_sha256="1234567890123456")
    with pytest.raises(TableError, match="weights_sha256 differs"):
        compare(file, again)


def test_the_parts() -> None:
    for text in ("inf", "Inf", "np.inf", "Linf", "L_inf", "linf", np.inf, "Infinity", ".inf"):
        assert norm_text(text) == "inf"
    for text in ("2", "2.0", 2, 2.0, "L2", "l2", np.float64(2)):
        assert norm_text(text) == "2"
    for text in ("0", "0.0", 0, "L0", "l_0"):
        assert norm_text(text) == "0"
    assert norm_text("1.5") == "1.5" and norm_text("nuclear") == "nuclear"
    assert norm_text(True) == "True" and norm_text("-1") == "-1"
    assert name_by_value("fgsm[norm=2.0]") == name_by_value("fgsm[norm=L2]") == "fgsm[norm=2]"
    assert name_by_value("cnn[dropout=[0.1, 1.0, 2e-1]]") == "cnn[dropout=[0.1, 1, 0.2]]"
    assert name_by_value("net[weights=010]") == "net[weights=010]"
    assert name_by_value("net[weights=v2.0/a.pt]") == "net[weights=v2.0/a.pt]"
    assert same_params('{"a":1,"norm":"2"}', '{"norm": 2.0, "a": 1.0}')
    assert not same_params('{"a":1}', '{"a":2}') and not same_params("x", "y")
    assert damaged("1e+16") and damaged("inf") and not damaged("12345678901234e5")
    assert not damaged("") and not damaged("w0")
    assert same_hash("1234567890123456", "1234567890123450")
    assert not same_hash("1234567890123456", "1234567890123457")

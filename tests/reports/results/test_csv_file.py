"""Results files of strangers: each kind is refused by one line, or read as the text it is."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import fuzz_harness
import pandas as pd
import pytest

from reports.claims.evaluate import read_claims
from reports.claims.sources import Sources
from reports.errors import TableError
from reports.plots.studies import saliency
from reports.plots.studies.drawing import TEXTS, table_of
from reports.results import csv_file
from reports.results.read_write import read_results


@pytest.fixture(scope="module")
def good() -> str:
    """A small results file."""
    return fuzz_harness.as_csv(fuzz_harness.good_rows())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.replace("lenet", '"=HYPERLINK(""http://x"")"', 1), "begins as a formula"),
        (lambda t: t.replace("lenet", "@SUM(A1)", 1), "begins as a formula"),
        (lambda t: t.replace("lenet", "-2+3", 1), "begins as a formula"),
        (lambda t: t.replace("lenet", "\t=1", 1), "begins as a formula"),
        (lambda t: t.replace("lenet", "a" * 200_000, 1), "field larger than field limit"),
        (lambda t: t.replace("lenet", "a\0", 1), "NUL"),
        (lambda t: t.replace("network", "dataset", 1), "has the column 'dataset' twice"),
        (lambda t: t.replace("network", "net", 1), "lacks the columns network"),
        (lambda t: t.replace("lenet", "lenet,lenet", 1), "fields, the header has"),
        (lambda t: t.replace(",ok,", ",fine,", 1), "status 'fine'"),
        (lambda t: t.replace(",0.45,", ",,", 1), "accuracy is no share in [0, 1]"),
        (lambda t: "", "it is empty"),
        (lambda t: t.replace("lenet", "r\u00e9seau", 1).encode("latin-1"), "'utf-8' codec"),
        (lambda t: t.encode("utf-16"), "'utf-8' codec"),
    ],
)
def test_what_no_run_writes_is_refused(tmp_path: Path, good: str, change, told: str) -> None:
    changed = change(good)
    file = tmp_path / "results.csv"
    file.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    with pytest.raises(TableError) as error:
        read_results(file)
    assert told in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_billion_rows_are_refused_before_they_are_read(
    tmp_path: Path, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "results.csv"
    file.write_text(good)
    with file.open("r+b") as sparse:
        sparse.truncate(csv_file.MOST_BYTES + 1)
    with pytest.raises(TableError, match="larger than 256 MB"):
        read_results(file)
    file.write_text(good)
    monkeypatch.setattr(csv_file, "MOST_ROWS", 1)
    with pytest.raises(TableError, match="more than 1 rows"):
        read_results(file)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda good: ",".join(f"c{n}" for n in range(200_000)) + "\n1", "header of more than"),
        (lambda good: ",".join(f"c{n}" for n in range(20_000)), "20,000 columns, more than 512"),
        (lambda good: good + "\n" * 1_000_000, "more than 1,000 lines without a value"),
        (
            lambda good: good + ("," * good.splitlines()[0].count(",") + "\n") * 1001,
            "more than 1,000 lines without a value",
        ),
        (lambda good: good + ",,1" + "," * (good.splitlines()[0].count(",") - 2), "is empty (row"),
        (lambda good: good.splitlines()[0] + "\r\n" * 1_000_000, "more than 1,000 lines"),
        (lambda good: '"' + "\n" * 1_000_000, "field larger than field limit"),
    ],
)
def test_a_bomb_is_refused_before_a_table_is_made(
    tmp_path: Path, good: str, monkeypatch: pytest.MonkeyPatch, content, told: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a table was made")

    monkeypatch.setattr(csv_file.pd, "DataFrame", fail)
    file = tmp_path / "results.csv"
    file.write_text(content(good), newline="")
    with pytest.raises(TableError) as error:
        read_results(file)
    assert told in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_rows_of_nothing_are_few_in_every_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "table.csv"
    file.write_text("a,b\n,\n1,2\n" + ",\n" * 999)
    assert csv_file.read_csv(file, "table").to_numpy().tolist() == [["1", "2"]]
    file.write_text("a,b\n1,2\n" + ",\n" * 1001)
    with pytest.raises(TableError, match="more than 1,000 lines without a value"):
        csv_file.read_csv(file, "table")
    file.write_text("a,b\n" + "1,2\n" * 5)
    monkeypatch.setattr(csv_file, "MOST_FIELDS", 8)
    with pytest.raises(TableError, match="more than 4 rows"):
        csv_file.read_csv(file, "table")


def test_markup_is_text(tmp_path: Path, good: str) -> None:
    """Here it is a name like any other; the page escapes it (`test_page.py`)."""
    file = tmp_path / "results.csv"
    file.write_text(good.replace("lenet", "<script>alert(1)</script>", 1), encoding="utf-8-sig")
    assert read_results(file)["network"][0] == "<script>alert(1)</script>"


def test_numbers_are_exact_and_counts_stay_whole() -> None:
    texts = [repr(k / 255) for k in range(1, 256)]
    assert csv_file.numbers(pd.Series(texts)).tolist() == [k / 255 for k in range(1, 256)]
    assert csv_file.numbers(pd.Series(["1", "", "0.1"])).tolist()[::2] == [1.0, 0.1]
    assert csv_file.numbers(pd.Series(["1", "", "0.1"])).isna().tolist() == [False, True, False]
    assert csv_file.numbers(pd.Series(["3", "250"])).dtype == "int64"
    with pytest.raises(ValueError):
        csv_file.numbers(pd.Series(["1", "two"]))


ROOT = Path(__file__).parents[3]
# columns of the classes that attacks reach, beside those of every study
CLASSES = (*TEXTS, "clean", *saliency.ATTACKS)
TABLES = [
    *sorted((ROOT / "reports" / "baselines").rglob("studies/**/*.csv")),
    *sorted((ROOT / "estimators" / "weights").glob("*.history.csv")),
]


def test_tables_of_studies_are_read_as_pandas_reads_them() -> None:
    assert len(TABLES) > 60
    for path in TABLES:
        ours = csv_file.read_table(path, "table", CLASSES)
        theirs = pd.read_csv(path, dtype=dict.fromkeys(CLASSES, str))
        assert list(ours) == list(theirs), path
        for name in ours:
            assert ours[name].isna().equals(theirs[name].isna()), (path, name)
            one, other = ours[name].dropna().tolist(), theirs[name].dropna().tolist()
            # older versions of pandas are off in the last digit of some numbers
            digits = ours[name].dtype.kind == "f"
            assert one == (pytest.approx(other, rel=1e-14, abs=0) if digits else other), (
                path,
                name,
            )
            assert ours[name].dtype.kind == theirs[name].dtype.kind, (path, name)


def test_a_class_with_a_name_of_nothing_is_a_class(tmp_path: Path) -> None:
    """pandas reads these names as missing."""
    (tmp_path / "t.csv").write_text("class,name,sure,size\nNA,None,True,1\nnan,,False,\n")
    table = csv_file.read_table(tmp_path / "t.csv", "table", ("class",))
    assert table["class"].tolist() == ["NA", "nan"]
    assert table["name"].tolist()[0] == "None" and table["name"].isna().tolist() == [False, True]
    assert table["sure"].tolist() == [True, False] and table["sure"].dtype == bool
    assert table["size"].tolist()[0] == 1.0 and table["size"].isna().tolist() == [False, True]


READERS = {
    "history": (
        "own.history.csv",
        lambda folder: csv_file.read_table(folder / "own.history.csv", "history"),
    ),
    "claims": ("claims.csv", read_claims),
    "study": ("studies/noise/norms.csv", lambda folder: Sources(folder).study("noise", "norms")),
    "figures": ("norms.csv", lambda folder: table_of(folder, "norms")),
}
BOMBS = {
    "columns": (lambda: ",".join(f"c{n}" for n in range(200_000)) + "\n1\n", "header of more than"),
    "empty rows": (lambda: "a,b\n" + "\n" * 1_000_000, "more than 1,000 lines without a value"),
    "rows of nothing": (lambda: "a,b\n" + ",\n" * 1_000_000, "more than 1,000 lines"),
    "a line of text": (lambda: "a,b\n" + "x" * (200 << 20), "a line of more than"),
    "a line of commas": (lambda: "a,b\n" + "," * (200 << 20), "a line of more than"),
}


@pytest.mark.parametrize("reader", sorted(READERS))
@pytest.mark.parametrize("bomb", sorted(BOMBS))
def test_every_reader_of_a_table_is_bounded(tmp_path: Path, reader: str, bomb: str) -> None:
    content, told = BOMBS[bomb]
    name, read = READERS[reader]
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content(), newline="")
    tracemalloc.start()
    with pytest.raises(TableError, match=told) as error:
        read(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()
    assert "\n" not in str(error.value)
    file.unlink()


def test_no_table_is_read_around_the_bounded_reader() -> None:
    found = [
        path.relative_to(ROOT).as_posix()
        for package in ("benchmark", "estimators", "reports")
        for path in sorted((ROOT / package).rglob("*.py"))
        if re.search(r"pd\.read_|csv\.(reader|DictReader)|genfromtxt|loadtxt", path.read_text())
    ]
    assert found == ["reports/results/csv_file.py"]

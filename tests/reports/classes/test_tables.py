"""Accuracy by class and confusions, on made-up runs of which the answer is known."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from made_up import MadeUp

from reports.classes import files
from reports.classes.files import CONFUSION_FILE, PER_CLASS_FILE, write_classes
from reports.classes.summary import by_cell, by_class, by_confusion, csv_of
from reports.classes.tables import (
    CONFUSION,
    PER_CLASS,
    ClassData,
    confusion,
    per_class,
    read_class_data,
    size,
)
from reports.errors import TableError
from reports.results.predictions import Predictions, read_predictions
from reports.statistics.intervals import wilson

N, WRONG = 40, (3, 13, 14, 23)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """One cell of 40 images: class 3 is right on image 33 alone, class 4 on all but one."""
    made = MadeUp(attacks={"fgsm": (0.1,)}, threats=("adaptive",), defences=(("none", None),),
                  samples=N)  # fmt: skip
    right = ~np.isin(np.arange(N), WRONG)
    made.set_right(made.rows[0], right)
    made.manifest["data"]["digits"]["class_names"] = [f"digit {n}" for n in range(9)]
    return made.write(tmp_path / "run")


def test_accuracy_by_class(one: Path) -> None:
    table = per_class(read_class_data(one)).set_index("class")
    assert list(table.index) == list(range(10))
    assert (table["n"] == 4).all()
    assert table["correct"].tolist() == [4, 4, 4, 1, 3, 4, 4, 4, 4, 4]
    assert table["accuracy"][3] == 0.25
    low, high = wilson(1, 4)
    assert (table["accuracy_low"][3], table["accuracy_high"][3]) == (low, high)
    # a class without a name is named by its number
    assert (table["class_name"][3], table["class_name"][9]) == ("digit 3", "9")
    assert table["correct"].sum() == N - len(WRONG)


def test_confusions_are_counted(one: Path) -> None:
    table = confusion(read_class_data(one))
    assert table["images"].sum() == N
    wrong = table[table["class"] != table["predicted"]]
    pairs = zip(wrong["class"], wrong["predicted"], wrong["images"], strict=True)
    assert list(pairs) == [(3, 4, 3), (4, 5, 1)]
    assert wrong["predicted_name"].tolist() == ["digit 4", "digit 5"]


def test_the_counts_are_those_of_the_results(tmp_path: Path) -> None:
    made = MadeUp({"digits": ["lenet"], "mnist": ["lenet", "resnet"]}, samples=60)
    data = read_class_data(made.write(tmp_path / "run"))
    sums = per_class(data).groupby("cell", sort=False)[["n", "clean_correct", "correct"]].sum()
    table = made.table.set_index("cell")
    for name in sums:
        assert sums[name].tolist() == table[name].astype(int).loc[sums.index].tolist()
    assert size(data) == len(per_class(data))
    every = confusion(data)
    right = every[every["class"] == every["predicted"]].groupby("cell", sort=False)["images"].sum()
    assert right.to_dict() == {k: v for k, v in table["correct"].items() if v}


def test_outputs_that_are_not_finite_have_no_class() -> None:
    arrays = {"id": [0, 1], "label": [1, 1], "clean": [1, 1], "adversarial": [-1, 1]}
    made = MadeUp(attacks={"fgsm": (0.1,)}, threats=("adaptive",), samples=2)
    key = made.rows[0]["cell"]
    read = Predictions(
        Path("x"), {key: slice(0, 2)}, {name: np.array(values) for name, values in arrays.items()}
    )
    data = ClassData(made.table[made.table["cell"] == key], read, {"digits": ("=a", "=b")})
    table = confusion(data)
    assert table["predicted_name"].tolist() == ["(not finite)", "'=b'"]
    assert table["class_name"].tolist() == ["'=b'"] * 2


def test_files_of_a_run(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_classes(one)
    for name, columns, rows in ((PER_CLASS_FILE, PER_CLASS, 10), (CONFUSION_FILE, CONFUSION, 12)):
        with (one / name).open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert list(lines[0]) == list(columns)
        assert len(lines) == rows
        assert (lines[0]["eps"], lines[0]["quality"], lines[0]["samples"]) == ("0.1", "", "40")
    assert (one / PER_CLASS_FILE).read_text(encoding="utf-8") == csv_of(one, "class")
    # a larger run gets none, and none of an earlier run stays
    monkeypatch.setattr(files, "MOST_ROWS", 9)
    assert not write_classes(one)
    assert not (one / PER_CLASS_FILE).exists()
    assert not (one / CONFUSION_FILE).exists()


def test_a_run_without_predictions(tmp_path: Path) -> None:
    run = MadeUp(samples=20).write(tmp_path / "run", predictions=False)
    assert read_predictions(run) is None
    assert not write_classes(run)
    with pytest.raises(TableError, match=r"has no predictions\.parquet"):
        by_class(run)
    with pytest.raises(TableError, match="name the directory of a run"):
        by_confusion(run / "results.csv")


def test_tables_for_readers(one: Path) -> None:
    table = by_class(one)
    assert table.header == ["class", "images", "clean %", "accuracy %", "95 % interval"]
    assert table.rows[3][:2] == ["digit 3", "4"]
    assert table.rows[3][3:] == ["25.0", "4.6\N{EN DASH}69.9"]
    assert table.notes == [
        "All rows: network LeNet on digits, attack FGSM, norm L∞, eps 0.1, attacker"
        " adaptive, defence none, samples 40, seed 0."
    ]
    assert by_confusion(one).rows == [["digit 3", "digit 4", "3"], ["digit 4", "digit 5", "1"]]
    (row,) = by_cell(one).rows
    assert row[0] == "40"
    assert row[2] == "90.0"


def test_what_differs_is_a_column(tmp_path: Path) -> None:
    made = MadeUp(samples=20)
    made.rows[0].update(status="failed", reason="x", accuracy=None, clean_accuracy=None)
    for name in ("accuracy_low", "accuracy_high", "success_rate", "clean_correct", "correct"):
        made.rows[0][name] = None
    made.rows[0]["n"] = 0
    table = by_cell(made.write(tmp_path / "run"))
    assert table.header[:5] == ["attack", "eps", "attacker", "defence", "images"]
    assert table.rows[0][-4:] == ["failed", "", "", ""]
    assert len(table.rows) == len(made.rows)

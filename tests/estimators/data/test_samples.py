"""Which images are scored: every form of `samples`, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from estimators.data import samples as forms
from estimators.data.choice import chosen_rows, stratified_order
from estimators.data.images import Images, subset
from estimators.data.samples import checked_samples, read_ids, shown_samples
from estimators.errors import InputError

Y = np.array([0] * 30 + [1] * 20 + [3] * 10)
IDS = np.arange(60) * 2 + 100


def ids_file(folder: Path, text: str, name: str = "ids.txt") -> str:
    """Write a file of ids; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize(
    ("value", "form"),
    [(7, 7), ("all", "all"), ("first:3", "first:3"), ("balanced:010", "balanced:10")],
)
def test_forms(value: object, form: object) -> None:
    assert checked_samples(value) == form
    assert checked_samples(form) == form


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        True,
        None,
        1.5,
        "",
        "some",
        "first",
        "first:0",
        "balanced:-1",
        "last:3",
        "7",
        [1],
        "²",
    ],
)
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"^samples: expected a number of at least 1, all"):
        checked_samples(value)


def test_a_number_keeps_its_subset(digits: Images) -> None:
    """The subsets of earlier versions: keys and numbers of all runs rest on them."""
    assert subset(digits, 5, 0).ids.tolist() == [1740, 959, 916, 1026, 1420]
    order = stratified_order(digits.y, 0)
    assert np.array_equal(subset(digits, 100, 0).ids, digits.ids[order[:100]])
    assert np.array_equal(subset(digits, "all", 0).ids, digits.ids[order])


def test_the_first_images() -> None:
    assert chosen_rows(Y, IDS, "first:4", seed=9).tolist() == [0, 1, 2, 3]
    with pytest.raises(InputError, match="first:61 requested, but the data set has 60 images"):
        chosen_rows(Y, IDS, "first:61", 0)


def test_as_many_of_each_class() -> None:
    rows = chosen_rows(Y, IDS, "balanced:5", seed=0)
    assert np.unique(Y[rows], return_counts=True)[1].tolist() == [5, 5, 5]
    assert len(set(rows)) == 15
    more = chosen_rows(Y, IDS, "balanced:6", seed=0)
    assert set(rows) < set(more)
    assert set(rows) != set(chosen_rows(Y, IDS, "balanced:5", seed=1))
    # every class in turn, so that a cut run is balanced too
    assert len(set(Y[rows[:6]])) == 3
    said = r"class 3 \(cat\) of pets has 10 images; at most balanced:10"
    with pytest.raises(InputError, match=said):
        chosen_rows(Y, IDS, "balanced:11", 0, classes=("a", "b", "c", "cat"), of="pets")


def test_a_file_of_ids(tmp_path: Path) -> None:
    path = ids_file(tmp_path, "\ufeff# chosen by hand\n104\n\n100 # the first\n 218\n")
    pinned = checked_samples(path)
    assert chosen_rows(Y, IDS, pinned, seed=0).tolist() == [2, 0, 59]
    assert checked_samples(pinned) == pinned
    # the folder is not part of what results say, and neither comments nor blanks of the hash
    moved = checked_samples(ids_file(tmp_path / "b", "104\n100\n218\n"))
    assert shown_samples(moved) == shown_samples(pinned)
    assert moved != pinned
    ids_file(tmp_path, "100\n")
    with pytest.raises(InputError, match=r"ids\.txt: its ids have changed .*leave out #"):
        checked_samples(pinned)


def test_ids_that_the_data_set_lacks(tmp_path: Path) -> None:
    pinned = checked_samples(ids_file(tmp_path, "104\n105\n7\n"))
    said = r"the data set has no image of id 105 \(2 of 3 ids are missing\); .* from 100 to 218"
    with pytest.raises(InputError, match=said):
        chosen_rows(Y, IDS, pinned, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1\n2\n1\n", r"ids\.txt, line 3: id 1 is in line 1 already"),
        ("1\nx\n", r"line 2: expected an image id, a whole number from 0 to 2147483647, got 'x'"),
        ("-1\n", "line 1: expected an image id"),
        ("1.0\n", "line 1: expected an image id"),
        ("2147483648\n", "line 1: expected an image id"),
        ("٣\n", "line 1: expected an image id"),
        ("# nothing\n\n", "has no ids; write one image id per line"),
    ],
)
def test_a_file_that_is_no_list(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        checked_samples(ids_file(tmp_path, text))


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ids_file(tmp_path, "1\n2\n3\n")
    assert read_ids(path) == [1, 2, 3]
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        checked_samples(str(tmp_path / "folder.txt"))
    monkeypatch.setattr(forms, "MOST_IDS", 2)
    with pytest.raises(InputError, match="more than 2 ids"):
        read_ids(path)
    monkeypatch.setattr(forms, "MOST_BYTES", 5)
    with pytest.raises(InputError, match="6 bytes, expected at most 5; list fewer"):
        read_ids(path)
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        checked_samples(str(tmp_path / "no.txt"))
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        checked_samples(str(tmp_path / "binary.txt"))

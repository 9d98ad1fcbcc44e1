"""Labels and indices as users store them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimators.data.handed.objects import from_object
from estimators.data.labels import checked_ids, checked_labels
from estimators.data.load import load_images
from estimators.errors import InputError

Y = np.array([0, 2, 1, 2])

READ = {
    "a column": Y[:, None],
    "one-hot": np.eye(3)[Y],
    "one-hot of bytes": np.eye(3, dtype=np.uint8)[Y],
    "one-hot of truth": np.eye(3, dtype=bool)[Y],
    "floats": Y.astype(np.float64),
    "big endian": Y.astype(">i4"),
    "unsigned": Y.astype(np.uint64),
    "bytes": Y.astype(np.uint8),
}


@pytest.mark.parametrize("case", READ)
def test_labels_are_read(case: str) -> None:
    y, classes, _ = checked_labels(READ[case], None, "file")
    assert y.dtype == np.int64
    assert np.array_equal(y, Y)
    assert classes == ("0", "1", "2")


def test_one_hot_rows_have_all_classes() -> None:
    assert checked_labels(np.eye(7)[Y], None, "file")[1:] == (tuple("0123456"), "names")
    assert checked_labels(Y, None, "file")[2] == "labels"


BAD = {
    "fractions": (Y + 0.5, "one integer per image"),
    "nan": (np.array([0.0, np.nan, 1, 2]), "one integer per image"),
    "infinite": (np.array([0.0, np.inf, 1, 2]), "one integer per image"),
    "text": (np.array(["a", "b", "c", "d"]), "one integer per image, got text"),
    "empty text": (np.array(["", "", "", ""]), "one integer per image, got text"),
    "bytes": (np.array([b"0", b"1", b"2", b"3"]), "one integer per image, got bytes"),
    "objects": (np.array([0, None, 1, 2], dtype=object), "one integer per image, got objects"),
    "complex": (Y + 0j, "one integer per image"),
    "none": (np.array(3), r"one integer per image, got the shape \[\]"),
    "two axes": (np.array([[0, 1], [1, 2], [2, 2], [0, 1]]), "one-hot"),
    "soft": (np.full((4, 3), 1 / 3), "one-hot"),
    "two ones": (np.array([[1, 1], [1, 0], [0, 1], [0, 1]]), "one-hot"),
    "three axes": (np.zeros((4, 2, 2), int), "got the shape"),
    "2^62": (np.array([0, 2**62, 1, 1]), "expected fewer than 100,000 classes"),
    "beyond int64": (np.array([0, 2**64 - 1, 1, 1], np.uint64), "beyond int64"),
    "negative": (np.array([0, -1, 1, 1]), "negative class -1"),
}


@pytest.mark.parametrize("case", BAD)
def test_other_labels_are_refused(case: str) -> None:
    labels, message = BAD[case]
    with pytest.raises(InputError, match=message) as told:
        checked_labels(labels, None, "file own.npz")
    assert str(told.value).startswith("file own.npz: ") and "\n" not in str(told.value)


BAD_IDS = {
    "twice": (np.array([5, 7, 5]), "5 more than once"),
    "floats": (np.array([0.0, 1, 2]), "one integer per image, got float64"),
    "text": (np.array(["a", "b", "c"]), "one integer per image"),
    "2^31": (np.array([0, 1, 2**31]), "2147483648, expected 0 to 2147483647"),
    "beyond int64": (np.array([0, 1, 2**64 - 1], np.uint64), "beyond int64"),
    "negative": (np.array([0, -1, 1]), "-1, expected 0"),
}


@pytest.mark.parametrize("case", BAD_IDS)
def test_bad_indices_are_refused(case: str) -> None:
    ids, message = BAD_IDS[case]
    with pytest.raises(InputError, match=message):
        checked_ids(ids, "file")


def test_indices_are_read() -> None:
    assert checked_ids(np.array([[3], [2]], dtype=">u2"), "file").tolist() == [3, 2]
    assert checked_ids(np.array([2**31 - 1]), "file").tolist() == [2**31 - 1]


def test_an_archive_of_one_hot_labels(npz) -> None:
    plain = load_images(f"npz:{npz()}", "test")
    hot = load_images(f"npz:{npz(y_test=np.eye(4)[np.arange(20) % 4])}", "test")
    column = load_images(f"npz:{npz(y_test=(np.arange(20) % 4)[:, None])}", "test")
    assert plain.sha256 == hot.sha256 == column.sha256


def test_labels_from_1_are_noted(npz) -> None:
    images = load_images(f"npz:{npz(y_test=np.arange(20) % 4 + 1)}", "test")
    assert len(images.classes) == 5
    assert "label 0" in images.notes[0]


def peak_of(call: Callable[[], object]) -> int:
    """The most bytes that a call has at once; NumPy's arrays count."""
    tracemalloc.start()
    try:
        with suppress(InputError):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


HUGE = {
    "2^62": np.array([0, 2**62]),
    "the largest int64": np.array([2**63 - 1, 1]),
    "beyond int64": np.array([0, 2**64 - 1], np.uint64),
    "2^62 as a float": np.array([0, 2.0**62]),
    "100,000": np.array([0, 100_000]),
    "negative": np.array([0, -(2**62)]),
}


@pytest.mark.parametrize("case", HUGE)
def test_a_large_label_takes_no_memory(case: str) -> None:
    """No list of so many classes is made, with names or without."""
    for names in (None, ("a", "b")):
        assert peak_of(lambda names=names: checked_labels(HUGE[case], names, "file")) < 1 << 20


def test_the_largest_count_of_classes_takes_little() -> None:
    _, classes, _ = checked_labels(np.array([0, 99_999]), None, "file")
    assert len(classes) == 100_000
    assert peak_of(lambda: checked_labels(np.array([0, 99_999]), None, "file")) < 20 << 20


def test_folders_named_by_huge_numbers_are_two_classes(tmp_path: Path) -> None:
    for name in (str(2**62), "-1"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "a.png")
    images = load_images(f"imagefolder:{tmp_path}", "test")
    assert sorted(images.y) == [0, 1] and len(images.classes) == 2


def test_one_hot_rows_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    hot = np.zeros((4000, 500), np.int8)
    hot[np.arange(4000), np.arange(4000) % 500] = 1
    at_once = peak_of(lambda: checked_labels(hot, None, "file"))
    monkeypatch.setattr("estimators.data.labels._BLOCK", 1 << 16)
    assert peak_of(lambda: checked_labels(hot, None, "file")) < at_once / 4
    y, classes, _ = checked_labels(hot, None, "file")
    assert np.array_equal(y, np.arange(4000) % 500) and len(classes) == 500
    hot[3999, 3] = 1
    with pytest.raises(InputError, match="not one 1 and zeros"):
        checked_labels(hot, None, "file")


ODD = [2**62, 2**63 + 5, 2**70, -1, 1.5, None, "cat", [0, 2**62], float("nan")]


@pytest.mark.parametrize("value", ODD, ids=str)
def test_labels_of_items_are_refused_in_one_line(value: object) -> None:
    """Those of data sets of torch and MAITE."""
    pixels = np.zeros((8, 8), np.uint8)
    things = [(pixels, 0), (pixels, value)]

    def read() -> None:
        with pytest.raises(InputError) as told:
            from_object(things, "data set own")
        assert str(told.value).startswith("data set own: ") and "\n" not in str(told.value)

    assert peak_of(read) < 4 << 20

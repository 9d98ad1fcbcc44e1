"""The order of the classes of an image folder: that of names, of a file, of a network's labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from estimators.data.folders.class_order import natural, reordered
from estimators.data.images import Images
from estimators.data.load import load_images
from estimators.errors import InputError
from tests.helpers.photos import write_photos


def photos(root: Path) -> Images:
    return load_images(f"imagefolder:{root}", "test")


def test_folders_are_in_natural_order(tmp_path: Path) -> None:
    names = tuple(str(k) for k in range(1, 13))
    images = photos(write_photos(tmp_path, names))
    assert images.classes == names
    assert [int(x) for x in images.read().pixels[::3, 0, 0, 0]] == [20 * k for k in range(1, 13)]
    assert images.notes == (
        "class order: the names of the folders (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...), numbers by"
        " value, not as text (1, 10, 11, 12, 2, 3, 4, 5, 6, 7, ...); a file classes.txt with one"
        " folder per line gives another",
    )


def test_natural_order() -> None:
    names = ["b", "a10", "a2", "A1", "10", "9", "01", "1", "a", ""]
    expected = ["", "01", "1", "9", "10", "A1", "a", "a2", "a10", "b"]
    assert sorted(names, key=natural) == expected
    wnids = ["n01440764", "n01443537", "n02033041", "n12998815"]
    assert sorted(wnids, key=natural) == wnids


@pytest.mark.parametrize("names", [("-1", "0", "1"), ("0.1", "0.25", "0.3"), ("9", "9.5", "10")])
def test_numbers_are_in_the_order_of_their_values(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert photos(write_photos(tmp_path, names)).classes == names


def test_names_with_numbers_are_in_natural_order(tmp_path: Path) -> None:
    images = photos(write_photos(tmp_path, ("v0.9", "v0.10")))
    assert images.classes == ("v0.9", "v0.10")
    assert "natural order, not as text" in images.notes[0]


CLASS_FILES = {
    "classes.txt": "dog\ncat\nfox\n",
    "classes.tsv": "dog\tDog\ncat\tHouse cat\nfox\tRed fox\n",
    "test/classes.csv": "dog,Dog\ncat,Cat\nfox,Fox\n",
    "classes": "\ufeffdog\r\n\r\ncat\r\nfox",
    "test/classes.txt": "0 dog\n1 cat\n2 fox\n",
    "test/classes.tsv": "0\tdog\n1\tcat\n2\tfox\n",
}


@pytest.mark.parametrize("file", CLASS_FILES)
def test_a_file_gives_the_order_of_the_classes(tmp_path: Path, file: str) -> None:
    root = write_photos(tmp_path, ("cat", "dog"))
    (root / file).write_text(CLASS_FILES[file], encoding="utf-8", newline="")
    images = photos(root)
    assert images.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert [int(x) for x in images.read().pixels[::3, 0, 0, 0]] == [40, 20]  # dog, cat
    assert [name.lower().split()[-1] for name in images.classes] == ["dog", "cat", "fox"]
    assert len(images.classes) == 3
    assert "3 classes, 1 without a folder" in images.notes[0]


BAD_CLASS_FILES = {
    "lacks": ("dog\nfox\n", r"no line for the folder 'cat' \(1 of 2 folders\)"),
    "twice": ("dog\ncat\ndog\n", "'dog' twice"),
    "empty": ("\n", "one class per line"),
    "binary": ("\udcff", "cannot be read"),
}


@pytest.mark.parametrize("case", BAD_CLASS_FILES)
def test_bad_files_of_classes(tmp_path: Path, case: str) -> None:
    text, message = BAD_CLASS_FILES[case]
    root = write_photos(tmp_path, ("cat", "dog"))
    (root / "classes.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=message):
        photos(root)


def test_two_files_of_classes_are_refused(tmp_path: Path) -> None:
    root = write_photos(tmp_path, ("cat", "dog"))
    for place in (root, root / "test"):
        (place / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(InputError, match="keep one"):
        photos(root)


def test_equal_class_names_stay_apart(tmp_path: Path) -> None:
    root = write_photos(tmp_path, ("n1", "n2"))
    (root / "classes.tsv").write_text("n1\tcrane\nn2\tcrane\n")
    assert photos(root).classes == ("crane (n1)", "crane (n2)")


def test_labels_of_a_network_are_matched_by_name() -> None:
    labels = ["tench", "Great white shark", "cock", "hen"]
    assert reordered(["hen", "great_white_shark"], labels) == (3, 1)
    assert reordered(["hen", "fox"], labels) is None
    assert reordered(["crane"], ["crane", "Crane"]) is None

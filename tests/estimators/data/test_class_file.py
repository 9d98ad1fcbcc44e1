"""Files of classes: comments, headings, and columns of numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from estimators.data.folders.class_file import read_classes
from estimators.errors import InputError

FOLDERS = ("bird", "cat", "dog")


def order(tmp_path: Path, text: str, name: str = "classes.csv", folders=FOLDERS) -> list[str]:
    """Return the folders in the order of a file."""
    (tmp_path / name).write_text(text)
    names, labels = read_classes(tmp_path / name, folders)
    assert sorted(labels.values()) == list(range(len(names)))
    return sorted(labels, key=lambda folder: labels[folder])


def test_comments_are_no_classes(tmp_path: Path) -> None:
    text = "# the classes\ncat\n# more\ndog\nbird\n"
    assert order(tmp_path, text, "classes.txt") == ["cat", "dog", "bird"]
    assert order(tmp_path, "b\n#1\n# no\n", "classes.txt", ("#1", "b")) == ["b", "#1"]


@pytest.mark.parametrize(
    "heading", ["folder,name", "Class,Label", "wnid,words", '"index","Class name"', "ID,english"]
)
def test_a_heading_is_no_class(tmp_path: Path, heading: str) -> None:
    rows = "cat,Cat\ndog,Dog\nbird,Bird\n"
    assert order(tmp_path, f"{heading}\n{rows}") == ["cat", "dog", "bird"]
    assert order(tmp_path, f"{heading}\n{rows}".replace(",", "\t"), "classes.tsv")[0] == "cat"
    assert order(tmp_path, f"{rows}{heading}\n")[-1] == heading.split(",")[0], "not the first line"


def test_a_folder_may_be_called_as_a_heading(tmp_path: Path) -> None:
    assert order(tmp_path, "folder\ncat\n", "classes.txt", ("cat",)) == ["cat"]
    assert order(tmp_path, "label\ncat\n", "classes.txt", ("cat", "label")) == ["label", "cat"]
    # no usual heading: a class without a folder
    assert order(tmp_path, "tench\ncat\n", "classes.txt", ("cat",)) == ["tench", "cat"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.csv", "2,cat\n0,dog\n1,bird\n"),
        ("classes.csv", "cat,Cat,2\ndog,Dog,0\nbird,Bird,1\n"),
        ("classes.csv", "index,folder\n3,cat\n1,dog\n2,bird\n"),
        ("classes.tsv", "cat\t2\ndog\t0\nbird\t1\n"),
        ("classes.txt", "2 cat\n0 dog\n1 bird\n"),
        ("classes.txt", "cat 2\ndog 0\nbird 1\n"),
    ],
)
def test_numbers_give_the_order(tmp_path: Path, name: str, text: str) -> None:
    assert order(tmp_path, text, name) == ["dog", "bird", "cat"]
    names, _ = read_classes(tmp_path / name, FOLDERS)
    assert [n.lower() for n in names] == ["dog", "bird", "cat"], "numbers are no names"


def test_numbers_behind_names_with_blanks(tmp_path: Path) -> None:
    folders = ("black cat", "dog")
    assert order(tmp_path, "black cat 1\ndog 0\n", "classes.txt", folders) == ["dog", "black cat"]
    assert order(tmp_path, "1 black cat\n0 dog\n", "classes.txt", folders) == ["dog", "black cat"]


@pytest.mark.parametrize(
    ("text", "folders", "message"),
    [
        (
            "217,cat\n5,dog\n9,bird\n",
            FOLDERS,
            "column 1 has numbers from 5 to 217, expected 0 to 2",
        ),
        ("0,1\n1,2\n2,0\n", ("0", "1", "2"), "two columns of numbers could name the folders"),
        ("1,1\n0,0\n", ("0", "1"), "two columns of numbers could name the folders"),
    ],
)
def test_numbers_that_leave_the_order_open_are_refused(
    tmp_path: Path, text: str, folders: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        order(tmp_path, text, folders=folders)


def test_counts_are_no_order(tmp_path: Path) -> None:
    assert order(tmp_path, "cat,50,Cat\ndog,40,Dog\nbird,50,Bird\n") == ["cat", "dog", "bird"]
    assert order(tmp_path, "0,0\n1,1\n", folders=("0", "1")) == ["0", "1"]

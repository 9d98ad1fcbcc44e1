"""Which folders are classes, and in which order: a file of classes, else that of their names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from estimators.data.folders.class_file import FILES, read_classes
from estimators.data.labels import ClassSource
from estimators.errors import InputError

# made by tools, not by people; so are hidden folders
NOT_CLASSES = ("__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "lost+found")
SHOWN = 10
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Classes:
    """The classes of an image folder.

    names: of all classes, in the order of a network's outputs.
    labels: the class of each folder, by the folder's name.
    source: `names` where a file gives the order, `folders` for that of their names.
    notes: the order and what was left out, one line each.
    """

    names: tuple[str, ...]
    labels: dict[str, int]
    source: ClassSource
    notes: tuple[str, ...]


def find_classes(where: Path, root: Path) -> Classes:
    """Return the classes of the folders in `where`, below the root of the data set.

    Raises InputError for a file of classes that is unreadable or lacks a folder.
    """
    with os.scandir(where) as entries:
        found = [entry.name for entry in entries if entry.is_dir()]
    hidden = sorted(n for n in found if is_hidden(n))
    folders = in_order(n for n in found if n not in hidden)
    notes = [f"left out the folders {', '.join(hidden)}"] if hidden else []
    files = [at / name for at in dict.fromkeys((where, root)) for name in FILES]
    files = [file for file in files if file.is_file()]
    if len(files) > 1:
        named = " and ".join(map(str, files[:2]))
        raise InputError(f"image folder {root}: both {named} give the classes; keep one")
    if files:
        names, labels = read_classes(files[0], folders)
        unused = (
            f", {len(names) - len(folders)} without a folder" if len(names) > len(folders) else ""
        )
        notes.insert(0, f"class order from {files[0].name}: {len(names)} classes{unused}")
        return Classes(names, labels, "names", tuple(notes))
    shown = ", ".join(folders[:SHOWN]) + (", ..." if len(folders) > SHOWN else "")
    order = f"class order: the names of the folders ({shown})"
    if folders != sorted(folders):
        as_text = ", ".join(sorted(folders)[:SHOWN])
        how = "numbers by value" if all(map(NUMBER.fullmatch, folders)) else "natural order"
        order += f", {how}, not as text ({as_text}, ...)"
    notes.insert(0, f"{order}; a file classes.txt with one folder per line gives another")
    labels = {name: label for label, name in enumerate(folders)}
    return Classes(tuple(folders), labels, "folders", tuple(notes))


def with_classes_of_training(test: Classes, train: Classes) -> Classes:
    """Return the classes of both splits, in the order of the training split.

    They are those of the test split where the training split lacks one of its folders.
    """
    own, more = test.labels.keys(), train.labels.keys()
    if not own <= more or (own == more and train.source == test.source):
        return test
    note = f"{train.notes[0]}, those of the training split"
    if own != more:
        note = f"{note} ({len(more - own)} without a folder in the test split)"
    return Classes(train.names, train.labels, train.source, (note, *test.notes[1:]))


def is_hidden(name: str) -> bool:
    """Return whether a folder is no class by its name."""
    return name.startswith(".") or name in NOT_CLASSES


def in_order(names: Iterable[str]) -> list[str]:
    """Return names by value where all are numbers, such as -1 and 0.25, else in natural order."""
    listed = sorted(names, key=natural)
    if all(map(NUMBER.fullmatch, listed)):
        listed.sort(key=Decimal)
    return listed


def natural(name: str) -> tuple[list[str | int], str]:
    """Return a sort key by which 2 comes before 10."""
    parts = re.split("([0-9]+)", name)
    return [int(p) if at % 2 else p for at, p in enumerate(parts)], name


def reordered(names: Sequence[str], labels: Sequence[str]) -> tuple[int, ...] | None:
    """Return the position of each class name among the labels of a network.

    Upper case, blanks and punctuation count for nothing. None where a name is not among the labels,
    or where two of them would be the same.
    """
    plain = [_plain(label) for label in labels]
    position = {label: at for at, label in enumerate(plain)}
    counts = Counter(plain)
    if any(counts[_plain(name)] != 1 for name in names):
        return None
    found = tuple(position[_plain(name)] for name in names)
    return found if len(set(found)) == len(found) else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()

"""Which folders are classes, and in which order: a file of classes, else natural order."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from estimators.bounded import bounded_text
from estimators.data.labels import MOST_CLASSES, ClassSource
from estimators.errors import InputError

# one class per line, beside the folders or in the root
FILES = ("classes.tsv", "classes.txt", "classes.csv", "classes")
# made by tools, not by people; so are hidden folders
NOT_CLASSES = ("__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "lost+found")
SHOWN = 10


@dataclass(frozen=True)
class Classes:
    """The classes of an image folder.

    names: of all classes, in the order of a network's outputs.
    labels: the class of each folder, by the folder's name.
    source: `names` where a file gives the order, `folders` for natural order.
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
    folders = sorted((n for n in found if n not in hidden), key=natural)
    notes = [f"left out the folders {', '.join(hidden)}"] if hidden else []
    files = [at / name for at in dict.fromkeys((where, root)) for name in FILES]
    files = [file for file in files if file.is_file()]
    if len(files) > 1:
        named = " and ".join(map(str, files[:2]))
        raise InputError(f"image folder {root}: both {named} give the classes; keep one")
    if files:
        names, labels = _from_file(files[0], folders)
        unused = (
            f", {len(names) - len(folders)} without a folder" if len(names) > len(folders) else ""
        )
        notes.insert(0, f"class order from {files[0].name}: {len(names)} classes{unused}")
        return Classes(names, labels, "names", tuple(notes))
    shown = ", ".join(folders[:SHOWN]) + (", ..." if len(folders) > SHOWN else "")
    order = f"class order: the names of the folders ({shown})"
    if folders != sorted(folders):
        as_text = ", ".join(sorted(folders)[:SHOWN])
        order += f", numbers by value, not as text ({as_text}, ...)"
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


def _from_file(file: Path, folders: Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return names and labels by folder; one column names the folders, the last one the classes."""
    where = f"file of classes {file}"
    try:
        text = bounded_text(file, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: cannot be read ({error})") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not 0 < len(lines) <= MOST_CLASSES:
        raise InputError(f"{where}: expected one class per line, got {len(lines)} lines")
    best: tuple[str, ...] = ()
    for rows in _columns(lines, file.suffix):
        for column in zip(*rows, strict=True):
            if set(folders) <= set(column):
                return _named(column, [row[-1] for row in rows], where)
            if not best or len(set(folders) & set(column)) > len(set(folders) & set(best)):
                best = column
    absent = [name for name in folders if name not in best]
    raise InputError(
        f"{where}: has no line for the folder {absent[0]!r}"
        f" ({len(absent)} of {len(folders)} folders); the first column names the folders"
    )


def _columns(lines: Sequence[str], suffix: str) -> list[list[list[str]]]:
    """Return the ways to read lines as a table: whole, by tab, comma, or the first blank."""
    separators: list[tuple[str | None, int]] = [
        ("\t", -1),
        (",", -1) if suffix == ".csv" else (None, 1),
    ]
    ways = [[[line] for line in lines]]
    for separator, most in separators:
        rows = [[cell.strip() for cell in line.split(separator, most)] for line in lines]
        width = min(map(len, rows))
        if width > 1:
            ways.append([row[:width] for row in rows])
    return ways


def _named(
    column: Sequence[str], names: Sequence[str], where: str
) -> tuple[tuple[str, ...], dict[str, int]]:
    twice = [name for name, count in Counter(column).items() if count > 1]
    if twice:
        raise InputError(f"{where}: names {twice[0]!r} twice; one line per class")
    # ImageNet has two cranes
    counts = Counter(names)
    unique = (n if counts[n] == 1 else f"{n} ({c})" for n, c in zip(names, column, strict=True))
    return tuple(unique), {name: at for at, name in enumerate(column)}

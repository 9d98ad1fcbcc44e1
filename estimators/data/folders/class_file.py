"""A file of classes: one class per line, in the order of a network's outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from estimators.bounded import bounded_text
from estimators.data.labels import MOST_CLASSES
from estimators.errors import InputError

# one class per line, beside the folders or in the root
FILES = ("classes.tsv", "classes.txt", "classes.csv", "classes")
# what columns are called in a first line that is no class
HEADINGS = frozenset({"folder", "folders", "directory", "dir", "class", "classes", "class_name",
                      "classname", "class_id", "classid", "category", "name", "names", "label",
                      "labels", "index", "idx", "number", "wnid", "synset", "id",
                      "output"})  # fmt: skip
COMMENT = "#"
# digits of the number of a class
LONGEST_NUMBER = 9


def read_classes(file: Path, folders: Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names of the classes in their order, and the class of each folder by its name.

    One column names the folders, the last one the classes. Lines that begin with # and a first
    line with a usual heading (`HEADINGS`) are left out, but for those of folders. A column of the
    numbers 0 to n - 1, or 1 to n, gives the order.

    Raises InputError for a file that is unreadable, lacks a folder or has one twice, or whose
    numbers leave the order open.
    """
    where = f"file of classes {file}"
    try:
        text = bounded_text(file, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: cannot be read ({error})") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # a folder may be called `#1`
    marked = tuple(name for name in folders if name[0] == COMMENT and name != COMMENT)
    lines = [line for line in lines if line[0] != COMMENT or line.startswith(marked)]
    if not 0 < len(lines) <= MOST_CLASSES:
        raise InputError(f"{where}: expected one class per line, got {len(lines)} lines")
    best: tuple[str, ...] = ()
    for table in _tables(lines, file.suffix):
        rows = _without_heading(table, folders)
        for at, column in enumerate(zip(*rows, strict=True)):
            if set(folders) <= set(column):
                return _named(*_ordered(rows, at, folders, where), where)
            if not best or len(set(folders) & set(column)) > len(set(folders) & set(best)):
                best = column
    absent = [name for name in folders if name not in best]
    raise InputError(
        f"{where}: has no line for the folder {absent[0]!r}"
        f" ({len(absent)} of {len(folders)} folders); the first column names the folders"
    )


def _tables(lines: Sequence[str], suffix: str) -> list[list[list[str]]]:
    """Return the ways to read lines as a table: whole, by tab, comma, or one blank.

    The blank is the first of a line, and else the last: `2 black cat`, `black cat 2`.
    """
    ways = [[[line] for line in lines], _split(lines, "\t")]
    if suffix == ".csv":
        ways.append(_split(lines, ","))
    else:
        ways.append([line.split(None, 1) for line in lines])
        ways.append([line.rsplit(None, 1) for line in lines])
    cut = []
    for rows in ways:
        width = min(map(len, rows))
        if width > 1 or rows is ways[0]:
            cut.append([row[:width] for row in rows])
    return cut


def _split(lines: Sequence[str], separator: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(separator)] for line in lines]


def _without_heading(rows: list[list[str]], folders: Sequence[str]) -> list[list[str]]:
    """Return rows without a first one that has a heading and no folder."""
    cells = {cell.strip("\"'").casefold().replace(" ", "_") for cell in rows[0]}
    heading = cells & HEADINGS and not set(rows[0]) & set(folders)
    return rows[1:] if heading and len(rows) > 1 else rows


def _ordered(
    rows: list[list[str]], folder_at: int, folders: Sequence[str], where: str
) -> tuple[list[list[str]], int]:
    """Return rows in the order of the first column that numbers them, without it.

    The numbers begin at 0 or 1.

    folder_at: the column that names the folders; its new position is returned, too.

    Raises InputError for other numbers, and where both columns could be names and numbers.
    """
    for at, column in enumerate(zip(*rows, strict=True)):
        if at == folder_at or len(rows) == 1 or not all(map(_is_number, column)):
            continue
        numbers = [int(cell) for cell in column]
        if len(set(numbers)) < len(rows):
            continue  # a count, for one
        same = list(column) == [row[folder_at] for row in rows]
        if same and numbers == sorted(numbers):
            continue
        if set(folders) <= set(column):
            text = "two columns of numbers could name the folders; leave one of them out"
            raise InputError(f"{where}: {text}")
        least, most = min(numbers), max(numbers)
        if least > 1 or most - least + 1 != len(rows):
            raise InputError(
                f"{where}: its column {at + 1} has numbers from {least} to {most}, expected 0 to"
                f" {len(rows) - 1} for {len(rows)} classes; leave the column out, or give every"
                " class a line"
            )
        ordered = [row[:at] + row[at + 1 :] for _, row in sorted(zip(numbers, rows, strict=True))]
        return ordered, folder_at - (at < folder_at)
    return rows, folder_at


def _is_number(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) <= LONGEST_NUMBER


def _named(
    rows: Sequence[Sequence[str]], at: int, where: str
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names, the last column, and the class of each folder, which column `at` names."""
    column = [row[at] for row in rows]
    twice = [name for name, count in Counter(column).items() if count > 1]
    if twice:
        raise InputError(f"{where}: names {twice[0]!r} twice; one line per class")
    names = [row[-1] for row in rows]
    # ImageNet has two cranes
    counts = Counter(names)
    unique = (n if counts[n] == 1 else f"{n} ({c})" for n, c in zip(names, column, strict=True))
    return tuple(unique), {name: label for label, name in enumerate(column)}

"""Reading a CSV from an untrusted source: everything stays text, and what is odd is refused."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

import numpy as np
import pandas as pd

from reports.errors import TableError

# a results file has about 500 bytes per cell: room for half a million cells
MOST_BYTES = 256 << 20
MOST_ROWS = 1_000_000
# several times what a run writes: notes of a user have room
MOST_COLUMNS = 512
MOST_FIELDS = 40_000_000
MOST_BLANK = 1000
# the csv module's own limit, stated: pandas has none
MOST_CHARACTERS = 131_072
# of a line: a line of commas alone would be a list of as many fields
MOST_LINE = 1 << 22
# the first line that some programs write to name the separator
_DECLARED = re.compile(r"sep=.\r?\n")
_BINARY = {
    b"PK\x03\x04": "a workbook or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "a workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a compressed file",
}


def read_csv(path: Path, kind: str, named: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV in UTF-8 as a table of text; nothing in it is evaluated or converted.

    Fields are separated by commas, semicolons or tabs. Columns without a name are left out.

    Rows without a value are left out: spreadsheets write rows of separators alone.

    kind: the word for the file in errors. named: columns that are filled in every other row.

    Raises TableError for a file that cannot be read, is larger than MOST_BYTES, MOST_COLUMNS,
    MOST_ROWS or MOST_FIELDS, is not UTF-8, has a field of more than MOST_CHARACTERS or a line of
    more than MOST_LINE, a NUL, a column twice, more than MOST_BLANK lines without a value, or a row
    that is longer or shorter than the header.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TableError(
                f"{kind} {path}: larger than {MOST_BYTES >> 20} MB, which no run writes;"
                " split it, or name the right file"
            )
        _check_kind(path, f"{kind} {path}")
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = _header_line(file)
            if _DECLARED.fullmatch(first):
                first = _header_line(file)
            delimiter = _delimiter(first)
            lines = csv.reader(
                itertools.chain([first], _lines(file)), strict=True, delimiter=delimiter
            )
            header = next(lines, []) if first else []
            _check_header(header, f"{kind} {path}")
            rows: list[list[str]] = []
            filled = [(header.index(name), name) for name in named if name in header]
            for row in _not_blank(lines):
                if len(row) != len(header):
                    fields = f"{len(row)} fields, the header has {len(header)}"
                    raise ValueError(f"line {lines.line_num}: {fields}")
                if any("\0" in field for field in row):
                    raise ValueError(f"line {lines.line_num}: a NUL character")
                for place, name in filled:
                    if not row[place]:
                        _refuse_unnamed(f"{kind} {path}", name, len(rows) + 1)
                rows.append(row)
                if len(rows) > MOST_ROWS or len(rows) * len(header) > MOST_FIELDS:
                    most = min(MOST_ROWS, MOST_FIELDS // len(header))
                    raise ValueError(f"more than {most:,} rows, which no run writes")
    except TableError:
        raise
    except (csv.Error, ValueError, OSError) as error:
        raise TableError(f"{kind} {path}: not a CSV table ({error}); write it again") from error
    table = pd.DataFrame(rows, columns=header, dtype="str")
    # pandas and R write the numbers of the rows in a column without a name
    return table.loc[:, [bool(name) for name in header]]


def read_table(path: Path, kind: str, texts: Collection[str] = ()) -> pd.DataFrame:
    """Read a CSV that this project wrote: numbers and truth values as such, other columns as text.

    A missing number is NaN, a missing text NaN, too.

    texts: columns that stay text even if they look like numbers. Raises TableError as `read_csv`.
    """
    table = read_csv(path, kind)
    return table.assign(**{n: _by_look(table[n], n in texts) for n in table.columns})


def _by_look(column: pd.Series, text: bool) -> pd.Series:
    """Return a column of texts as the numbers or truth values that all of it is, or as it is."""
    filled = column[column != ""]
    if not text and len(filled) and filled.isin(("True", "False")).all():
        return column.map({"True": True, "False": False})
    if not text:
        try:
            return numbers(column)
        except (ValueError, TypeError):
            pass
    return column.astype(object).where(column != "", np.nan)


def numbers(texts: pd.Series) -> pd.Series[float]:
    """Return texts as numbers, the empty one as missing: integers where all are, else float64.

    The floats are exact; pandas 2 itself reads the last digit of some wrongly. Raises ValueError or
    TypeError for a text that is no number.
    """
    values = texts.astype(object).replace("", None)
    read = pd.to_numeric(values)
    return read if pd.api.types.is_integer_dtype(read) else values.astype("float64")


def _check_kind(path: Path, what: str) -> None:
    """Raise TableError for a file that is no text."""
    with path.open("rb") as file:
        start = file.read(4)
    for magic, name in _BINARY.items():
        if start.startswith(magic):
            raise TableError(f"{what}: {name}, not a CSV table; write it as CSV in UTF-8")


def _header_line(file: TextIO) -> str:
    """Return the next line; ValueError for one that no header fills."""
    line = file.readline(MOST_CHARACTERS + 1)
    if len(line) > MOST_CHARACTERS:
        raise ValueError(f"a header of more than {MOST_CHARACTERS:,} characters")
    return line


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file; ValueError for one that no row fills."""
    while line := file.readline(MOST_LINE + 1):
        if len(line) > MOST_LINE:
            raise ValueError(f"a line of more than {MOST_LINE:,} characters")
        yield line


def _not_blank(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the rows; a blank line is none, nor is one of separators alone, as spreadsheets write.

    Raises ValueError for too many that hold nothing.
    """
    blank = 0
    for row in lines:
        if any(row):
            yield row
            continue
        blank += 1
        if blank > MOST_BLANK:
            raise ValueError(f"more than {MOST_BLANK:,} lines without a value")


def _refuse_unnamed(what: str, name: str, row: int) -> NoReturn:
    """Raise TableError for a row without a name; pandas reads names such as NA as missing."""
    advice = "write the file again; pandas needs keep_default_na=False for names such as NA"
    raise TableError(f"{what}: {name} is empty (row {row}); {advice}")


def _delimiter(header: str) -> str:
    """Return what separates the most fields of a header: a comma, a semicolon or a tab."""
    return max(",;\t", key=header.count)


def _check_header(header: list[str], what: str) -> None:
    if not header:
        raise TableError(f"{what}: not a CSV table (it is empty); write it again")
    if len(header) > MOST_COLUMNS:
        found = f"{len(header):,} columns, more than {MOST_COLUMNS}"
        raise TableError(f"{what}: {found}, which no run writes; name the right file")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise TableError(f"{what}: has the column {twice[0]!r} twice; remove one of them")


def require(table: pd.DataFrame, columns: Iterable[str], what: str, advice: str) -> None:
    """Raise TableError if a table lacks columns; what: its kind and path, advice: what to do."""
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise TableError(f"{what}: lacks the columns {', '.join(missing[:5])}; {advice}")

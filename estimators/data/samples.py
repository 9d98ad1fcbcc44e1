"""The forms of `samples`: which images of a data set are scored; imports no NumPy."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from estimators.bounded import bounded_text
from estimators.errors import InputError

# a number, or one of the texts below
Samples = int | str
ALL, FIRST, BALANCED = "all", "first", "balanced"
FORMS = f"a number of at least 1, {ALL}, {FIRST}:N, {BALANCED}:N, or a file of ids (FILE.txt)"
# limits of a file of ids
MOST_IDS, MOST_BYTES, LARGEST_ID = 1_000_000, 16 << 20, 2**31 - 1
_COUNTED = re.compile(rf"({FIRST}|{BALANCED}):([0-9]+)")
# a file of ids, and the hash of what it held when the grid was read
_PINNED = re.compile(r"(.+)#([0-9a-f]{16})", re.DOTALL)
_ID = re.compile(r"[0-9]{1,10}")


def checked_samples(value: object, where: str = "samples") -> Samples:
    """Return a choice of images in the form that a cell has.

    value: 100 (stratified by class, seeded), `all`, `first:100` (in the order of the data set),
        `balanced:10` (of each class, seeded), or the path of a text file with one image id per
        line, to which `#` and a hash of the ids is added.
    where: begins the message.

    Raises InputError for another value, and for a file that is missing or no list of ids.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, str):
        counted = _COUNTED.fullmatch(value.strip())
        if value.strip() == ALL:
            return ALL
        if counted is not None and int(counted[2]) >= 1:
            return f"{counted[1]}:{int(counted[2])}"
        path, digest = split_file(value)
        if Path(path).suffix == ".txt" or digest:
            return f"{path}#{_same(path, digest, where)}"
    raise InputError(f"{where}: expected {FORMS}, got {value!r}")


def split_count(samples: str) -> tuple[str, int]:
    """Return the form and the number of `first:100` and `balanced:10`; "" and 0 for others."""
    counted = _COUNTED.fullmatch(samples)
    return (counted[1], int(counted[2])) if counted is not None else ("", 0)


def split_file(samples: str) -> tuple[str, str]:
    """Return the path and the hash of a file of ids; the hash is "" where none is given."""
    pinned = _PINNED.fullmatch(samples)
    return (pinned[1], pinned[2]) if pinned is not None else (samples, "")


def shown_samples(samples: Samples) -> str:
    """Return a choice as results name it: a file of ids without its folder."""
    path, digest = split_file(str(samples))
    return f"{Path(path).name}#{digest}" if digest else path


def read_ids(path: str, where: str = "samples") -> list[int]:
    """Return the image ids of a text file, in its order: one per line, `#` begins a comment.

    Raises InputError for a file that is missing, too large or no such list, and for an id that
    comes twice.
    """
    file = f"{where}: {path}"
    try:
        text = bounded_text(Path(path), MOST_BYTES, "utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) and not isinstance(error, UnicodeDecodeError):
            raise InputError(f"{file}: {error}; list fewer ids") from error
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise InputError(
            f"{file}: cannot be read ({reason}); expected a text file, one image id per line"
        ) from error
    lines: dict[int, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        if not _ID.fullmatch(entry) or int(entry) > LARGEST_ID:
            expected = f"expected an image id, a whole number from 0 to {LARGEST_ID}"
            raise InputError(f"{file}, line {number}: {expected}, got {entry[:40]!r}")
        if int(entry) in lines:
            first = lines[int(entry)]
            raise InputError(f"{file}, line {number}: id {int(entry)} is in line {first} already")
        lines[int(entry)] = number
        if len(lines) > MOST_IDS:
            raise InputError(f"{file}: more than {MOST_IDS:,} ids; list fewer")
    if not lines:
        raise InputError(f"{file}: has no ids; write one image id per line")
    return list(lines)


def _same(path: str, digest: str, where: str) -> str:
    """Return the hash of a file of ids; InputError where another one is expected."""
    found = hashlib.sha256("\n".join(map(str, read_ids(path, where))).encode()).hexdigest()[:16]
    if digest not in ("", found):
        raise InputError(
            f"{where}: {path}: its ids have changed (hash {found}, expected {digest}); restore the"
            f" file, or leave out #{digest}"
        )
    return found

"""Names of files from what users name: data sets, networks, attacks, studies."""

from __future__ import annotations

import hashlib
import re

# of a whole name, without its suffix
LONGEST = 120
_DIGITS = 8
# safe on every file system, those without capitals included
_PLAIN = re.compile(r"[a-z0-9=_](?:[a-z0-9.=_-]*[a-z0-9=_])?")
# the end of a name that is not plain
_DIGEST = re.compile(rf"-[0-9a-f]{{{_DIGITS}}}")
# Windows reads these as devices, with any suffix
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


class FileName(str):
    """A name of a file that `file_name` returned, without its suffix."""

    __slots__ = ()


def file_name(*parts: str) -> FileName:
    """Return a file name for some texts: ASCII, without slashes, at most `LONGEST` characters.

    Other texts, as many, give another name, on file systems without capitals too. Plain texts stay
    as they are, with hyphens between them; what is not plain ends in the beginning of a hash. A
    hyphen counts as plain in the last text alone, for it could shift where another one ends.
    """
    if len(parts) == 1 and isinstance(parts[0], FileName):
        return parts[0]
    joined = "-".join(parts)
    plain = all(_PLAIN.fullmatch(part) for part in parts)
    plain = plain and not any("-" in part for part in parts[:-1])
    plain = (
        plain and not _DIGEST.fullmatch(joined[-_DIGITS - 1 :]) and not _DEVICE.fullmatch(joined)
    )
    if plain and len(joined) <= LONGEST:
        return FileName(joined)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    start = safe_text(joined, LONGEST - _DIGITS - 1).strip("._-")
    return FileName(f"{start or 'file'}-{digest[:_DIGITS]}")


def safe_text(text: str, longest: int = LONGEST) -> str:
    """Return a text with an underscore in place of all that a file name should not hold.

    For names that something else makes unique: different texts may give the same.
    """
    return re.sub(r"[^A-Za-z0-9.=_-]+", "_", text).strip("._")[:longest]

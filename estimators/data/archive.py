"""The arrays of an npz archive: what it holds, and how large that is before it is unpacked."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from estimators.errors import InputError

# bytes of labels or indices, and of class names
LARGEST_LABELS, LARGEST_NAMES = 1 << 30, 64 << 20
# bytes that a compressed array may unpack to; a stored one is only mapped
LARGEST_COMPRESSED = 64 << 30
LOCAL_HEADER = 30
# bytes of a file that show its kind
KIND_SHOWN = 64
SHOWN = 12
# how files begin that are taken for an archive; the first are an archive's own, whole or cut off
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
BEGINNINGS = {
    b"\x93NUMPY": "one array of NumPy (.npy)",
    b"\x80": "a pickle",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"PAR1": "a Parquet file",
    b"MATLAB": "a MATLAB file",
}


@dataclass(frozen=True)
class Member:
    """One array of an archive, as its headers describe it.

    path: of the archive. name: of the array. info: its entry in the archive.
    shape, dtype, fortran: of the array. start: bytes of its own header.
    """

    path: Path
    name: str
    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int

    @property
    def nbytes(self) -> int:
        """Return the size of the array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def stored(self) -> bool:
        """Return whether the array lies in the file without compression."""
        return self.info.compress_type == zipfile.ZIP_STORED

    def read(self) -> npt.NDArray[Any]:
        """Return the array; zipfile compares it with its checksum."""
        with zipfile.ZipFile(self.path) as archive, archive.open(self.info) as file:
            array: npt.NDArray[Any] = npy.read_array(file, allow_pickle=False)
            file.read(1)  # the checksum is compared at the end of the file
            return array

    def offset(self) -> int:
        """Return where in the archive the numbers of a stored array begin."""
        with self.path.open("rb") as file:
            file.seek(self.info.header_offset)
            header = file.read(LOCAL_HEADER)
        # the lengths of the name and the extra field in the local header
        lengths = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        return self.info.header_offset + LOCAL_HEADER + sum(lengths) + self.start


def members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the entries of an archive by the name of their array.

    Raises InputError for a file of another kind, and BadZipFile for a damaged archive.
    """
    with path.open("rb") as file:
        start = file.read(KIND_SHOWN)
    if not start.startswith(ZIP) and not zipfile.is_zipfile(path):
        raise InputError(
            f"data file {path}: is {_kind(start)}, expected an archive of NumPy (.npz); save images"
            " and labels together: np.savez(FILE, x=IMAGES, y=LABELS)"
        )
    with zipfile.ZipFile(path) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.filename.endswith(".npy"))
    return {info.filename.removesuffix(".npy"): info for info in infos}


def member(path: Path, name: str, info: zipfile.ZipInfo, most: int | None = None) -> Member:
    """Return an array of an archive by its headers.

    most: bytes that it may have.

    Raises InputError for an entry that is no array, that declares another size than its shape
    has, or more bytes than allowed; ValueError for a header that NumPy does not know.
    """
    where = f"data file {path}: the array {name}"
    with zipfile.ZipFile(path) as archive, archive.open(info) as file:
        if file.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
            text = "is no NumPy array; write the archive with np.savez"
            raise InputError(f"data file {path}: the entry {info.filename} {text}")
        major, minor = file.read(2)
        shape, fortran, dtype = _read_header(file, (major, minor))
        start = file.tell()
    found = Member(path, name, info, shape, dtype, fortran, start)
    if dtype.hasobject:
        raise InputError(f"{where} holds Python objects, which are not unpickled; expected numbers")
    if info.file_size != start + found.nbytes:
        declared = info.file_size - start
        raise InputError(
            f"{where} is damaged: its shape {list(shape)} needs {found.nbytes:,} bytes, the"
            f" archive declares {declared:,}"
        )
    limit = most if most is not None else (None if found.stored else LARGEST_COMPRESSED)
    if limit is not None and found.nbytes > limit:
        raise InputError(
            f"{where} unpacks to {found.nbytes:,} bytes, expected at most {limit:,};"
            " is it a zip bomb?"
        )
    return found


def check_count(found: Member, most: int, what: str) -> Member:
    """Return an array of at most so many rows; InputError for a longer one.

    Zeros take no room in an archive, so its size says nothing. what: its rows, for the message.
    """
    if found.shape and found.shape[0] > most:
        raise InputError(
            f"data file {found.path}: the array {found.name} has {found.shape[0]:,} {what},"
            f" expected at most {most:,}"
        )
    return found


def listing(names: Sequence[str]) -> str:
    """Return the names of the arrays of an archive for a message."""
    shown = ", ".join(sorted(names)[:SHOWN])
    return f"{shown}, ..." if len(names) > SHOWN else shown or "nothing"


def _kind(start: bytes) -> str:
    """Return what a file seems to be that begins with these bytes."""
    for beginning, kind in BEGINNINGS.items():
        if start.startswith(beginning):
            return kind
    if not start:
        return "empty"
    printable = all(byte >= 32 or byte in b"\t\r\n" for byte in start)
    return "a text, such as CSV" if printable else "no archive"


def _read_header(
    file: IO[bytes], version: tuple[int, int]
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if version == (1, 0):
        return npy.read_array_header_1_0(file)
    if version == (2, 0):
        return npy.read_array_header_2_0(file)
    if version == (3, 0):
        # as 2.0, with the names of fields in UTF-8; a plain array has none
        return npy.read_array_header_2_0(file)
    raise ValueError(f"version {version} of NumPy's format")

"""The images of an archive that is too large for the memory, read where they are asked for."""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
import threading
import weakref
import zipfile
from typing import IO, Any

import numpy as np

from estimators.data.archive import Member
from estimators.data.images import nchw
from estimators.data.streamed import AnyArray, IntArray, Source
from estimators.errors import InputError

# bytes of unpacked images from which on an archive is not read whole
LARGE = 512 << 20
# bytes that are copied at once
BLOCK_BYTES = 16 << 20
# an archive that is read from its beginning for the third time is unpacked to a temporary file
MOST_PASSES = 2


class ArchiveSource(Source):
    """The images of one array of an archive.

    Of a stored array only the images that are needed are read. A compressed one is unpacked up to
    the last image that is needed; where that happens often, once to a temporary file (in TMPDIR).
    Pixels are checked as they are read.
    """

    def __init__(self, member: Member) -> None:
        super().__init__()
        self._member = member
        self._where = f"data file {member.path}"
        if member.fortran and not member.stored:
            raise InputError(
                f"{self._where}: {member.name} is larger than {LARGE >> 20} MB, compressed and in"
                " Fortran order; save it with np.savez(FILE, x_test=np.ascontiguousarray(x), ...)"
            )
        blank = nchw(np.zeros((1, *member.shape[1:]), member.dtype), self._where)
        self.shape, self.dtype = blank.shape[1:], blank.dtype
        known = (member.shape, member.dtype.str, member.fortran, member.info.CRC)
        self.fingerprint = hashlib.sha256(repr(known).encode()).hexdigest()
        self._passes = 0.0
        self._reading = threading.Lock()
        self._unpacked: IO[bytes] | None = None

    def load(self, rows: IntArray) -> dict[int, AnyArray]:
        """Read the images of rows; InputError for pixels that are no grey levels."""
        with self._reading:
            found = self._mapped(rows) if self._member.fortran else self._read(rows)
        return dict(zip(map(int, rows), nchw(found, self._where), strict=True))

    def content(self, rows: IntArray) -> bytes | None:
        """Return the fingerprint, which contains the checksum of the whole array, and the rows."""
        return self.fingerprint.encode() + np.ascontiguousarray(rows, dtype="<i8").tobytes()

    def _mapped(self, rows: IntArray) -> AnyArray:
        """Return images of a stored array in Fortran order, whose numbers lie far apart."""
        member = self._member
        place = member.path, member.dtype, "r", member.offset(), member.shape, "F"
        return np.array(np.memmap(*place)[rows])  # type: ignore[call-overload]

    def _read(self, rows: IntArray) -> AnyArray:
        member = self._member
        if member.stored:
            with member.path.open("rb") as file:
                return self._rows(file, member.offset(), rows)
        self._passes += (int(rows.max()) + 1) / member.shape[0]
        if self._unpacked is None and self._passes > MOST_PASSES:
            self._unpacked = self._unpack()
        if self._unpacked is not None:
            return self._rows(self._unpacked, member.start, rows)
        with zipfile.ZipFile(member.path) as archive, archive.open(member.info) as file:
            return self._rows(file, member.start, rows)

    def _rows(self, file: IO[bytes], start: int, rows: IntArray) -> AnyArray:
        """Read rows of a file whose numbers begin at `start`, in the order of the file."""
        shape, dtype = self._member.shape[1:], self._member.dtype
        one = math.prod(shape) * dtype.itemsize
        found = np.empty((len(rows), *shape), dtype)
        for at in np.argsort(rows, kind="stable"):
            file.seek(start + int(rows[at]) * one)
            content = file.read(one)
            if len(content) < one:
                raise InputError(f"{self._where}: {self._member.name} ends too early; damaged?")
            found[at] = np.frombuffer(content, dtype).reshape(shape)
        return found

    def _unpack(self) -> IO[bytes]:
        """Return the whole entry, unpacked, in a file without a name that goes with this object."""
        member = self._member
        try:
            unpacked = tempfile.TemporaryFile()  # noqa: SIM115
            weakref.finalize(self, unpacked.close)
            with zipfile.ZipFile(member.path) as archive, archive.open(member.info) as file:
                shutil.copyfileobj(file, unpacked, BLOCK_BYTES)
        except OSError as error:
            raise InputError(
                f"{self._where}: cannot be unpacked to {tempfile.gettempdir()}"
                f" ({error.strerror or error}); {member.name} needs {member.nbytes:,} bytes there:"
                " set TMPDIR, or save it with np.savez, which does not compress"
            ) from error
        return unpacked

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is bound to this process."""
        bound = ("_reading", "_unpacked")
        return {k: v for k, v in super().__getstate__().items() if k not in bound}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._reading, self._unpacked = threading.Lock(), None


def is_large(member: Member) -> bool:
    """Return whether the images of an archive are read in parts."""
    return member.nbytes > LARGE

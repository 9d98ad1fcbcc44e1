"""The images of an archive that is too large for the memory, read where they are asked for."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

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

    A stored array is memory-mapped. A compressed one is unpacked up to the last image that is
    needed; where that happens often, once to a temporary file (in TMPDIR), which is then mapped.
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
        self._array: npt.NDArray[Any] | None = member.mapped() if member.stored else None
        self._file: Any = None

    def load(self, rows: IntArray) -> dict[int, AnyArray]:
        """Read the images of rows; InputError for pixels that are no grey levels."""
        with self._reading:
            if self._array is None:
                self._passes += (int(rows.max()) + 1) / self._member.shape[0]
                if self._passes > MOST_PASSES:
                    self._unpack()
            found = self._stream(rows) if self._array is None else self._array[rows]
        return dict(zip(map(int, rows), nchw(found, self._where), strict=True))

    def content(self, rows: IntArray) -> bytes | None:
        """Return the fingerprint, which contains the checksum of the whole array, and the rows."""
        return self.fingerprint.encode() + np.ascontiguousarray(rows, dtype="<i8").tobytes()

    def _stream(self, rows: IntArray) -> AnyArray:
        """Unpack the archive up to the last of the rows, and keep these."""
        shape, dtype = self._member.shape[1:], self._member.dtype
        one = int(np.prod(shape)) * dtype.itemsize
        found = np.empty((len(rows), *shape), dtype)
        with zipfile.ZipFile(self._member.path) as archive, archive.open(self._member.info) as file:
            for at in np.argsort(rows, kind="stable"):
                file.seek(self._member.start + int(rows[at]) * one)
                content = file.read(one)
                if len(content) < one:
                    raise InputError(f"{self._where}: {self._member.name} ends too early")
                found[at] = np.frombuffer(content, dtype).reshape(shape)
        return found

    def _unpack(self) -> None:
        member = self._member
        try:
            # it has no name and goes with the last reference
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
            with zipfile.ZipFile(member.path) as archive, archive.open(member.info) as file:
                while block := file.read(BLOCK_BYTES):
                    self._file.write(block)
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"{self._where}: cannot be unpacked to {tempfile.gettempdir()}"
                f" ({error.strerror or error}); {member.name} needs {member.nbytes:,} bytes there:"
                " set TMPDIR, or save it with np.savez, which does not compress"
            ) from error
        self._array = np.memmap(self._file, member.dtype, "r", member.start, member.shape)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is bound to this process."""
        bound = ("_reading", "_array", "_file")
        return {k: v for k, v in super().__getstate__().items() if k not in bound}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._reading, self._file = threading.Lock(), None
        self._array = self._member.mapped() if self._member.stored else None


def is_large(member: Member) -> bool:
    """Return whether the images of an archive are read in parts."""
    return member.nbytes > LARGE

"""Pixels that stay on disk: an array-like that reads the images that are asked for."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from estimators.errors import InputError

AnyArray = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]
# bytes of decoded images that one source keeps: 890 photos of 224 pixels
KEPT_BYTES = 128 << 20


class Source(ABC):
    """Where the images of a data set are read; threads may share it.

    It keeps the latest decoded images, at most KEPT_BYTES of them, since each task of a run reads
    the same ones.
    """

    # of one image: channels, height, width
    shape: tuple[int, int, int]
    # uint8, or float32 in [0, 1]
    dtype: np.dtype[Any]
    # a SHA-256 that changes when the images may have changed; reads no pixels
    fingerprint: str

    def __init__(self) -> None:
        # the reason for each image, by row, that was found unreadable
        self.faults: dict[int, str] = {}
        self._kept: OrderedDict[int, AnyArray] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def load(self, rows: IntArray) -> dict[int, AnyArray]:
        """Return the images [C, H, W] of rows by row; note in `faults` why one is missing."""

    @abstractmethod
    def content(self, rows: IntArray) -> bytes | None:
        """Return bytes that identify the content of rows; None where one was never read."""

    def take(self, rows: IntArray) -> tuple[AnyArray, npt.NDArray[np.bool_]]:
        """Return the images of rows that can be read, and which of the rows those are [N]."""
        found: dict[int, AnyArray] = {}
        with self._lock:
            for row in map(int, rows):
                if row in self._kept:
                    self._kept.move_to_end(row)
                    found[row] = self._kept[row]
        missing = [row for row in dict.fromkeys(map(int, rows)) if row not in found]
        missing = [row for row in missing if row not in self.faults]
        if missing:
            loaded = self.load(np.array(missing, dtype=np.int64))
            self._keep(loaded)
            found |= loaded
        readable = np.array([int(row) in found for row in rows], dtype=np.bool_)
        pixels = np.empty((int(readable.sum()), *self.shape), self.dtype)
        for at, row in enumerate(rows[readable]):
            pixels[at] = found[int(row)]
        return pixels, readable

    def _keep(self, loaded: dict[int, AnyArray]) -> None:
        one = int(np.prod(self.shape)) * self.dtype.itemsize
        with self._lock:
            self._kept.update(loaded)
            while len(self._kept) * one > KEPT_BYTES:
                self._kept.popitem(last=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the kept images and the lock out: a process that gets the source reads again."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_kept", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._kept, self._lock = OrderedDict(), threading.Lock()


@dataclass(frozen=True)
class Streamed:
    """Images of a source, as an array [N, C, H, W] that is read when NumPy takes it.

    source: where they are read. rows: int64 [N], which ones.
    """

    source: Source
    rows: IntArray = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | AnyArray) -> Streamed:
        """Return some of the images, still on disk."""
        return Streamed(self.source, self.rows[index])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Return number of images, channels, height and width."""
        return (len(self.rows), *self.source.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return uint8, or float32."""
        return self.source.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Read all; InputError where an image cannot be read."""
        pixels, readable = self.source.take(self.rows)
        if not readable.all():
            reason = self.source.faults[int(self.rows[~readable][0])]
            raise InputError(f"{reason}; remove it")
        return pixels if dtype is None else pixels.astype(dtype)

    def faults(self) -> dict[int, str]:
        """Return the reasons of the images that were found unreadable, by position."""
        known = self.source.faults
        return {at: known[int(r)] for at, r in enumerate(self.rows) if int(r) in known}

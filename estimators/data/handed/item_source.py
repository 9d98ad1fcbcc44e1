"""The images of a data set that is too large for the memory, read item by item where needed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from estimators.data.streamed import AnyArray, IntArray, Source
from estimators.errors import InputError


class ItemSource(Source):
    """Images that a function returns by their position.

    read: returns the image [C, H, W] of a position. digests: the hash of each image, as it was at
    the first reading. where: what messages begin with.
    """

    def __init__(
        self,
        read: Callable[[int], AnyArray],
        digests: Sequence[bytes],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        where: str,
    ) -> None:
        super().__init__()
        self._read, self._digests, self._where = read, list(digests), where
        channels, height, width = shape
        self.shape, self.dtype = (channels, height, width), dtype
        known = hashlib.sha256(repr((self.shape, dtype.str)).encode())
        known.update(b"".join(self._digests))
        self.fingerprint = known.hexdigest()
        # few data sets can be read by several threads at once
        self._reading = threading.Lock()

    def load(self, rows: IntArray) -> dict[int, AnyArray]:
        """Read the images of rows; InputError for one that changed since the first reading."""
        loaded = {}
        with self._reading:
            for row in map(int, rows):
                pixels = self._read(row)
                if digest_of(pixels) != self._digests[row]:
                    raise InputError(
                        f"{self._where}: item {row} is another image when it is read again; leave"
                        " random transforms out of the data set"
                    )
                loaded[row] = in_channels(pixels, self.shape[0])
        return loaded

    def content(self, rows: IntArray) -> bytes | None:
        """Return the hashes of the images of rows."""
        return b"".join(self._digests[int(row)] for row in rows)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is bound to this process."""
        return {k: v for k, v in super().__getstate__().items() if k != "_reading"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._reading = threading.Lock()


def digest_of(pixels: AnyArray) -> bytes:
    """Return a SHA-256 of an image: its shape, kind and pixels."""
    digest = hashlib.sha256(repr((pixels.shape, pixels.dtype.str)).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def in_channels(pixels: AnyArray, channels: int) -> AnyArray:
    """Return an image with so many channels: a grey one becomes colour by equal channels."""
    return pixels if len(pixels) == channels else np.repeat(pixels, channels, axis=0)

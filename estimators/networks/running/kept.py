"""Results of passes through a network that several attacks and tasks need, in bounded memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = tuple[npt.NDArray[Any], ...]
# chunks of 125 images at 28x28 have gradients of 0.4 MB, at 32x32 in colour of 1.5 MB
LIMIT = 64e6


class Kept:
    """Arrays by key, shared by the threads of a process.

    Where they take more than the limit in bytes, those that were not needed for longest are
    forgotten. A key must contain everything that the arrays depend on.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit, self._size, self._lock = limit, 0, Lock()
        self._arrays: OrderedDict[Hashable, Arrays] = OrderedDict()

    def get(self, key: Hashable) -> Arrays | None:
        """Return the arrays of a key, which must not be written into; None for an unknown key."""
        with self._lock:
            if key not in self._arrays:
                return None
            self._arrays.move_to_end(key)
            return self._arrays[key]

    def put(self, key: Hashable, *arrays: npt.NDArray[Any]) -> None:
        """Keep arrays, which nobody writes into any more, in place of those of this key."""
        with self._lock:
            self._size += _bytes(arrays) - _bytes(self._arrays.pop(key, ()))
            self._arrays[key] = arrays
            while self._size > self._limit:
                self._size -= _bytes(self._arrays.popitem(last=False)[1])


def fingerprint(*arrays: npt.NDArray[Any]) -> bytes:
    """Return a hash of the values, types and shapes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _bytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays)

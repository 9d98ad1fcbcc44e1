"""The global random numbers that attacks of ART and of plug-ins draw from, seeded for a while."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

# one holder at a time: the streams belong to the whole process
_lock = threading.Lock()
_RandomState = np.random.RandomState


@contextmanager
def seeded(words: Sequence[int]) -> Iterator[None]:
    """The same draws for the same words, from NumPy, torch and Python; then all is as it was.

    Words are integers of which the lowest 32 bits count. A `numpy.random.RandomState()` without a
    seed, which would begin from the operating system's numbers (ART's HopSkipJump and Boundary
    have one), begins from NumPy's stream where this thread makes it.
    """
    words = [word & 0xFFFFFFFF for word in words]
    with _lock, torch.random.fork_rng(devices=[]):
        before = np.random.get_state(), random.getstate()
        np.random.seed(words)
        torch.manual_seed(sum(words))
        random.seed(repr(words))
        np.random.RandomState = _followed(threading.get_ident())  # type: ignore[misc]
        try:
            yield
        finally:
            np.random.RandomState = _RandomState  # type: ignore[misc]
            np.random.set_state(before[0])
            random.setstate(before[1])


def _followed(thread: int) -> type[np.random.RandomState]:
    """RandomState as it is, but for instances that one thread makes without a seed."""

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, _RandomState)

    class Followed(_RandomState, metaclass=Kind):
        def __init__(self, seed: Any = None) -> None:
            if seed is None and threading.get_ident() == thread:
                seed = np.random.randint(2**32, dtype=np.uint32)
            super().__init__(seed)

    return Followed

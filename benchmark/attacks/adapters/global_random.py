"""Seed the global random numbers from which attacks of ART and of plug-ins draw."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

# one holder at a time: the whole process shares the streams
_lock = threading.Lock()
_RandomState = np.random.RandomState


@contextmanager
def seeded(words: Sequence[int]) -> Iterator[None]:
    """Seed NumPy, torch and Python from the same words, and restore their states afterwards.

    words: integers; their lowest 32 bits count. A `numpy.random.RandomState()` without a seed, as
    in ART's HopSkipJump and Boundary, would be seeded by the operating system; where this thread
    makes it, it is seeded from NumPy's stream.
    """
    words = [word & 0xFFFFFFFF for word in words]
    with _lock, torch.random.fork_rng(devices=[]):
        before = np.random.get_state(), random.getstate()
        np.random.seed(words)
        torch.manual_seed(sum(words))
        random.seed(repr(words))
        np.random.RandomState = _seeded_by_numpy(threading.get_ident())  # type: ignore[misc]
        try:
            yield
        finally:
            np.random.RandomState = _RandomState  # type: ignore[misc]
            np.random.set_state(before[0])
            random.setstate(before[1])


def _seeded_by_numpy(thread: int) -> type[np.random.RandomState]:
    """Return RandomState, changed for instances that one thread makes without a seed."""

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, _RandomState)

    class Seeded(_RandomState, metaclass=Kind):
        def __init__(self, seed: Any = None) -> None:
            if seed is None and threading.get_ident() == thread:
                seed = np.random.randint(2**32, dtype=np.uint32)
            super().__init__(seed)

    return Seeded

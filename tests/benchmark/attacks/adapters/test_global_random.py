"""Global random numbers, lent to an attack and given back."""

from __future__ import annotations

import pickle
import random
import threading

import numpy as np
import pytest
import torch

from benchmark.attacks.adapters.global_random import seeded


def draws() -> list[object]:
    """One draw from every stream that code of others may take."""
    return [
        np.random.rand(),
        random.random(),
        float(torch.rand(1)),
        np.random.RandomState().rand(),
        np.random.RandomState(3).rand(),
    ]


def test_the_same_words_give_the_same_draws() -> None:
    found = []
    for words in ([1, 2], [1, 2], [1, 3], [2**32 + 1, 2]):
        with seeded(words):
            found.append(draws())
    first, again, other, high = found
    assert first == again == high
    assert all(a != b for a, b in zip(first[:4], other[:4], strict=True))
    assert first[4] == other[4] == np.random.RandomState(3).rand()


def test_what_was_there_goes_on_as_if_nothing_had_been() -> None:
    def stream(lend: bool) -> list[object]:
        np.random.seed(5)
        random.seed(5)
        torch.manual_seed(5)
        if lend:
            with pytest.raises(KeyError), seeded([1]):
                draws()
                raise KeyError
        return [np.random.rand(), random.random(), float(torch.rand(1))]

    assert stream(lend=True) == stream(lend=False)
    assert np.random.RandomState.__module__ == "numpy.random.mtrand"


def test_another_thread_keeps_its_own_chance() -> None:
    """No seed means no seed there; instances are instances, and can be pickled."""
    theirs: list[float] = []
    for _ in range(2):
        with seeded([1]):
            thread = threading.Thread(target=lambda: theirs.append(np.random.RandomState().rand()))
            thread.start()
            thread.join()
            state = np.random.RandomState()
            assert isinstance(np.random.mtrand._rand, np.random.RandomState)
            assert pickle.loads(pickle.dumps(state)).rand() == state.rand()
    assert theirs[0] != theirs[1]

"""Numbers drawn in blocks are those drawn one by one."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.attacks.steps.draws import Draws, integers
from estimators.random_streams import stream

CPU = torch.device("cpu")


def streams(count: int) -> list[np.random.Generator]:
    return [stream(0, image, "attack") for image in range(count)]


def test_integers_are_those_of_numpy() -> None:
    """Ranges up to 2^31, where NumPy often draws again; ranges of 1 take nothing."""
    rng = np.random.default_rng(0)
    for most in (2, 40, 2**31):
        ranges = [int(n) for n in rng.integers(1, most, 200)] + [1, 2, 1]
        one, other = streams(5), streams(5)
        for each in (*one, *other):
            each.integers(0, 9)  # half of a word is left over
        want = [[each.integers(0, span) for span in ranges] for each in other]
        assert np.array_equal(integers(one, ranges), want)
        assert [a.random() for a in one] == [b.random() for b in other]


def test_rounds_come_from_the_streams_that_are_kept() -> None:
    rounds = range(1, 200)

    def ranges(n: int) -> list[int]:
        return [n + 1, 7, 1]

    draws, own = Draws(streams(4), ranges, rounds), streams(4)
    kept = [0, 1, 2, 3]
    for n in rounds:
        if n in (30, 64, 120):
            draws.keep(np.arange(len(kept)) != 1)
            kept.pop(1)
        want = [[own[i].integers(0, span) for span in ranges(n)] for i in kept]
        assert draws.of(n, CPU).tolist() == want

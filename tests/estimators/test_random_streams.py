"""One stream per seed, image, purpose and draw; the bits behind the committed results."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from estimators.random_streams import Purpose, stream


@pytest.mark.parametrize(
    ("purpose", "n", "counter"),
    [
        ("noise", 0, [0, 0, 0, 0]),
        ("attack", 2, [0, 0, 3, 0]),
        ("defence", 0, [0, 0, 0, 1]),
        ("defence", 4, [0, 0, 0, 5]),
    ],
)
def test_the_bits_stay(purpose: Purpose, n: int, counter: list[int]) -> None:
    expected = np.random.Generator(np.random.Philox(key=[7, 12], counter=counter))
    assert np.array_equal(stream(7, 12, purpose, n).random(5), expected.random(5))


def test_streams_differ() -> None:
    purposes: tuple[Purpose, ...] = ("attack", "defence")
    parts = itertools.product((0, 1), (0, 1), purposes, (0, 1))
    firsts = {float(stream(*part).random()) for part in parts}
    firsts.add(float(stream(0, 0, "noise").random()))
    assert len(firsts) == 17

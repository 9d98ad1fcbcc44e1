"""The projection onto L1 ball and box against a search in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from benchmark.attacks.steps.l1_box import into_l1_box


def searched(x: np.ndarray, moved: np.ndarray, eps: float) -> np.ndarray:
    """The nearest point for one image, by bisection of the threshold: no closed form is used."""
    change = moved - x
    room = np.where(change > 0, 1 - x, x)

    def shrunk(threshold: float) -> np.ndarray:
        return np.minimum(np.maximum(np.abs(change) - threshold, 0), room)

    low, high = 0.0, float(np.abs(change).max())
    if shrunk(0.0).sum() <= eps:
        return x + np.sign(change) * shrunk(0.0)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if shrunk(middle).sum() > eps else (low, middle)
    return x + np.sign(change) * shrunk(high)


def cases(seed: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Images with pixels at both edges of the box, and points around them."""
    rng = np.random.default_rng(seed)
    x = rng.random((6, 1, 5, 7)).astype(np.float32).round(1)
    return x, x + scale * rng.standard_normal(x.shape).astype(np.float32)


@pytest.mark.parametrize("eps", [0.01, 0.5, 3.0, 50.0])
@pytest.mark.parametrize("scale", [0.02, 0.5, 10.0])
def test_it_is_the_nearest_point(eps: float, scale: float) -> None:
    x, moved = cases(0, scale)
    got = into_l1_box(torch.from_numpy(x), torch.from_numpy(moved), eps).numpy()
    assert got.min() >= 0 and got.max() <= 1
    assert np.abs(got.astype(np.float64) - x).sum((1, 2, 3)).max() <= eps * (1 + 1e-5)
    for i in range(len(x)):
        want = searched(x[i].astype(np.float64), moved[i].astype(np.float64), eps)
        np.testing.assert_allclose(got[i], want, atol=2e-5 * max(eps, 1))


def test_no_point_that_is_allowed_is_nearer() -> None:
    """Random points of ball and box, and points between them and the projection."""
    x, moved = cases(1, 0.6)
    eps, rng = 2.0, np.random.default_rng(0)
    got = into_l1_box(torch.from_numpy(x), torch.from_numpy(moved), eps).numpy()
    distance = np.square(got - moved).sum((1, 2, 3))
    for _ in range(300):
        change = rng.standard_normal(x.shape) * (rng.random(x.shape) < rng.random())
        change *= eps * rng.random() / np.maximum(np.abs(change).sum((1, 2, 3), keepdims=True), 1)
        point = np.clip(x + change, 0, 1)
        for share in (1.0, 0.1, 0.001):
            between = got + share * (point - got)
            assert (np.square(between - moved).sum((1, 2, 3)) >= distance - 1e-4).all()


def test_an_image_has_the_same_point_in_any_batch() -> None:
    x, moved = (torch.from_numpy(a) for a in cases(2, 0.5))
    whole = into_l1_box(x, moved, 1.0)
    for i in range(len(x)):
        assert torch.equal(whole[i : i + 1], into_l1_box(x[i : i + 1], moved[i : i + 1], 1.0))


def test_points_inside_stay() -> None:
    x, moved = (torch.from_numpy(a) for a in cases(3, 0.001))
    moved = moved.clamp(0, 1)
    torch.testing.assert_close(into_l1_box(x, moved, 1.0), moved, atol=1e-7, rtol=0)
    assert torch.equal(into_l1_box(x, x, 0.5), x)

"""Projections and steps in L1 and L0 against brute force."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.attacks.geometry.sparse import filled, into_l0_box, project_l1, saturated
from benchmark.attacks.steps.projections import into_ball

SHAPE = (1, 1, 2, 3)


def images(seed: int, power: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """An image with black and white values, and a direction or change of any size."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.random(SHAPE) * 1.4 - 0.2, 0, 1)
    change = rng.standard_normal(SHAPE) * 10**power
    change[rng.random(SHAPE) < 0.2] = 0
    return torch.from_numpy(x).float(), torch.from_numpy(change).float()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 7), power=st.floats(-2, 1))
def test_the_l0_projection_is_the_nearest_of_all_subsets(
    seed: int, count: int, power: float
) -> None:
    x, change = images(seed, power)
    moved = x + change
    found = into_l0_box(x, moved, torch.tensor([float(count)]))
    assert torch.equal(found, into_ball(x, moved, float(count), 0))
    assert (found != x).sum() <= count and found.min() >= 0 and found.max() <= 1
    flat, clipped = x.flatten().clone(), moved.clamp(0, 1).flatten()
    best = math.inf
    for chosen in combinations(range(6), min(count, 6)):
        point = flat.clone()
        point[list(chosen)] = clipped[list(chosen)]
        best = min(best, float((point - moved.flatten()).norm()))
    assert float((found - moved).norm()) == pytest.approx(best, rel=1e-5, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), eps=st.floats(0, 20), power=st.floats(-2, 1))
def test_the_l1_projection_has_the_length_and_no_nearer_point(
    seed: int, eps: float, power: float
) -> None:
    """Optimal if one threshold is taken off every value, not below zero."""
    change = images(seed, power)[1]
    found = project_l1(change, torch.tensor([eps]))
    size, length = change.abs(), float(change.abs().sum())
    assert float(found.abs().sum()) == pytest.approx(min(eps, length), rel=1e-4, abs=1e-5)
    kept = found != 0
    assert (found.sign() == change.sign())[kept].all()
    if length > eps and bool(kept.any()):
        taken = (size - found.abs())[kept]
        assert float(taken.max() - taken.min()) < 1e-4 * 10**power
        assert (size[~kept] <= taken.max() + 1e-4 * 10**power).all()
    assert torch.equal(project_l1(change, torch.tensor([math.inf])), change)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 7), eps=st.floats(0, 6))
def test_steps_that_fill_the_box_gain_most(seed: int, count: int, eps: float) -> None:
    """A linear function: L0 by all subsets, L1 by the greedy filling of a knapsack."""
    x, direction = images(seed)
    sparse = saturated(x, direction, torch.tensor([float(count)]))
    gains = (direction * ((direction > 0).float() - x)).flatten()
    most = max(float(gains[list(c)].sum()) for c in combinations(range(6), min(count, 6)))
    assert float(((sparse - x) * direction).sum()) == pytest.approx(most, rel=1e-4, abs=1e-5)
    assert (sparse != x).sum() <= count

    full = filled(x, direction, torch.tensor([eps]))
    room = ((direction > 0).float() - x).abs().flatten() * (direction != 0).flatten()
    left, best = eps, 0.0
    for i in direction.abs().flatten().argsort(descending=True).tolist():
        moved = min(left, float(room[i]))
        left, best = left - moved, best + moved * float(direction.flatten()[i].abs())
    assert float(((full - x) * direction).sum()) == pytest.approx(best, rel=1e-4, abs=1e-4)
    assert float((full - x).abs().sum()) <= eps + 1e-5
    assert full.min() >= 0 and full.max() <= 1


def test_a_ball_in_l1_is_that_of_the_box() -> None:
    x, change = images(3)
    found = into_ball(x, x + change, 0.5, 1)
    assert float((found - x).abs().sum()) <= 0.5 and found.min() >= 0 and found.max() <= 1

"""Steps to a hyperplane within the box, against exact distances and linear programs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from linear_box import distance
from scipy.optimize import linprog

from benchmark.attacks.geometry.hyperplane import dual, step_to_plane

NORMS = (math.inf, 2.0, 1.0)


def planes(count: int, scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points of which some pixels are at the box, normals with a zero, and gaps of both signs."""
    rng = np.random.default_rng(0)
    x = rng.random((count, 10)).astype(np.float32)
    x[:, :2], x[:, 2:4] = 0, 1
    normal = rng.standard_normal((count, 10)).astype(np.float32)
    normal[:, 5] = 0
    gap = (scale * rng.standard_normal(count)).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(normal), torch.from_numpy(gap)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [0.3, 1, 3])
def test_the_step_is_the_shortest_one(norm: float, scale: float) -> None:
    x, normal, gap = planes(25, scale)
    step = step_to_plane(x, normal, gap, norm)
    assert (x + step).min() >= -1e-6 and (x + step).max() <= 1 + 1e-6
    length = torch.linalg.vector_norm(step, norm, 1)
    reached = (normal * step).sum(1)
    for i in range(25):
        towards = (normal[i] * gap[i].sign()).double().numpy()
        exact = distance(x[i].double().numpy(), towards, abs(float(gap[i])), norm)
        if exact < math.inf:
            assert float(length[i]) == pytest.approx(exact, rel=1e-4)
            assert float(reached[i]) == pytest.approx(float(gap[i]), rel=1e-4)
            continue
        # the nearest corner: every pixel with a slope is at the box, on the side of the plane
        side = torch.from_numpy(towards)
        corner = torch.where(side > 0, 1.0, 0.0).where(side != 0, x[i])
        assert torch.allclose(x[i] + step[i], corner, atol=1e-6)


@pytest.mark.parametrize("norm", [math.inf, 1.0])
def test_the_step_solves_the_linear_program(norm: float) -> None:
    """Minimise the sum, or the largest, of bounds u with -u <= d <= u."""
    x, normal, gap = planes(15, 1)
    step = step_to_plane(x, normal, gap, norm)
    upper = np.eye(10) if norm == 1 else np.ones((10, 1))
    bounded = np.block([[np.eye(10), -upper], [-np.eye(10), -upper]])
    cost, solved = np.r_[np.zeros(10), np.ones(upper.shape[1])], 0
    for i in range(15):
        box = [(-p, 1 - p) for p in x[i].tolist()] + [(0, None)] * upper.shape[1]
        plane = np.r_[normal[i], np.zeros(upper.shape[1])][None]
        found = linprog(cost, bounded, np.zeros(20), plane, [float(gap[i])], box)
        if found.status == 0:
            assert float(step[i].norm(norm)) == pytest.approx(found.fun, rel=1e-4)
            solved += 1
    assert solved > 7


@pytest.mark.parametrize("norm", NORMS)
def test_without_a_normal_or_a_gap_nothing_moves(norm: float) -> None:
    x = torch.rand(3, 10)
    normal = torch.stack([torch.zeros(10), torch.ones(10), torch.ones(10)])
    step = step_to_plane(x, normal, torch.tensor([1.0, 0.0, -0.0]), norm)
    assert torch.equal(step, torch.zeros(3, 10))


@pytest.mark.parametrize("norm", NORMS)
def test_other_rows_change_no_step(norm: float) -> None:
    x, normal, gap = planes(20, 1)
    whole = step_to_plane(x, normal, gap, norm)
    alone = step_to_plane(x[3:4], normal[3:4], gap[3:4], norm)
    assert torch.allclose(whole[3:4], alone, atol=1e-6)


def test_dual_norms() -> None:
    assert [dual(norm) for norm in NORMS] == [1, 2, math.inf]

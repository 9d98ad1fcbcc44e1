"""Steps to a hyperplane within the box, against linear programs and bisection."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from nearest_in_box import step_length

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
        exact = step_length(x[i].double().numpy(), normal[i].double().numpy(), float(gap[i]), norm)
        if exact < math.inf:
            assert float(length[i]) == pytest.approx(exact, rel=1e-4)
            assert float(reached[i]) == pytest.approx(float(gap[i]), rel=1e-4)
            continue
        # the nearest corner: every pixel with a slope is at the box, on the side of the plane
        towards = normal[i] * gap[i].sign()
        corner = torch.where(towards > 0, 1.0, 0.0).where(towards != 0, x[i])
        assert torch.allclose(x[i] + step[i], corner, atol=1e-6)


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

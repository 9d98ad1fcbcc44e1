"""Projections into the ball around an image, on tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.attacks.geometry.l1_box import into_l1_box
from benchmark.attacks.geometry.sparse import into_l0_box


def into_ball(x: Tensor, moved: Tensor, eps: float, norm: float) -> Tensor:
    """Return images projected into the ball around x, then into [0, 1].

    x, moved: float32 [N, C, H, W]. norm: inf, 2, 1 or 0; in L1 and L0 the result is the nearest
    point of the ball and [0, 1] at once.
    """
    if norm == 1:
        return into_l1_box(x, moved, eps)
    if norm == 0:
        return into_l0_box(x, moved, torch.full_like(x[:, 0, 0, 0], eps))
    if norm == math.inf:
        return (moved - x).clamp_(-eps, eps).add_(x).clamp_(0, 1)
    return (x + project_l2(moved - x, eps)).clamp_(0, 1)


def project_l2(step: Tensor, eps: float | Tensor) -> Tensor:
    """Return each image's step [N, C, H, W] scaled back into the L2 ball of radius eps."""
    norm = lengths(step)
    return step * torch.where(norm > eps, eps / norm, torch.ones_like(norm))


def norms(rows: Tensor, norm: float) -> Tensor:
    """Return the norm [N] of each row [N, D]; torch's own function is slow for inf."""
    if norm == math.inf:
        return rows.abs().amax(1)
    of_rows: Tensor = torch.linalg.vector_norm(rows, norm, dim=1)
    return of_rows


def lengths(images: Tensor) -> Tensor:
    """Return the L2 norm of each image [N, 1, 1, 1]."""
    return each(torch.linalg.vector_norm(images.flatten(1), dim=1))


def each(values: Tensor) -> Tensor:
    """Return one value per image [N] as [N, 1, 1, 1], to broadcast over images [N, C, H, W]."""
    return values.view(-1, 1, 1, 1)

"""Norms of rows against torch's own."""

from __future__ import annotations

import math

import pytest
import torch

from benchmark.attacks.steps.projections import norms


@pytest.mark.parametrize("order", [math.inf, 2.0, 1.0, 0.0])
def test_norms_are_torchs(order: float) -> None:
    rows = torch.randn(7, 300, generator=torch.Generator().manual_seed(0))
    rows[2] = 0
    rows[3, 5], rows[4, 6] = -9.0, math.nan
    expected = torch.linalg.vector_norm(rows, order, dim=1)
    found = norms(rows, order)
    assert torch.equal(found.nan_to_num(-1), expected.nan_to_num(-1))
    assert order == 0 or found[4].isnan()

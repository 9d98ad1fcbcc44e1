"""The sizes of changes have torch's bits."""

from __future__ import annotations

import math

import pytest
import torch

from benchmark.attacks.geometry import sizes
from benchmark.attacks.geometry.sizes import outside, sizes_of


def expected(change: torch.Tensor) -> dict[str, torch.Tensor]:
    return {
        "l0": torch.linalg.vector_norm(change, 0, dim=1),
        "l1": torch.linalg.vector_norm(change, 1, dim=1),
        "l2": torch.linalg.vector_norm(change, 2, dim=1),
        "linf": change.abs().amax(1),
    }


@pytest.mark.parametrize("without_numba", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 125])
@pytest.mark.parametrize("length", [1, 13, 784, 3072])
def test_sizes_have_the_bits_of_torch(
    length: int, rows: int, without_numba: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without_numba:
        monkeypatch.setattr(sizes, "njit", None)
    random = torch.Generator().manual_seed(rows)
    change = torch.randn(rows, length, generator=random)
    change *= torch.rand(rows, length, generator=random) < 0.7
    for part in (change, change[::2], change.t().contiguous().t(), change * 1e-39, change.double()):
        found, right = sizes_of(part), expected(part)
        assert list(found) == list(right)
        for name, values in right.items():
            assert torch.equal(found[name], values), name
            assert found[name].dtype == part.dtype


def test_values_that_are_no_numbers() -> None:
    change = torch.zeros(3, 10)
    change[1, 4], change[2, 5] = math.nan, -math.inf
    found = sizes_of(change)
    assert found["l0"].tolist() == [0, 1, 1]
    for name in ("l1", "l2", "linf"):
        assert found[name][0] == 0 and found[name][1].isnan() and found[name][2] == math.inf


def test_pixels_outside() -> None:
    images = torch.rand(6, 1, 4, 4)
    images[1, 0, 0, 0], images[2, 0, 3, 3] = 0, 1
    images[3, 0, 1, 1], images[4, 0, 2, 1] = -1e-8, 1.0000001
    images[5, 0, 0, 1] = math.nan
    assert outside(images).tolist() == [False, False, False, True, True, True]

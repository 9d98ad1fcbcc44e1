"""A network that changes between two evaluations with the same `out=`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from closed_form import linear_case
from torch import nn

import benchmark as bench


class Rolled(nn.Module):
    """A network whose outputs are moved on by what an attribute holds: a partial in a list."""

    def __init__(self, network: nn.Module, shift: int) -> None:
        super().__init__()
        self.network = network
        self._moved = [functools.partial(torch.roll, shifts=shift, dims=1)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._moved[0](self.network(x))


def test_a_changed_network_is_computed_again_and_the_same_one_is_not(tmp_path: Path) -> None:
    case = linear_case(20, classes=2)
    reused: list[int] = []
    progress = type(bench.RunOptions().progress)(
        started=lambda cells, old, work: reused.append(old)
    )
    common: dict[str, Any] = {"attacks": "noise", "eps": 0.001, "out": tmp_path / "run"}
    clean = [
        bench.evaluate(
            Rolled(case.network, shift), case.x, case.y, threads=1, progress=progress, **common
        ).table["clean_accuracy"].unique().tolist()
        for shift in (0, 0, 1)
    ]  # fmt: skip
    assert clean == [[1], [1], [0]]
    assert reused == [0, 1, 0]

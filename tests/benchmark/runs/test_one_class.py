"""Images of a single class: refused on a network of one output, attacked on one of more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reports.results.read_write import read_results

NETWORKS = """
    import torch
    from torch import nn
    class Net(nn.Module):
        def __init__(self, outputs=1):
            super().__init__()
            torch.manual_seed(0)
            self.dense = nn.Linear(144, outputs)
        def forward(self, x):
            return self.dense(x.flatten(1))
"""


@pytest.fixture
def images(tmp_path: Path, module) -> str:
    module("mine", NETWORKS)
    rng = np.random.default_rng(0)
    arrays = {}
    for split in ("train", "test"):
        arrays[f"x_{split}"] = rng.integers(0, 256, (16, 12, 12), np.uint8)
        arrays[f"y_{split}"] = np.zeros(16, np.int64)
    np.savez(tmp_path / "one.npz", **arrays)
    return f"npz:{tmp_path / 'one.npz'}"


OPTIONS = ("--attack", "fgsm:eps=0.1", "--threat", "oblivious", "--defence", "none")
OPTIONS += ("--samples", "all", "--out", "r")


@pytest.mark.parametrize("network", ["mine:Net", "lenet"])
def test_one_output_is_refused_before_any_work(
    bench, tmp_path: Path, images: str, network: str
) -> None:
    code, out = bench("run", "--dataset", images, "--network", network, *OPTIONS)
    assert code == 2, out
    assert f"network {network}: has one output, and the data have one class, so that" in out
    assert len(out.strip().splitlines()) == 1, out
    assert not (tmp_path / "r").exists()


def test_several_outputs_are_attacked(bench, tmp_path: Path, images: str) -> None:
    network = "mine:Net:outputs=3"
    code, out = bench("run", "--dataset", images, "--network", network, *OPTIONS)
    assert code == 0, out
    assert set(read_results(tmp_path / "r")["status"]) == {"ok"}

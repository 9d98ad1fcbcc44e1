"""GPUs: what is chosen and set, tested anywhere; equal numbers, tested where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmark.execution.chunk_size import memory_budget
from benchmark.execution.environment import default_threads, resolve_device
from benchmark.grids.model import Grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from reports.results.predictions import read_predictions

FLAGS = (
    (torch.backends.cuda.matmul, "allow_tf32", False),
    (torch.backends.cudnn, "allow_tf32", False),
    (torch.backends.cudnn, "deterministic", True),
    (torch.backends.cudnn, "benchmark", False),
)


@pytest.fixture
def flags() -> Iterator[None]:
    """The opposite of what the harness sets; restored afterwards."""
    before = [getattr(owner, name) for owner, name, _ in FLAGS]
    for owner, name, value in FLAGS:
        setattr(owner, name, not value)
    yield
    for (owner, name, _), value in zip(FLAGS, before, strict=True):
        setattr(owner, name, value)


def test_a_gpu_computes_in_float32_and_by_the_same_algorithm(flags: None, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    assert all(getattr(owner, name) is not value for owner, name, value in FLAGS)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == "cuda"
    assert all(getattr(owner, name) is value for owner, name, value in FLAGS)
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("cuda:1") == "cuda:1"
    assert default_threads("cuda") == 1


def test_a_gpu_has_a_memory_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10e9, 80e9))
    budget, name = memory_budget(None, "cuda")
    assert budget == pytest.approx(7e9)
    assert "available" in name
    assert memory_budget("2GB", "cuda") == (2e9, "--memory")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_and_the_processor_agree(tmp_path: Path) -> None:
    """But for rounding: of 100 images at most one prediction per cell differs."""
    attacks = [
        {"name": "fgsm", "eps": [0.0, 0.1]},
        {"name": "pgd", "eps": 0.1, "max_iter": 10},
        {"name": "cw", "max_iter": 20, "binary_search_steps": 3},
    ]
    defences = ["none", {"name": "jpeg", "quality": 50}]
    threats = ["oblivious", "adaptive", "adaptive-diff"]
    grid = Grid(name="g", attacks=attacks, defences=defences, threats=threats)
    tables = []
    for device in ("cpu", "cuda"):
        run(grid, RunOptions(out=tmp_path / device, device=device))
        predictions = read_predictions(tmp_path / device)
        assert predictions is not None
        tables.append(predictions)
    cpu, gpu = tables
    assert cpu.spans.keys() == gpu.spans.keys()
    for cell, span in cpu.spans.items():
        other = gpu.arrays["adversarial"][gpu.spans[cell]]
        assert (cpu.arrays["adversarial"][span] != other).sum() <= 1

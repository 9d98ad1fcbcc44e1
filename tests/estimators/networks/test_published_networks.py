"""Six networks that others published, by the factories of `bench anchors`: published accuracy."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.anchors import networks
from reports.results.read_write import read_results

FACTORIES = "benchmark.anchors.networks"
# file, factory, data, images, correct ones as published; None: as torch alone finds
PUBLISHED = [
    ("mnist-smallcnn-trades.pt", "smallcnn", "mnist", 10_000, 9_948),
    ("mnist-lenet5-clean.pt", "lenet5", "mnist", 10_000, 9_889),
    ("mnist-lenet5-adv.pt", "lenet5", "mnist", 10_000, 9_864),
    ("mnist-cnn-a-adv.model", "cnn_a", "npz:sdp-mnist.npz", 200, None),
    ("cifar-cnn-a-adv.model", "cnn_a", "npz:sdp-cifar.npz", 200, None),
    ("cifar-cnn-a-mix.model", "cnn_a", "npz:sdp-cifar.npz", 200, None),
]
SHAPES = {"smallcnn": (1, 28, 28), "lenet5": (1, 28, 28), "cnn_a": (3, 32, 32)}
LAYOUTS = {
    "bare.pt": lambda state: state,
    "state_dict.pt": lambda state: {"state_dict": state, "epoch": 1},
    "list.model": lambda state: [state, {"epoch": 1}],
}


@pytest.fixture
def examples():
    return importlib.import_module(FACTORIES)


def clean_accuracy(bench, factory: str, weights: Path, dataset: str, *more: str) -> float:
    """Run eps 0 alone; the network's own clean accuracy, as `results.csv` has it."""
    network = ("--network", f"{FACTORIES}:{factory}", "--weights", str(weights))
    options = ("--attack", "noise:eps=0", "--defence", "none", "--out", "run", *more)
    code, text = bench("run", *network, "--dataset", dataset, *options)
    assert code == 0, text
    (accuracy,) = set(read_results(Path("run"))["clean_accuracy"].astype(float))
    return accuracy


def plain_hits(factory, weights: Path, data: str) -> int:
    """Return the number of images that the network itself gets right: torch alone."""
    with np.load(data) as arrays:
        x = torch.from_numpy(arrays["x_test"]).permute(0, 3, 1, 2)
        y = torch.from_numpy(arrays["y_test"])
    network = factory(tuple(x.shape[1:]))
    network.load_state_dict(torch.load(weights, weights_only=True))
    return int((outputs(network, x).argmax(1) == y).sum())


def outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    config = getattr(network, "pretrained_cfg", {"mean": [0.0], "std": [1.0]})
    mean, std = (torch.tensor(config[key])[:, None, None] for key in ("mean", "std"))
    with torch.no_grad():
        out: torch.Tensor = network.eval()((x - mean) / std)
    return out


@pytest.mark.parametrize(("file", "factory", "dataset", "n", "right"), PUBLISHED)
def test_clean_accuracy_is_the_published_one(
    bench, real_data: Path | None, examples, file, factory, dataset, n, right
) -> None:
    folder = None if real_data is None else real_data / "networks"
    if folder is None or not (folder / file).is_file():
        pytest.skip("BENCH_DATA_DIR has no folder networks")
    if dataset.startswith("npz:"):
        dataset = f"npz:{folder / dataset.removeprefix('npz:')}"
    more = ("--data-dir", str(real_data), "--samples", "all")
    found = clean_accuracy(bench, factory, folder / file, dataset, *more)
    if right is None:
        right = plain_hits(getattr(examples, factory), folder / file, dataset.partition(":")[2])
    assert round(found * n) == right


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("factory", SHAPES)
def test_files_of_these_layouts_load(
    bench, tmp_path: Path, examples, factory: str, layout: str
) -> None:
    shape = SHAPES[factory]
    make = getattr(examples, factory)
    network = make(shape) if factory == "cnn_a" else make()
    torch.save(LAYOUTS[layout](network.state_dict()), tmp_path / layout)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (30, shape[1], shape[2], shape[0]), dtype=np.uint8)
    inputs = torch.from_numpy(x.transpose(0, 3, 1, 2)).float() / 255
    out = outputs(network, inputs)
    y = out.argmax(1).numpy()
    y[:10] = np.arange(10)  # every class is there; these are right by chance
    np.savez(tmp_path / "own.npz", x_test=x, y_test=y)
    found = clean_accuracy(bench, factory, tmp_path / layout, "npz:own.npz", "--samples", "30")
    assert found == pytest.approx(float((out.argmax(1).numpy() == y).mean()))
    assert found > 0.6


def test_factories_are_short() -> None:
    tree = ast.parse(Path(networks.__file__).read_text(encoding="utf-8"))
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        assert function.end_lineno - function.lineno < 11, function.name  # the line of its text too

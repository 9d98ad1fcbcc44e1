"""`evaluate`: the numbers of `bench run`, of closed forms, and of every road that data may take."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from art.estimators.classification import PyTorchClassifier
from closed_form import LinearCase, linear_case
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import benchmark as bench
from estimators.data.images import Images
from reports.results.read_write import read_results

QUIET: dict[str, Any] = {"threads": 1, "progress": False}
# what names the network or the data, or is a hash of them
IDENTITY = ["cell", "dataset", "network", "data_sha256", "weights_sha256"]


@pytest.fixture(scope="module")
def two() -> LinearCase:
    """Two classes: the steepest step of FGSM is the best one, so accuracies are known."""
    return linear_case(60, classes=2)


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that say what came out."""
    return table.drop(columns=IDENTITY)


def levels(case: LinearCase) -> np.ndarray:
    return np.rint(case.x * 255).astype(np.uint8)


def test_a_linear_network_has_the_known_accuracy(two: LinearCase) -> None:
    eps = float(np.median(two.linf.min(axis=1)))
    result = bench.evaluate(
        two.network, two.x, two.y, attacks=["fgsm", "pgd"], eps=[eps / 2, eps], **QUIET
    )
    expected = [float((two.linf.min(axis=1) > e).mean()) for e in (eps / 2, eps)]
    assert result.worst["accuracy"].tolist() == expected
    assert result.worst["eps"].tolist() == [eps / 2, eps]
    assert set(result.table["network"]) == {"Sequential"}
    assert set(result.table["dataset"]) == {"data"}
    fgsm = result.table[result.table["attack"] == "fgsm"]
    assert fgsm["accuracy"].tolist() == expected
    row = result.worst.iloc[-1]
    assert row["low"] < row["accuracy"] < row["high"]
    assert row["n"] == 60 and row["clean_accuracy"] == 1
    assert row["attack"] in ("fgsm", "pgd") and row["threat"] == "oblivious"


def test_norm_chooses_the_norm_of_attacks(two: LinearCase) -> None:
    eps = float(np.median(two.l2.min(axis=1)))
    result = bench.evaluate(
        two.network, two.x, two.y, attacks=["fgm", "pgd", "apgd"], eps=eps, norm="L2", **QUIET
    )
    assert set(result.table["norm"]) == {"2"}
    expected = float((two.l2.min(axis=1) > eps).mean())
    assert result.worst["accuracy"].item() == pytest.approx(expected, abs=1 / 60)


def test_evaluate_is_bench_run(
    bench_command: Callable[..., pd.DataFrame], digits: Images, digits_lenet: nn.Module
) -> None:
    """The same numbers, bit for bit, from arrays and the network itself."""
    table = bench_command(
        "--dataset", "digits", "--network", "lenet", "--attack", "fgsm:0.15", "--attack",
        "pgd:0.1,max_iter=5", "--defence", "none", "--defence", "jpeg:75", "--defence", "jpeg:25",
        "--samples", "50", "--threads", "1",
    )  # fmt: skip
    common: dict[str, Any] = {
        "attacks": ["fgsm", "pgd:0.1,max_iter=5"],
        "eps": 0.15,
        "defences": ["none", "jpeg:[75,25]"],
        "samples": 50,
        **QUIET,
    }
    named = bench.evaluate("lenet", "digits", **common)
    pd.testing.assert_frame_equal(sorted_rows(named.table), sorted_rows(table), check_exact=True)
    handed = bench.evaluate(digits_lenet, digits, **common)
    one, other = numbers(sorted_rows(handed.table)), numbers(sorted_rows(table))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert handed.table["data_sha256"].tolist() == named.table["data_sha256"].tolist()


@pytest.fixture
def bench_command(bench, tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Run `bench run` with some options; gives the table."""

    def run(*options: str) -> pd.DataFrame:
        (tmp_path / "empty.yaml").write_text("attacks: [{name: noise, eps: 0.1}]\n")
        code, out = bench("run", "--grid", "empty.yaml", *options, "--out", str(tmp_path / "r"))
        assert code == 0, out
        return read_results(tmp_path / "r")

    return run


def sorted_rows(table: pd.DataFrame) -> pd.DataFrame:
    by = ["attack", "eps", "threat", "defence", "quality"]
    return table.sort_values(by).reset_index(drop=True)


class Pairs(Dataset):  # type: ignore[type-arg]
    """A torch data set of PIL images, with class names as torchvision's have them."""

    classes = ("left", "right")

    def __init__(self, pixels: np.ndarray, y: np.ndarray) -> None:
        self.pixels, self.y = pixels, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, at: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self.pixels[at, 0]), int(self.y[at])


def roads(pixels: np.ndarray, y: np.ndarray) -> dict[str, tuple[Any, Any]]:
    """The same images as users have them."""
    floats = pixels.astype(np.float32) / np.float32(255)
    tensors = TensorDataset(torch.from_numpy(floats), torch.from_numpy(y))
    return {
        "float": (floats, y),
        "float64": (pixels / 255.0, y),
        "uint8": (pixels, y),
        "int64": (pixels.astype(np.int64), y),
        "NHWC": (pixels.transpose(0, 2, 3, 1), y),
        "grey": (pixels[:, 0], y),
        "tensor": (torch.from_numpy(floats).requires_grad_(), torch.from_numpy(y)),
        "one-hot": (pixels, np.eye(2)[y]),
        "lists": (list(pixels), y.tolist()),
        "PIL": ([Image.fromarray(image[0]) for image in pixels], y),
        "Dataset": (tensors, None),
        "Dataset of PIL": (Pairs(pixels, y), None),
        "DataLoader": (DataLoader(tensors, batch_size=7), None),
        "shuffling DataLoader": (DataLoader(tensors, batch_size=7, shuffle=True), None),
        "list of pairs": (list(zip(floats, y.tolist(), strict=True)), None),
    }


ROADS = [*roads(np.zeros((1, 1, 2, 2), np.uint8), np.zeros(1, int))][1:]


@pytest.mark.parametrize("road", ROADS)
def test_every_road_gives_the_same_numbers(two: LinearCase, road: str) -> None:
    given = roads(levels(two), two.y)
    common: dict[str, Any] = {"attacks": "fgsm", "eps": "4/255", "samples": 20, **QUIET}
    results = [bench.evaluate(two.network, *given[name], **common) for name in ("float", road)]
    one, other = (result.table.drop(columns=["cell", "data_sha256"]) for result in results)
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    if road != "Dataset of PIL":  # that one names its classes
        assert results[0].table["data_sha256"].equals(results[1].table["data_sha256"])


def test_a_table_of_hugging_face(two: LinearCase) -> None:
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    pixels = levels(two)
    photos = [Image.fromarray(image[0]) for image in pixels]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    )
    table = datasets.Dataset.from_dict({"image": photos, "label": two.y.tolist()}, features)
    common: dict[str, Any] = {"attacks": "fgsm", "eps": "4/255", **QUIET}
    one = bench.evaluate(two.network, table, **common)
    other = bench.evaluate(two.network, pixels, two.y, classes=["a", "b"], **common)
    assert one.table.equals(other.table)


NETWORKS: dict[str, Callable[[nn.Module], dict[str, Any]]] = {
    "mean and std": lambda inner: {"model": scaled(inner, 4, 2), "mean": [0.5], "std": [0.25]},
    "numbers": lambda inner: {"model": scaled(inner, 4, 2), "mean": 0.5, "std": torch.tensor(0.25)},
    "ART": lambda inner: {"model": art(inner)},
    "ART, 0 to 255": lambda inner: {"model": art(scaled(inner, 255, 0), clip_values=(0, 255))},
    "ART, -1 to 1": lambda inner: {"model": art(scaled(inner, 2, 1), clip_values=(-1.0, 1.0))},
    "ART, standardised": lambda inner: {
        "model": art(scaled(inner, 4, 2), preprocessing=(np.array([0.5]), np.array([0.25])))
    },
    "ART, both": lambda inner: {
        "model": art(scaled(inner, 2, 1), clip_values=(0, 255), preprocessing=(127.5, 127.5))
    },
    "ART, channels last": lambda inner: {"model": art(Last(inner), channels_first=False)},
    "compiled": lambda inner: {"model": torch.compile(inner)},
    "parallel": lambda inner: {"model": nn.DataParallel(inner)},
}


def scaled(inner: nn.Module, factor: float, minus: float) -> nn.Module:
    """The network for pixels x * factor - minus."""
    return nn.Sequential(Unscale(factor, minus), inner)


class Unscale(nn.Module):
    """The inverse of a normalisation."""

    def __init__(self, factor: float, minus: float) -> None:
        super().__init__()
        self.factor, self.minus = factor, minus

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.minus) / self.factor


class Last(nn.Module):
    """A network that takes [N, H, W, C]."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[-1] == 1
        return self.inner(x.permute(0, 3, 1, 2))


def art(inner: nn.Module, **options: Any) -> PyTorchClassifier:
    options = {"clip_values": (0.0, 1.0), "device_type": "cpu", **options}
    return PyTorchClassifier(
        model=inner, loss=nn.CrossEntropyLoss(), input_shape=(1, 8, 8), nb_classes=2, **options
    )


@pytest.mark.parametrize("road", NETWORKS)
def test_every_network_gives_the_same_numbers(two: LinearCase, road: str) -> None:
    eps = float(np.median(two.linf.min(axis=1)))
    arguments = NETWORKS[road](two.network)
    low, high = getattr(arguments["model"], "clip_values", (0.0, 1.0))
    result = bench.evaluate(
        x=two.x * (high - low) + low, y=two.y, attacks="fgsm", eps=eps * 0.99, **arguments, **QUIET
    )
    assert result.worst["accuracy"].item() == float((two.linf.min(axis=1) > eps * 0.99).mean())
    assert result.worst["clean_accuracy"].item() == 1


def test_float_pixels_of_a_classifier_lie_within_its_clip_values(two: LinearCase) -> None:
    classifier = art(scaled(two.network, 255, 0), clip_values=(0, 255))
    common: dict[str, Any] = {"attacks": "fgsm", "eps": "4/255", **QUIET}
    pixels = levels(two)
    one = bench.evaluate(classifier, pixels, two.y, **common)
    other = bench.evaluate(classifier, pixels.astype(np.float64), two.y, **common)
    assert one.table.equals(other.table)


def state_of(module: nn.Module) -> dict[str, Any]:
    return {
        "training": [part.training for part in module.modules()],
        "grads": [None if p.grad is None else p.grad.clone() for p in module.parameters()],
        "needs": [p.requires_grad for p in module.parameters()],
        "weights": {name: tensor.clone() for name, tensor in module.state_dict().items()},
        "hooks": [len(part._forward_hooks) for part in module.modules()],
        "memory": [p.data_ptr() for p in module.parameters()],
    }


@pytest.mark.parametrize("wrapped", [False, True], ids=["module", "ART"])
def test_the_network_is_left_as_it_was(two: LinearCase, wrapped: bool) -> None:
    seen = []
    network = nn.Sequential(nn.BatchNorm2d(1, affine=False), nn.Dropout(0.5), *two.network)
    network.register_forward_hook(lambda *_: seen.append(1) and None)
    network[-1].weight.requires_grad_(False)
    network[-1].bias.grad = torch.ones(2)
    network.train()
    network[1].eval()
    model = art(network) if wrapped else network
    before, streams = state_of(network), random_streams()
    bench.evaluate(model, two.x, two.y, attacks="pgd:0.1,max_iter=2", **QUIET)
    after = state_of(network)
    for key in ("training", "needs", "hooks", "memory"):
        assert after[key] == before[key], key
    for one, other in zip(after["grads"], before["grads"], strict=True):
        assert (one is None and other is None) or torch.equal(one, other)
    assert all(torch.equal(after["weights"][name], w) for name, w in before["weights"].items())
    assert random_streams() == streams


def random_streams() -> tuple[object, ...]:
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


class Drawing(Pairs):
    """A data set that draws from every stream of random numbers."""

    def __getitem__(self, at: int) -> tuple[Image.Image, int]:
        random.random(), np.random.rand(), torch.rand(1)
        return super().__getitem__(at)


def test_random_streams_are_left_as_they_were(two: LinearCase) -> None:
    streams = random_streams()
    loader = DataLoader(Drawing(levels(two), two.y), batch_size=None, shuffle=True)
    bench.evaluate(two.network, loader, attacks="fgsm", eps=0.1, samples=5, **QUIET)
    assert random_streams() == streams


def test_without_out_no_file_stays(two: LinearCase, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        result = bench.evaluate(two.network, two.x, two.y, attacks="fgsm", eps=0.1, **QUIET)
    assert not list(folder.iterdir()) and not (tmp_path / "reports").exists()
    assert result.directory is None and result.page is None
    assert "data" in result.manifest and len(result.findings)


def test_with_out_there_is_everything_and_it_continues(two: LinearCase, tmp_path: Path) -> None:
    common: dict[str, Any] = {"attacks": "fgsm", "out": tmp_path / "run", "threads": 1}
    told: list[str] = []
    progress = bench.RunOptions().progress
    progress = type(progress)(message=told.append)
    result = bench.evaluate(two.network, two.x, two.y, eps=0.1, progress=progress, **common)
    for name in ("results.csv", "report.html", "audit.csv", "worst_case.csv", "manifest.json"):
        assert (tmp_path / "run" / name).is_file()
    assert result.page == tmp_path / "run" / "report.html"
    pd.testing.assert_frame_equal(read_results(tmp_path / "run"), result.table)
    reused = []
    progress = type(progress)(started=lambda cells, old, work: reused.append((cells, old)))
    bench.evaluate(two.network, two.x, two.y, eps=[0.1, 0.2], progress=progress, **common)
    assert reused == [(1, 1)]
    common |= {"eps": 0.1, "network": "Sequential", "progress": progress, "replace": True}
    bench.evaluate(two.network, two.x, two.y, **common)
    assert reused[-1] == (0, 1)
    # another attribute makes another network
    for factor in (1, 2):
        bench.evaluate(scaled(two.network, factor, 0), two.x, two.y, **common)
        assert reused[-1] == (1, 0)


def test_several_networks_names_and_labels(two: LinearCase) -> None:
    result = bench.evaluate(
        {"plain": two.network, "harder v2": scaled(two.network, 1, 0)},
        two.x,
        two.y,
        attacks=[{"name": "fgsm", "eps": "4/255"}, "noise:[0.1,0.2]"],
        defences=["none", {"name": "jpeg", "quality": (90, 50)}],
        threats=["oblivious", "transfer:from=plain"],
        dataset="stripes",
        labels={"plain": "My net"},
        samples=10,
        **QUIET,
    )
    assert len(result.table) == 2 * 3 * 3 * 2
    assert set(result.table["network"]) == {"plain", "harder v2"}
    assert set(result.table["dataset"]) == {"stripes"}
    assert set(result.table["status"]) == {"ok"}
    assert result.labels.network("plain") == "My net"
    assert "My net" in repr(result) and "My net" in result._repr_html_()


def test_warnings_of_the_sanity_checks_are_shown(two: LinearCase) -> None:
    soft = nn.Sequential(two.network, nn.Softmax(1))
    result = bench.evaluate(soft, two.x, two.y, attacks="fgsm", eps=0.1, **QUIET)
    assert "its outputs are probabilities" in repr(result)
    assert result.manifest["squashed"]


def test_batch_limits_the_images_of_a_pass(two: LinearCase) -> None:
    result = bench.evaluate(two.network, two.x, two.y, attacks="fgsm", eps=0.1, batch=7, **QUIET)
    assert result.manifest["chunks"] == {"data/Sequential": 7}


@pytest.mark.slow
def test_objects_are_computed_on_workers(two: LinearCase) -> None:
    pytest.importorskip("distributed")
    common: dict[str, Any] = {"attacks": ["fgsm", "pgd"], "eps": 0.1, "progress": False}
    here = bench.evaluate(two.network, two.x, two.y, threads=1, **common)
    there = bench.evaluate(two.network, two.x, two.y, workers=2, **common)
    assert here.table.equals(there.table)

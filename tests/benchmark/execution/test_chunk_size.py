"""How many images a chunk has."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.execution import chunk_size, memory
from benchmark.execution.chunk_size import CHUNK_BYTES, Need, fit, memory_budget, need, parse_memory
from benchmark.execution.executor import chunks
from benchmark.execution.progress import Progress
from benchmark.grids.cell import Cell
from benchmark.grids.model import Grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.classifier import BATCH, Classifier
from estimators.data.images import Images, subset
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.spec import Spec

SHIPPED = {"lenet": (1, 28, 28), "resnet": (1, 28, 28), "cnn": (3, 32, 32)}


def wide(channels: int = 64) -> nn.Module:
    layers = nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(channels, 10)).requires_grad_(False).eval()


@pytest.mark.parametrize("name", SHIPPED)
def test_networks_of_28_and_32_pixels_keep_their_chunk(name: str) -> None:
    shape = SHIPPED[name]
    network = build_network(Spec(name), shape, 10)
    assert need(network, shape).chunk == BATCH == 125
    # it would be the same without that rule
    assert need(network, shape).activations * BATCH < CHUNK_BYTES


def test_a_large_image_has_a_smaller_chunk() -> None:
    of = need(wide(), (3, 224, 224))
    # the ReLU's output, and the image
    assert of.activations == pytest.approx(4 * 67 * 224 * 224, rel=0.01)
    assert of.chunk == int(CHUNK_BYTES / of.activations) == 29
    assert of.on("cpu") == of and of.on("cuda").chunk == BATCH


def test_chunks_and_then_threads_shrink_to_fit() -> None:
    a, b = ("photos", Spec("a")), ("photos", Spec("b"))
    needs = {a: Need(100e6, 10e6, 4), b: Need(1e3, 1e3, 125)}
    assert fit(needs, 2, 1e12, "x").chunks == {a: 4, b: 125}
    one = fit(needs, 2, 1.0e9, "x")
    assert (one.threads, one.chunks) == (2, {a: 1, b: 125})
    two = fit(needs, 2, 0.7e9, "x")
    assert (two.threads, two.chunks) == (1, {a: 1, b: 125})
    with pytest.raises(
        InputError, match=r"^memory: network a on photos needs 0\.7 GB for one image, x is 0"
    ):
        fit(needs, 2, 0.4e9, "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4GB", 4e9), ("1500MB", 1.5e9), ("4", 4e9), ("0.5 gib", 2**29), ("10kb", 1e4)],
)
def test_sizes(text: str, expected: float) -> None:
    assert parse_memory(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "4 boxes", "nan", "inf", "1e3"])
def test_bad_sizes_are_refused_by_the_options(text: str) -> None:
    with pytest.raises(InputError, match=r"^--memory: expected a size such as 4GB"):
        RunOptions(memory=text)


def test_parts_are_of_nearly_equal_size() -> None:
    for count in range(1, 60):
        for size in (1, 2, 4, 7, 16):
            parts = chunks(count, size)
            lengths = [part.stop - part.start for part in parts]
            assert sum(lengths) == count and max(lengths) <= size
            assert max(lengths) - min(lengths) <= 1
            assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    # as ever
    assert [part.stop for part in chunks(300, 125)][:2] == [125, 250]


@pytest.mark.parametrize("name", ["lenet", "cnn"])
def test_an_image_does_not_depend_on_its_chunk(name: str) -> None:
    """By rounding alone: less than 1e-5 of the largest logit, or of the largest gradient.

    Rounding turns single ReLUs on or off: the gradients of a few images may differ by more.
    """
    torch.manual_seed(0)
    shape = SHIPPED[name]
    network = build_network(Spec(name), shape, 10)
    x, y = torch.rand(125, *shape), torch.randint(0, 10, (125,))
    whole = Classifier(network, shape, 10)
    logits, gradient = whole.logits(x), whole.input_gradient(x, y)
    for size in (1, 7, 16):
        parts = Classifier(network, shape, 10, batch=size)
        assert (parts.logits(x) - logits).abs().max() <= 1e-5 * logits.abs().max()
        pairs = zip(x.split(size), y.split(size), strict=True)
        apart = torch.cat([parts.input_gradient(*pair) for pair in pairs])
        off = (apart - gradient).abs().amax(dim=(1, 2, 3))
        assert (off > 1e-5 * gradient.abs().max()).sum() <= 6


def test_a_run_takes_as_many_images_as_fit(tmp_path: Path, monkeypatch) -> None:
    """A run with little memory has the same table as one with much."""
    grid = Grid(name="g", attacks=[{"name": "fgsm", "eps": [0.0, 0.1]}], samples=10)
    much = run(grid, RunOptions(out=tmp_path / "much", threads=1))
    monkeypatch.setattr("benchmark.execution.chunk_size.BASE_BYTES", 0.0)
    messages: list[str] = []
    progress = Progress(message=messages.append)
    little = run(
        grid, RunOptions(out=tmp_path / "little", threads=2, memory="1MB", progress=progress)
    )
    assert any("images per chunk, to stay below --memory" in text for text in messages)
    assert much.table["correct"].equals(little.table["correct"])
    np.testing.assert_allclose(much.table["l2_mean"], little.table["l2_mean"], rtol=1e-5)


SEEN = """
    from torch import nn

    SEEN = []

    class Counts(nn.Sequential):
        def forward(self, x):
            SEEN.append(len(x))
            return super().forward(x)

    def net():
        return Counts(nn.Flatten(), nn.Linear(784, 784), nn.ReLU(), nn.Linear(784, 10))
"""


def test_the_checks_of_a_network_take_as_many_images_as_fit(
    module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They come first: a container must not end the program there."""
    module("counts", SEEN)
    grid = Grid(
        name="g", networks=["counts:net"], attacks=[{"name": "fgsm", "eps": 0.1}], samples=200
    )
    monkeypatch.setattr("benchmark.execution.chunk_size.BASE_BYTES", 0.0)
    run(grid, RunOptions(out=tmp_path / "much", threads=1))
    seen = importlib.import_module("counts").SEEN
    assert max(seen) == BATCH
    seen.clear()
    # the weights are 2.5 MB, in three copies
    run(grid, RunOptions(out=tmp_path / "little", threads=1, memory="7.6MB"))
    assert 0 < max(seen) < BATCH / 2


def test_what_cannot_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    grid = Grid(name="g", attacks=[{"name": "fgsm", "eps": 0.1}], samples=10)
    with pytest.raises(
        InputError, match=r"^memory: network lenet on digits needs 0\.5 GB for one image"
    ):
        run(grid, RunOptions(out=tmp_path / "r", memory="1MB"))
    assert not (tmp_path / "r").exists()


def test_the_message_names_what_would_fit() -> None:
    small, large = Need(1e6, 1e6, 125), Need(9e9, 1e9, 1)
    needs = {("digits", Spec("lenet")): small, ("photos", Spec("vit")): large}
    with pytest.raises(InputError, match=r"network vit on photos needs .*; lenet on digits would"):
        fit(needs, 2, 1e9, "--memory")
    none = r"is 0\.0 GB, so it cannot run; .*--memory; no network of the grid fits$"
    with pytest.raises(InputError, match=none):
        fit(needs, 2, -1e9, "the available memory")


def test_the_message_names_the_cells() -> None:
    small, large = Need(1e6, 1e6, 125), Need(9e9, 1e9, 1)
    lenet, vit = Spec("lenet"), Spec("vit")
    needs = {("digits", lenet): small, ("photos", vit): large, ("photos", lenet): small}
    pgd, none = Spec.of("pgd", eps=0.1), Spec("none")
    cells = [Cell("digits", lenet, pgd, "oblivious", none, 10, 0)]
    cells += [Cell("photos", lenet, pgd, "transfer[from=vit]", none, 10, 0)]
    cells += [Cell("photos", vit, pgd, "oblivious", none, 10, seed) for seed in (0, 1)]
    with pytest.raises(InputError) as told:
        fit(needs, 2, 1e9, "--memory", cells)
    assert str(told.value) == (
        "memory: network vit on photos needs 14.8 GB for one image, --memory is 1.0 GB, so the cell"
        " photos/lenet pgd[eps=0.1] transfer[from=vit] none and 2 others of this network cannot"
        " run; free memory, or raise --memory; lenet on digits (1 cell), lenet on photos (1 cell)"
        " would fit"
    )


def cgroup(folder: Path, limit: str, usage: int, cache: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\n")


def test_limits_of_cgroups_count(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/a/b\n")
    cgroup(tmp_path / "root/a/b", "max", 10, 0)
    cgroup(tmp_path / "root/a", str(5 << 30), 2 << 30, 1 << 30)
    assert list(memory._free_of_cgroups(tmp_path / "root", own)) == [4 << 30]
    # version 1, and a container that shows its own cgroup as the root
    old = tmp_path / "old/memory"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text(f"{1 << 30}")
    (old / "memory.usage_in_bytes").write_text("1000")
    (old / "memory.stat").write_text("total_inactive_file 24\n")
    own.write_text("3:cpu:/x\n4:memory:/docker/0123\n")
    assert list(memory._free_of_cgroups(tmp_path / "old", own)) == [(1 << 30) - 976]
    assert list(memory._free_of_cgroups(tmp_path, tmp_path / "none")) == []


def test_the_smallest_limit_of_all_cgroups_counts(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    # version 2 beside version 1
    own.write_text("4:cpu,memory:/a\n0::/x/y/z\n")
    root = tmp_path / "root"
    for folder, limit in {"x/y/z": "8000", "x/y": "max", "x": "5000"}.items():
        cgroup(root / "unified" / folder, limit, 1000, 0)
    old = root / "cpu,memory/a"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (old / "memory.usage_in_bytes").write_text("1000\n")
    # of a parent that a container does not show
    (old / "memory.stat").write_text("cache 7\nhierarchical_memory_limit 6000\n")
    assert sorted(memory._free_of_cgroups(root, own)) == [4000, 5000, 7000]
    # from here on processes are slowed down
    (root / "unified/x/y/memory.high").write_text("2000\n")
    assert min(memory._free_of_cgroups(root, own)) == 1000
    (old / "memory.stat").write_text("hierarchical_memory_limit many\n\x00")
    (root / "unified/x/memory.max").write_text("")
    assert sorted(memory._free_of_cgroups(root, own)) == [1000, 7000]
    for text in ("", "no colon\n", "0::/../../x\n"):
        own.write_text(text)
        list(memory._free_of_cgroups(root, own))


def test_available_memory_is_that_of_this_machine() -> None:
    assert 1e6 < memory.available_memory().bytes < 1e15


def test_the_budget_says_whose_memory_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_free_of_cgroups", lambda: iter([1e6, 5e5]))
    monkeypatch.setattr(chunk_size, "kept_memory", lambda: 0.0)
    budget, name = memory_budget(None)
    assert (budget, name) == (pytest.approx(3.5e5), "70 % of the memory that its cgroup has left")


@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")
@pytest.mark.parametrize(("option", "limit"), [("-v", "RLIMIT_AS"), ("-d", "RLIMIT_DATA")])
def test_limits_of_the_shell_count(option: str, limit: str) -> None:
    """Of a real process; a tensor of the size that is left cannot be made."""
    code = f"""
    import resource
    from benchmark.execution import memory
    from benchmark.execution.memory import available_memory
    # what other processes take meanwhile does not count
    memory._free_of_machine, memory._free_of_cgroups = lambda: 1e15, lambda: ()
    hard = resource.getrlimit(resource.{limit})[1]
    most = 1 << 40 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.{limit}, (most, hard))
    used = most - int(available_memory().bytes)
    resource.setrlimit(resource.{limit}, (used + (1 << 29), hard))
    left = available_memory()
    assert left.name == "memory that ulimit {option} has left", left
    assert abs(left.bytes - (1 << 29)) < 1 << 24, left
    kept = bytearray(1 << 28)
    assert abs(left.bytes - available_memory().bytes - (1 << 28)) < 1 << 24
    try:
        bytearray(int(left.bytes))
    except MemoryError:
        print("refused")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr) == ("refused\n", "")


def test_images_are_split_as_the_network_takes_them() -> None:
    images = Images(np.zeros((5, 3, 40, 40), np.uint8), np.arange(5), np.arange(5))
    seen: list[int] = []

    class Counts(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(len(x))
            return x.flatten(1)[:, :10]

    classifier = Classifier(Counts(), images.shape, 10, batch=2)
    seen.clear()
    classifier.logits(torch.from_numpy(subset(images, 5, 0).x))
    classifier.predict(images.x)
    assert max(seen) == 2

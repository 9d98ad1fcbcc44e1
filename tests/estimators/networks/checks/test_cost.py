"""How many images the checks of an external network look at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.grids.model import Grid
from benchmark.runs.loading.gather import gather
from benchmark.runs.options import RunOptions
from estimators.data.images import Images
from estimators.networks.checks.probed import LEAST, SAMPLE
from estimators.networks.checks.squashed import squashed
from estimators.networks.checks.wrapping import check_wrapped


class Counted(nn.Module):
    """A linear network that counts the images of each pass."""

    def __init__(self, count: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(count, 10)
        self.sizes: Counter[int] = Counter()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes[len(x)] += 1
        return self.layer(x.flatten(1)) * 20


def images(count: int = 200) -> Images:
    x = np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8), np.uint8)
    return Images(x, np.arange(count) % 10, np.arange(count))


@pytest.mark.parametrize("sample", [LEAST, 40, SAMPLE])
def test_a_sound_network_is_run_twice_and_few_images_backward(sample: int) -> None:
    network = Counted(64)
    # at chance: no usual normalisation is tried in vain for a trained one
    data = images()
    y = network(torch.from_numpy(data.x)).argmax(1).numpy()
    right = Images(data.pixels, y, data.ids)
    network.sizes.clear()
    assert check_wrapped(network, right, "mine", sample, batch=7) == {}
    assert max(network.sizes) <= 7
    passes = sum(size * count for size, count in network.sizes.items())
    # two for the fit, four one by one, a gradient of LEAST images and a step along it
    assert passes == 2 + 2 * sample + 4 + 2 * LEAST
    network.sizes.clear()
    assert squashed(network, right, batch=7) is None
    assert max(network.sizes) <= 7
    assert sum(size * count for size, count in network.sizes.items()) == 3 * 16


@pytest.mark.parametrize(("samples", "expected"), [(20, LEAST), (2000, SAMPLE)])
def test_the_checks_are_a_small_share_of_the_run(
    samples: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def check(
        network: nn.Module, images: Images, name: str, sample: int, batch: int
    ) -> dict[str, str]:
        seen.append(sample)
        return {}

    monkeypatch.setattr("benchmark.runs.loading.networks.check_wrapped", check)
    data = images(2000)
    pixels = np.kron(data.pixels, np.ones((1, 1, 4, 4), np.uint8))
    np.savez(tmp_path / "data.npz", x_test=pixels, y_test=data.y)
    grid = Grid(
        name="g",
        datasets=[f"npz:{tmp_path / 'data.npz'}"],
        networks=["torch.nn:Identity"],
        attacks=[{"name": "pgd", "eps": 0.1, "max_iter": 2}],
        samples=samples,
    )
    networks = {"torch.nn:Identity": Counted(32 * 32)}
    monkeypatch.setattr(
        "estimators.networks.external.builder", lambda kind, name: lambda: networks[name]
    )
    gather(grid.cells(), RunOptions(), "cpu")
    assert seen == [expected]

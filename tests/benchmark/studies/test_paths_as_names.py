"""Studies on a data set that is a path: slashes, blanks and letters of other scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.studies.cache import run_study
from benchmark.studies.lookup import study_entry
from benchmark.studies.request import make_request
from estimators.spec import Spec
from estimators.training.checkpoints import shipped_file

NETS = """
    import torch
    from torch import nn

    def small():
        torch.manual_seed(0)
        first = nn.Conv2d(1, 4, 3, padding=1)
        return nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 256, 4)).eval()
"""
# the smallest size of each study that trains nothing
SMALL: dict[str, dict[str, Any]] = {
    "data": {"images": 4},
    "first-error": {"samples": 8, "resolution": 0.1, "image": 1},
    "fourier": {"samples": 6},
    "jpeg": {"samples": 8, "qualities": (75, 5), "source": "1", "target": "2"},
    "noise": {"samples": 8, "source": "1", "target": "2", "tries": 2},
    "saliency": {"samples": 4},
    "targeted": {"per_class": 1},
    "transfer-function": {
        "sizes": [16], "frequencies": 4, "qualities": [1, 50], "qualities_other_sizes": [5],
        "contrasts": [1.0], "seeds": 1, "deep_seeds": 1,
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_study_on_a_path_draws_its_figures(
    name: str, npz: Callable[..., Path], module: Callable[[str, str], Path], tmp_path: Path
) -> None:
    module("path_nets", NETS)
    data = tmp_path / "some where" / "\u00fcnder $x$" / "own data.npz"
    data.parent.mkdir(parents=True)
    npz().rename(data)
    entry = study_entry(name)
    params = {key: value for key, value in SMALL[name].items() if key in entry.defaults}
    network = Spec("path_nets:small")
    request = make_request(entry, f"npz:{data}", network, params, quick=True)
    done = run_study(name, request, tmp_path / "out")
    figures = [path.name for path in done.folder.iterdir() if path.suffix in (".png", ".gif")]
    assert figures and all(figure.isascii() and len(figure) <= 130 for figure in figures)


def test_a_long_path_has_no_shipped_weights() -> None:
    assert not shipped_file("npz:" + "a" * 400, Spec("lenet")).is_file()
    assert shipped_file("digits", Spec("lenet")).is_file()

"""Studies that train networks, on a data set that is a path with slashes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.studies.cache import run_study
from benchmark.studies.lookup import study_entry
from benchmark.studies.request import make_request
from estimators.spec import Spec

PROBE = {"samples": 8, "resolution": 0.1, "cw_samples": 1}
# the smallest size of each study that trains
SMALL: dict[str, dict[str, Any]] = {
    "low-pass": {"sigmas": (0.0,), "epochs": 1, "seeds": 1, "deep_sigmas": (), **PROBE},
    "overfitting": {"epochs": (1,), "seeds": 1, **PROBE},
    "overparameterization": {"layers": (0,), "epochs": 1, "seeds": 1, **PROBE},
    "training": {},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_sweep_on_a_path_draws_its_figures(
    name: str, npz: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    data = tmp_path / "some where" / "\u00fcnder $x$" / "own data.npz"
    data.parent.mkdir(parents=True)
    npz().rename(data)
    entry = study_entry(name)
    params = {key: value for key, value in SMALL[name].items() if key in entry.defaults}
    request = make_request(entry, f"npz:{data}", Spec("lenet"), params, quick=True)
    done = run_study(name, request, tmp_path / "out")
    figures = [path.name for path in done.folder.iterdir() if path.suffix in (".png", ".gif")]
    assert figures and all(figure.isascii() and len(figure) <= 130 for figure in figures)
    assert not [path for path in tmp_path.rglob("own data.npz?*")]

"""`bench paper`: one directory with grid, studies and claims."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.grids.model import Grid
from benchmark.studies import paper
from benchmark.studies.registry import STUDIES
from estimators.data.load import load_images

# the paper's grid with the cells that C1 and C2 are measured on
FEW = {
    "name": "paper",
    "threats": ["oblivious", "adaptive"],
    "defences": ["none", {"name": "jpeg", "quality": [50, 10]}],
    "datasets": ["mnist"],
    "networks": ["lenet"],
    "attacks": [{"name": "fgsm", "eps": [0, 0.1, 0.2]}],
}


pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture
def small_data(tmp_path: Path) -> Path:
    """A data directory whose MNIST and CIFAR-10 are a few of the embedded digits, in grey and
    colour: the real sets' shapes and class counts without their files."""
    folder = tmp_path / "small"
    folder.mkdir()
    for name, size in (("mnist", 28), ("cifar10", 32)):
        arrays = {}
        for split, count in (("train", 240), ("test", 120)):
            images = load_images("digits", split)  # type: ignore[arg-type]
            x = (images.x[:count, 0] * 255).astype(np.uint8)
            if size == 32:
                x = np.stack([np.pad(x, ((0, 0), (2, 2), (2, 2)))] * 3, axis=-1)
            arrays[f"x_{split}"], arrays[f"y_{split}"] = x, images.y[:count]
        np.savez(folder / f"{name}.npz", **arrays)
    return folder


def test_without_data_everything_is_told_and_nothing_decided(bench: Any, tmp_path: Path) -> None:
    code, out = bench("paper", "--quick", "--out", str(tmp_path / "p"))
    assert code == 3
    assert "skipped: study data, mnist" in out
    claims = pd.read_csv(tmp_path / "p" / "claims.csv")
    assert set(claims["verdict"]) == {"undecided"}
    note = "a quick run: for a look, not for the verdicts. It cannot decide C8, C10, C11 and C14"
    page = (tmp_path / "p" / "report.html").read_text(encoding="utf-8")
    assert note in " ".join(out.split()) and note in " ".join(page.split())
    assert set(pd.read_csv(tmp_path / "p" / "results.csv")["status"]) == {"skipped"}


def test_a_study_that_raises_does_not_end_the_rest(
    bench: Any, tmp_path: Path, small_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "load_grid", lambda name: Grid(**FEW))
    # a study that draws little, twice
    data = replace(STUDIES["data"], quick={"images": 4})
    monkeypatch.setattr(paper, "STUDIES", {"data": data, "first-error": data})
    real = paper.run_study

    def run_study(name: str, request: Any, folder: Path) -> Any:
        if name == "data":
            raise RuntimeError("out of luck")
        return real("data", request, folder)

    monkeypatch.setattr(paper, "run_study", run_study)
    args = ("paper", "--quick", "--out", str(tmp_path / "p"), "--data-dir", str(small_data))
    code, out = bench(*args)
    assert code == 4
    assert "failed: study data: RuntimeError: out of luck" in out
    assert "out of luck" in (tmp_path / "p" / "failures.log").read_text()
    assert (tmp_path / "p" / "studies" / "first-error" / "classes.csv").is_file()
    claims = pd.read_csv(tmp_path / "p" / "claims.csv")
    # the grid was run: C1 to C4 are measured
    assert claims.loc[claims["claim"] == "C1", "effect"].notna().any()
    assert "C1" in (tmp_path / "p" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_study_and_every_claim_is_measured(
    bench: Any, tmp_path: Path, small_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_WORKERS", "1")
    # of made-up colour images the shipped networks have none right
    (small_data / "cifar10.npz").unlink()
    args = ("paper", "--quick", "--out", str(tmp_path / "p"), "--data-dir", str(small_data))
    code, out = bench(*args)
    assert code == 3 and "failed:" not in out, out
    of_paper = [name for name, study in STUDIES.items() if study.run == "paper"]
    for name in of_paper:
        folder = tmp_path / "p" / "studies" / name
        assert list(folder.glob("*.csv")) and list(folder.glob("*.png")), name
    claims = pd.read_csv(tmp_path / "p" / "claims.csv")
    parts = claims[claims["part"] != "the claim"]
    grey = ~parts["subject"].str.contains("CIFAR-10|both data sets")
    measured = ~parts["measured"].str.startswith("not measured")
    # one training each decides nothing about several
    whole = claims[claims["part"] == "the claim"].set_index("claim")["verdict"]
    cannot = {claim for name in of_paper for claim in STUDIES[name].undecided}
    assert cannot == {"C8", "C10", "C11", "C14"} and set(whole[list(cannot)]) == {"undecided"}
    # quick lacks the largest gratings, and the sample images that all three attacks break
    everywhere = parts["claim"].isin(["C1", "C2", "C5", "C6", "C8", "C10", "C11"])
    assert measured[grey & everywhere].all(), parts[grey & everywhere & ~measured].to_string()
    assert not measured[parts["subject"].str.contains("CIFAR-10")].any()
    before = (tmp_path / "p" / "claims.csv").read_bytes()
    code, out = bench(*args)
    assert code == 3 and out.count(": reused") == len(of_paper)
    assert (tmp_path / "p" / "claims.csv").read_bytes() == before

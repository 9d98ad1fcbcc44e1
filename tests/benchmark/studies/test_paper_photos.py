"""`bench paper --photos`: its grid, its study and its claims, with a stand-in for Lite0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lite_stand_in import install, write_photos

from benchmark.studies import paper
from benchmark.studies.registry import STUDIES
from estimators.data.load import load_images

ARGS = ("paper", "--photos", "--quick", "--samples", "4")
SMALL = {"sizes": (28, 32, 224), "frequencies": 5, "resolution": 0.05, "cw_samples": 2}


pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with made-up photos, and digits in place of MNIST; without CIFAR-10."""
    folder = tmp_path / "small"
    folder.mkdir()
    write_photos(folder)
    images = load_images("digits", "test")
    x = (images.x[:60, 0] * 255).astype(np.uint8)
    np.savez(folder / "mnist.npz", x_test=x, y_test=images.y[:60])
    return folder


def test_without_the_photos_it_says_what_to_do(bench: Any, tmp_path: Path) -> None:
    code, out = bench(*ARGS, "--out", str(tmp_path / "p"), "--data-dir", str(tmp_path))
    assert code == 3
    assert "skipped: study photos, photos" in out and "photos/test/CLASS/" in out
    claims = pd.read_csv(tmp_path / "p" / "claims.csv")
    assert list(dict.fromkeys(claims["claim"])) == [f"C{n}" for n in range(15, 25)]
    assert set(claims["verdict"]) <= {"undecided", "supported"}


@pytest.mark.slow
def test_grid_study_and_claims_of_photos(
    bench: Any, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path / "tiny.pth")
    study = STUDIES["photos"]
    small = replace(study, quick={**study.quick, **SMALL})
    monkeypatch.setattr(paper, "STUDIES", {"data": STUDIES["data"], "photos": small})
    args = (*ARGS, "--out", str(tmp_path / "p"), "--data-dir", str(data))
    code, out = bench(*args)
    assert code == 3 and "failed:" not in out, out
    run = tmp_path / "p"
    assert not (run / "studies" / "data").exists()
    table = pd.read_csv(run / "results.csv")
    assert set(table.loc[table["dataset"] == "photos", "status"]) == {"ok"}
    claims = pd.read_csv(run / "claims.csv")
    parts = claims[claims["part"] != "the claim"]
    missing = parts[parts["measured"].str.startswith("not measured", na=False)]
    assert missing["subject"].str.contains("CIFAR-10").all(), missing.to_string()
    assert "C15" in (run / "report.html").read_text(encoding="utf-8")
    before = (run / "claims.csv").read_bytes()
    code, out = bench(*args)
    assert code == 3 and "photos: reused" in out
    assert (run / "claims.csv").read_bytes() == before

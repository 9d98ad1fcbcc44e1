"""The study of overfitting, from its question to its figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sweep_sizes import ACCURACY, FIRST, TINY

from benchmark.studies.cache import run_study
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import make_request
from estimators.spec import Spec
from estimators.training.train_or_load import train_or_load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_checkpoints: Path) -> Path:
    monkeypatch.setenv("BENCH_WORKERS", "1")
    request = make_request(STUDIES["overfitting"], "digits", params={**TINY, "epochs": (1, 2)})
    return run_study("overfitting", request, tmp_path / "out").folder


def test_overfitting(folder: Path) -> None:
    accuracy = pd.read_csv(folder / "accuracy.csv", dtype={"norm": str})
    assert list(accuracy) == FIRST + ACCURACY
    assert set(zip(accuracy["attack"], accuracy["norm"], strict=True)) == {
        ("fgsm", "inf"),
        ("fgsm-margin", "inf"),
        ("pgd", "inf"),
        ("fgm", "2"),
        ("pgd", "2"),
    }
    # seven eps for three attacks and four for two; two numbers of epochs, two seeds
    assert len(accuracy) == (3 * 7 + 2 * 4) * 2 * 2
    gap = pd.read_csv(folder / "gap.csv")
    assert list(zip(gap["epochs"], gap["seed"], strict=True)) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    # the networks are those of `bench train`, kept for whatever comes next
    assert train_or_load("digits", Spec("lenet"), 2, 1).reused
    # at eps 0 each attack of the same images finds them as they are
    clean = accuracy[accuracy["eps"] == 0]
    assert (clean.groupby(["epochs", "seed", "n"])["correct"].nunique() == 1).all()
    figures = sorted(path.name for path in folder.glob("*.png"))
    assert figures == ["accuracy-digits-lenet.png", "gap-digits-lenet.png"]

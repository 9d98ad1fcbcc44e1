"""The study of additional layers, and Table 1 with the report's slip."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sweep_sizes import ACCURACY, FIRST, TINY

from benchmark.studies.cache import run_study
from benchmark.studies.overparameterization import compute, with_layers
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import make_request
from estimators.errors import InputError
from estimators.spec import Spec
from reports.plots.studies import overparameterization as plots

STUDY = STUDIES["overparameterization"]


def test_table_1_names_the_slip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.studies.overparameterization.swept", lambda *_, **__: {})
    table = compute(make_request(STUDY, "digits")).tables["parameters"]
    assert list(zip(table["extra_layers"], table["parameters"], strict=True)) == [
        (0, 61_706),
        (2, 150_978),
        (4, 282_562),
        (6, 414_146),
        (10, 677_314),
        (20, 1_335_234),
    ]
    differs = table[table["parameters"] != table["printed"]]
    assert list(differs["extra_layers"]) == [10]
    assert list(differs["printed"]) == [743_106]
    note = "slip in the report: 743,106 is the count for 11 layers"
    assert list(differs["note"]) == [note]
    assert set(table["note"]) == {"", note}
    # the figure shows it too, also from a file, where an empty note is read as NaN
    table.to_csv(tmp_path / "parameters.csv", index=False)
    figure = plots.table_1(pd.read_csv(tmp_path / "parameters.csv"), "digits")
    assert any(note in text.get_text().replace("\n", " ") for text in figure.texts)


def test_other_images_have_no_printed_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.studies.overparameterization.swept", lambda *_, **__: {})
    table = compute(make_request(STUDY, "cifar10", params={"layers": (0, 10)})).tables["parameters"]
    assert table["printed"].isna().all()
    assert set(table["note"]) == {""}


def test_no_layers_is_the_plain_network() -> None:
    assert with_layers(Spec.of("lenet", extra_layers=3), 0) == Spec("lenet")
    assert with_layers(Spec("lenet"), 2) == Spec.of("lenet", extra_layers=2)


@pytest.mark.parametrize(
    ("network", "params", "message"),
    [
        (Spec("resnet"), {}, "only lenet"),
        (Spec("lenet"), {"layers": (-1,)}, "layers: must be at least 0"),
        (Spec("lenet"), {"seeds": 0}, "seeds: must be at least 1"),
    ],
)
def test_bad_questions(network: Spec, params: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compute(make_request(STUDY, "digits", network, params))


@pytest.mark.usefixtures("shared_checkpoints")
def test_overparameterization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_WORKERS", "1")
    params = {**TINY, "seeds": 1, "layers": (0, 2), "epochs": 1}
    folder = run_study(
        "overparameterization", make_request(STUDY, "digits", params=params), tmp_path / "out"
    ).folder
    accuracy = pd.read_csv(folder / "accuracy.csv", dtype={"norm": str})
    assert list(accuracy) == [*FIRST, "extra_layers", *ACCURACY]
    gap = pd.read_csv(folder / "gap.csv")
    assert list(zip(gap["extra_layers"], gap["parameters"], strict=True)) == [
        (0, 61_706),
        (2, 150_978),
    ]
    figures = sorted(path.name for path in folder.glob("*.png"))
    assert figures == ["accuracy-digits-lenet.png", "gap-digits-lenet.png", "parameters-digits.png"]

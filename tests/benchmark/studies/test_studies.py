"""The frame of the studies: questions, folders, reuse, the command; and the study `data`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.studies import cache as studies_run
from benchmark.studies.cache import run_study
from benchmark.studies.entry import StudyEntry
from benchmark.studies.lookup import load_compute, load_draw
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import make_request
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.spec import Spec

LENET, CNN = Spec("lenet"), Spec("cnn")
FEW = {"images": 2}
STUDY = StudyEntry(
    name="own",
    build="benchmark.studies.data:compute",
    summary="a study",
    figures="1",
    subjects=(("mnist", LENET), ("cifar10", CNN)),
    defaults={"samples": 100, "eps": (0.1, 0.2), "source": "8", "adaptive": True},
    quick={"samples": 10},
)


@pytest.mark.parametrize(
    ("dataset", "network", "subjects"),
    [
        (None, None, STUDY.subjects),
        ("mnist", None, (("mnist", LENET),)),
        ("digits", None, (("digits", LENET), ("digits", CNN))),
        (None, CNN, (("cifar10", CNN),)),
        ("mnist", CNN, (("mnist", CNN),)),
        ("digits", LENET, (("digits", LENET),)),
    ],
)
def test_subjects_are_narrowed_or_replaced(
    dataset: str | None, network: Spec | None, subjects: Any
) -> None:
    assert make_request(STUDY, dataset, network).subjects == subjects


def test_parameters_have_the_type_of_their_default() -> None:
    request = make_request(STUDY, params={"eps": 0.3, "source": 5, "samples": 7})
    assert request["eps"] == (0.3,) and request["source"] == "5" and request["samples"] == 7
    assert make_request(STUDY, quick=True)["samples"] == 10
    assert make_request(STUDY, quick=True, params={"samples": 20})["samples"] == 20


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sample", 1, "did you mean 'samples'"),
        ("samples", 1.5, "samples: expected an integer"),
        ("samples", "many", "samples: expected a number"),
        ("eps", "big", "eps: expected a number"),
        ("adaptive", 1, "adaptive: expected true or false"),
    ],
)
def test_bad_parameters_raise(name: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_request(STUDY, params={name: value})


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_whole(name: str) -> None:
    study = STUDIES[name]
    assert callable(load_compute(study)) and callable(load_draw(study))
    assert study.subjects and study.summary and set(study.quick) <= set(study.defaults)


def test_data_counts_classes_and_keeps_official_indices(tmp_path: Path) -> None:
    request = make_request(STUDIES["data"], "digits", LENET, {"images": 6})
    folder = run_study("data", request, tmp_path / "data").folder
    test = load_images("digits", "test")
    classes = pd.read_csv(folder / "classes.csv", dtype={"class": str})
    counted = classes[classes["split"] == "test"].set_index("class")["images"]
    assert counted.sum() == len(test)
    assert [counted[c] for c in test.classes] == list(np.bincount(test.y))
    assert classes.groupby("split")["share"].sum().tolist() == pytest.approx([1, 1])
    samples = pd.read_csv(folder / "samples.csv", dtype={"class": str})
    first = samples[(samples["split"] == "test") & (samples["choice"] == "first")]
    assert list(first["id"]) == list(test.ids[:6])
    with np.load(folder / "arrays.npz") as arrays:
        sheet = arrays["digits.test.first"]
    assert np.abs(sheet / 255 - test.x[:6]).max() <= 0.5 / 255 + 1e-6
    assert (folder / "sheet-digits-test-first.png").stat().st_size > 5000


def test_a_finished_study_is_reused_and_a_changed_one_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first = make_request(STUDIES["data"], "digits", LENET, FEW)
    assert not run_study("data", first, folder).reused
    assert run_study("data", first, folder).reused
    other = make_request(STUDIES["data"], "digits", LENET, {"images": 3})
    assert not run_study("data", other, folder).reused
    assert json.loads((folder / "study.json").read_text())["params"]["images"] == 3
    (folder / "study.json").write_text("{broken")
    with pytest.raises(InputError, match="nor the folder of a study"):
        (folder / "study.json").unlink()
        run_study("data", other, folder)


def test_a_study_that_raises_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    run_study("data", make_request(STUDIES["data"], "digits", LENET, FEW), folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def broken(findings: Any, folder: Path) -> None:
        (folder / "half.csv").write_text("half")
        raise RuntimeError("no")

    monkeypatch.setattr(studies_run, "_write", broken)
    with pytest.raises(RuntimeError):
        run_study("data", make_request(STUDIES["data"], "digits", LENET, {"images": 3}), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir() if p.is_dir() and p.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["dat"], "unknown study 'dat' (did you mean 'data'?)"),
        (["data", "--set", "images=x"], "images: expected a number"),
        (["data", "--samples", "5"], "unknown parameter of the study 'samples'"),
        (["data", "--dataset", "nothing"], "unknown data set 'nothing'"),
        (["data", "--network", "nothing"], "unknown network 'nothing'"),
    ],
)
def test_bad_input_is_one_line(bench: Any, args: list[str], message: str, tmp_path: Path) -> None:
    where = () if "--dataset" in args else ("--dataset", "digits")
    code, out = bench("study", *args, *where, "--out", str(tmp_path / "x"))
    assert code == 2
    assert message in out and "Traceback" not in out
    assert not (tmp_path / "x").exists()


def test_the_command_names_its_files(bench: Any, tmp_path: Path) -> None:
    out = ("--quick", "--set", "images=2", "--out", str(tmp_path / "d"))
    args = ("study", "data", "--dataset", "digits", *out)
    code, out = bench(*args)
    assert code == 0 and "classes.csv" in out and "sheet-digits-test-first.png" in out
    code, out = bench(*args)
    assert code == 0 and "reused" in out

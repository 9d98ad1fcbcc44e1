"""`bench export` and `bench run --log`: what people type, and what they read when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reports.exports.trackers import TRACKERS, give_to_trackers

RUN = ("run", "--grid", "quick", "--dataset", "digits", "--network", "lenet")
RUN += ("--attack", "fgsm:eps=0.1", "--defence", "none", "--threat", "oblivious")
RUN += ("--samples", "8", "--threads", "1")


def test_both_formats(bench: Any, tmp_path: Path) -> None:
    code, out = bench(*RUN, "--attack", "autoattack:eps=8/255", "--out", "r")
    assert code == 0, out
    code, out = bench("export", "r", "--format", "robustbench", "--eps", "8/255")
    assert code == 0 and json.loads(out)["eps"] == "8/255"
    assert bench("export", "r", "--format", "model-card", "--out", "card.md") == (0, "")
    assert Path("card.md").read_text().startswith("---\nmodel-index:\n- name: LeNet\n")
    code, out = bench("export", "r", "--format", "model-card", "--network", "x")
    assert code == 2 and "no network 'x'; choose one with --network: lenet" in out
    code, out = bench("export", "r", "--format", "robustbench", "--eps", "many")
    assert code == 2 and "expected a number" in out


def test_a_folder_that_is_no_run(bench: Any) -> None:
    code, out = bench("export", "nowhere", "--format", "model-card")
    assert code == 2 and "nowhere: no such directory; name one that bench run wrote" in out


def test_unknown_and_missing_trackers_are_told_before_any_work(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out = bench(*RUN, "--out", "r", "--log", "mlfow")
    assert code == 2 and "did you mean 'mlflow'" in out
    monkeypatch.setattr("reports.exports.trackers.find_spec", lambda name: None)
    code, out = bench(*RUN, "--out", "r", "--log", "wandb")
    assert code == 2 and "pip install 'art-bench[wandb]'" in out
    assert not Path("r").exists()


def test_a_tracker_that_fails_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is no run, so that reading it fails; any other error goes the same way."""
    lines: list[str] = []
    give_to_trackers(TRACKERS, tmp_path / "gone", lines.append)
    assert [line.split(" failed")[0] for line in lines] == [
        "warning: --log mlflow",
        "warning: --log wandb",
    ]
    assert all(line.endswith(f"the results are in {tmp_path}/gone") for line in lines)


@pytest.mark.slow
def test_a_run_is_logged(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/m.db")
    code, out = bench(*RUN, "--out", "r", "--log", "mlflow")
    assert code == 0 and "logged: MLflow run " in out, out
    # the store's place cannot be written
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/none/m.db")
    code, out = bench(*RUN, "--out", "r2", "--log", "mlflow")
    assert code == 0 and "warning: --log mlflow failed" in out
    assert Path("r2/report.html").is_file()

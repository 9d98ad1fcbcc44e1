"""Exports of a run: RobustBench's JSON, a model card, and what trackers get."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.grids.model import Grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from reports.errors import TableError
from reports.exports.model_card import model_card
from reports.exports.record import eps_text, metric_name, read_record
from reports.exports.robustbench import model_info
from reports.results.read_write import read_results


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with AutoAttack, FGSM, an attack without a bound, and a defence."""
    out = tmp_path_factory.mktemp("runs") / "a run"
    grid = Grid.model_validate(
        {
            "name": "exports",
            "datasets": ["digits"],
            "networks": ["lenet"],
            "attacks": [
                {"name": "autoattack", "eps": 8 / 255},
                {"name": "fgsm", "eps": [0.0, 8 / 255, 0.2]},
                "deepfool",
            ],
            "threats": ["oblivious"],
            "defences": ["none", {"name": "jpeg", "quality": 50}],
            "samples": 12,
        }
    )
    run(grid, RunOptions(out=out, threads=1))
    return out


def test_robustbench(directory: Path) -> None:
    info = json.loads(model_info(read_record(directory)))
    table = read_results(directory)
    row = table[(table["attack"] == "autoattack") & (table["defence"] == "none")].iloc[0]
    assert info["autoattack_acc"] == f"{100 * row['accuracy']:.2f}"
    assert info["clean_acc"] == f"{100 * row['clean_accuracy']:.2f}"
    assert (info["dataset"], info["eps"], info["name"]) == ("digits", "8/255", "LeNet")
    assert "12 images, Wilson 95 % interval" in info["footnote"]
    assert info["link"] is None and info["number_forward_passes"] == 1
    with pytest.raises(TableError, match=r"no such budget; choose one of: --norm inf --eps 8/255"):
        model_info(read_record(directory), eps=0.5)


@pytest.mark.slow
def test_robustbench_has_these_fields(directory: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "autoattack" not in sys.modules:
            reason = "needs the extra robustbench"
            sys.modules["autoattack"] = pytest.importorskip("pyautoattack", reason=reason)
        pytest.importorskip("robustbench", reason="needs the extra robustbench")
        known = importlib.import_module("robustbench.utils").ModelInfo
    info = json.loads(model_info(read_record(directory)))
    # written by hand in its files: these two are not of the class
    assert set(info) - {"external", "unreliable"} <= {field.name for field in fields(known)}
    known(**{k: v for k, v in info.items() if k not in ("external", "unreliable")})


def test_a_run_without_autoattack_is_refused(directory: Path, tmp_path: Path) -> None:
    table = (directory / "results.csv").read_text().splitlines()
    (tmp_path / "results.csv").write_text(
        "\n".join(line for line in table if "autoattack" not in line) + "\n"
    )
    with pytest.raises(TableError, match=r"no row of autoattack without a defence; run it with"):
        model_info(read_record(tmp_path))


def test_model_card(directory: Path) -> None:
    card = model_card(read_record(directory))
    _, metadata, section = card.split("---\n", 2)
    (entry,) = yaml.safe_load(metadata)["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "LeNet"
    assert result["dataset"] == {"name": "digits", "type": "digits", "split": "test"}
    by_name = {metric["name"]: metric for metric in result["metrics"]}
    worst = read_record(directory).worst
    assert worst is not None
    for eps, text in ((0.2, "0.2"), (8 / 255, "8/255")):
        chosen = yaml.safe_load(model_card(read_record(directory), "Linf", eps).split("---\n")[1])[
            "model-index"
        ][0]["results"][0]["metrics"]
        row = worst[(worst["eps"].round(6) == round(eps, 6)) & (worst["defence"] == "none")].iloc[0]
        (metric,) = [
            m for m in chosen if m["name"] == f"Worst accuracy, Linf, eps {text}, no defence"
        ]
        assert metric["value"] == pytest.approx(row["accuracy"])
        assert metric["args"]["images"] == 12
    assert by_name["Accuracy without attack, JPEG 50"]["value"] == 1.0
    assert "Worst accuracy, L2, any size, no defence" in by_name
    assert "| nothing | no defence | 100.0% |" in section
    assert section.startswith("\n## Adversarial robustness\n")


@pytest.mark.slow
def test_the_hub_reads_the_card(directory: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="needs the extra huggingface")
    card = hub.ModelCard(model_card(read_record(directory)))
    results = card.data.eval_results
    assert {r.task_type for r in results} == {"image-classification"}
    assert {r.metric_type for r in results} == {"accuracy"}
    assert len(results) == card.content.count("type: accuracy")


def test_one_network_is_chosen(directory: Path, tmp_path: Path) -> None:
    text = (directory / "results.csv").read_text()
    lines = text.splitlines()
    more = [line.replace(",lenet,", ",mine:net,") for line in lines[1:]]
    (tmp_path / "results.csv").write_text("\n".join([*lines, *more]) + "\n")
    record = read_record(tmp_path)
    with pytest.raises(
        TableError, match="several networks; choose one with --network: lenet, mine:net"
    ):
        record.only(None, None)
    assert set(record.only("mine:net", None).table["network"]) == {"mine:net"}
    with pytest.raises(TableError, match="no network 'alexnet'"):
        record.only("alexnet", None)
    # labels are names too
    assert set(read_record(directory).only("LeNet", "digits").table["network"]) == {"lenet"}


def test_metrics_and_parameters(directory: Path) -> None:
    record = read_record(directory)
    metrics = record.metrics()
    table = read_results(directory)
    assert len([name for name in metrics if name.startswith("accuracy/")]) == len(table)
    assert metrics["clean_accuracy/digits/lenet/none"] == 1.0
    row = table[(table["attack"] == "fgsm") & (table["eps"] == 0.2) & (table["quality"] == 50)]
    name = "accuracy/digits/lenet/jpeg quality 50/fgsm eps 0.2/oblivious"
    assert metrics[name] == row["accuracy"].item()
    assert "worst_accuracy/digits/lenet/none/Linf eps 0.2" in metrics
    assert record.parameters()["network"] == "lenet"
    assert {path.name for path in record.artifacts()} == {
        "results.csv", "worst_case.csv", "manifest.json", "report.html",
    }  # fmt: skip


def test_texts() -> None:
    assert [eps_text(v) for v in (8 / 255, 0.1, 0.2, 1.0, 0.0314)] == [
        "8/255", "0.1", "0.2", "1", "0.0314",
    ]  # fmt: skip
    assert metric_name("a/hf:/x y[z=1,b=2]/é") == "a/hf:/x y z 1 b 2/_"
    assert len(metric_name("x" * 900)) == 250


@pytest.mark.slow
def test_mlflow(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into a local database, a folder, and the run that is active."""
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    from reports.exports.trackers import log_run, package_of

    mlflow: Any = package_of("mlflow")
    record = read_record(directory)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
        told = log_run("mlflow", directory)
        assert "sqlite:///" in told
        logged = mlflow.get_run(told.split()[2])
        assert logged.data.metrics == pytest.approx(record.metrics())
        assert logged.data.params == record.parameters()
        assert (logged.info.status, logged.info.run_name) == ("FINISHED", "a run")
        assert mlflow.get_experiment(logged.info.experiment_id).name == "art-bench"
        kept = mlflow.artifacts.download_artifacts(run_id=logged.info.run_id)
        assert (Path(kept) / "results.csv").read_bytes() == (directory / "results.csv").read_bytes()
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}/store")
        with mlflow.start_run(run_name="mine") as mine:
            told = log_run("mlflow", directory)
        assert mine.info.run_id in told
        assert mlflow.get_run(mine.info.run_id).data.metrics == pytest.approx(record.metrics())


@pytest.mark.slow
def test_wandb(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline: everything lies in one file of a folder, which `wandb sync` sends later."""
    wandb = pytest.importorskip("wandb", reason="needs the extra wandb")
    from reports.exports.trackers import log_run

    exit_before = sys.exit
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = log_run("wandb", directory)
    assert sys.exit is exit_before
    # its service writes in a process of its own, which ends with the program
    wandb.teardown()
    folder = Path(told.removeprefix("Weights & Biases: "))
    assert folder.is_relative_to(tmp_path)
    (file,) = folder.parent.glob("*.wandb")
    content = file.read_bytes()
    for text in ("clean_accuracy/digits/lenet/none", "results-a-run", "worst_accuracy"):
        assert text.encode() in content

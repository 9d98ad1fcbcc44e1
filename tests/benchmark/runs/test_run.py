"""End to end on the embedded digits: files, bytes, resume, rows that are not numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torchvision

from benchmark import load_grid, run_grid
from benchmark.attacks.noise import random_signs
from benchmark.attacks.steps import craft as crafting
from benchmark.execution import chunk as evaluate
from benchmark.execution.environment import default_threads
from benchmark.execution.progress import Progress
from benchmark.execution.threads import measured_threads
from benchmark.grids.model import Grid
from benchmark.grids.overrides import narrowed
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.errors import InputError
from reports.results.columns import COLUMNS
from reports.results.read_write import read_results

DEFENCES = ["none", "quantize", {"name": "jpeg", "quality": [50, 10]}]
SMALL = {
    "name": "small",
    "defences": DEFENCES,
    "samples": 130,
    "blocks": [
        {
            "attacks": [
                {"name": "fgsm", "eps": [0, 0.1, 0.9]},
                {"name": "fgm", "eps": [0, 1]},
                {"name": "noise", "eps": [0, 0.1, 0.9]},
            ]
        },
        {
            "attacks": [
                {"name": "pgd", "eps": [0, 0.1], "max_iter": 10},
                {"name": "cw", "max_iter": 30, "binary_search_steps": 4},
            ],
            "samples": 20,
        },
    ],
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run of every attack, both threats."""
    directory = tmp_path_factory.mktemp("small")
    run(Grid(**SMALL), RunOptions(out=directory, threads=2))
    return directory


@pytest.fixture(scope="module")
def table(small: Path) -> pd.DataFrame:
    return read_results(small)


def test_files_and_columns(small: Path, table: pd.DataFrame) -> None:
    names = {path.name for path in small.iterdir()}
    assert {"results.csv", "timings.csv", "predictions.parquet", "manifest.json"} <= names
    assert {"report.html", "audit.csv", "worst_case.csv", "plots", "gallery"} <= names
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == (8 * 4 + 3 * 4) * 2
    assert set(table["status"]) == {"ok"}
    assert table["cell"].is_unique
    assert not any(name.endswith(".part") for name in names)


def test_numbers_hang_together(table: pd.DataFrame) -> None:
    assert (table["accuracy"] == table["correct"] / table["n"]).all()
    assert (table["accuracy_low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["accuracy_high"]).all()
    assert (table["over_budget"] == 0).all()
    # eps 0 is clean accuracy, exactly
    still = table[table["eps"] == 0]
    assert len(still) > 20
    assert (still["correct"] == still["clean_correct"]).all()
    assert (still["linf_max"] == 0).all()
    # norms stay within the budget
    for norm, column in (("inf", "linf_max"), ("2", "l2_max")):
        bound = table[(table["norm"] == norm) & table["eps"].notna()]
        assert (bound[column] <= bound["eps"] * (1 + 1e-5) + 1e-6).all()


def test_attacks_work_and_the_control_does_not(table: pd.DataFrame) -> None:
    bare = table[(table["defence"] == "none") & (table["threat"] == "oblivious")]
    accuracy = bare.set_index(["attack", "eps"])["accuracy"]
    assert accuracy["fgsm", 0.0] > 0.95
    assert accuracy["fgsm", 0.9] < 0.3
    assert accuracy["noise", 0.1] > 0.9
    assert accuracy["fgsm", 0.1] < accuracy["noise", 0.1] - 0.2
    name = next(a for a in bare["attack"] if a.startswith("pgd"))
    assert accuracy[name, 0.1] <= accuracy["fgsm", 0.1] + 0.05
    carlini = bare[bare["attack"].str.startswith("cw")].iloc[0]
    assert carlini["success_rate"] == 1.0
    assert pd.isna(carlini["eps"])
    assert 0 < carlini["l2_mean"] < 3


def test_adaptive_without_defence_is_oblivious(table: pd.DataFrame) -> None:
    bare = table[table["defence"] == "none"].drop(columns=["cell"])
    sides = [
        bare[bare["threat"] == t].drop(columns="threat").reset_index(drop=True)
        for t in ("oblivious", "adaptive")
    ]
    pd.testing.assert_frame_equal(*sides)


def test_the_adaptive_attacker_is_stronger_behind_jpeg(table: pd.DataFrame) -> None:
    # the smallest perturbation does not survive a JPEG that the attacker did not expect
    jpeg = table[table["attack"].str.startswith("cw") & (table["quality"] == 10)]
    accuracy = jpeg.set_index("threat")["accuracy"]
    assert accuracy["oblivious"] > 0.9
    assert accuracy["adaptive"] < 0.5


def test_predictions_recompute_the_table(small: Path, table: pd.DataFrame) -> None:
    predictions = pd.read_parquet(small / "predictions.parquet")
    hits = predictions["adversarial"] == predictions["label"]
    counted = hits.groupby(predictions["cell"].astype(str)).agg(["sum", "size"])
    joined = table.set_index("cell").join(counted)
    assert (joined["sum"] == joined["correct"]).all()
    assert (joined["size"] == joined["n"]).all()


def test_manifest_says_where_the_numbers_come_from(small: Path) -> None:
    manifest = json.loads((small / "manifest.json").read_text())
    assert manifest["cells"] == 88
    assert manifest["grid"]["name"] == "small"
    assert len(manifest["data"]["digits"]["sha256"]) == 64
    assert len(manifest["weights"]["digits/lenet"]["sha256"]) == 64
    assert {"python", "torch", "adversarial-robustness-toolbox"} <= set(manifest["versions"])


@pytest.mark.slow
def test_same_bytes_whatever_the_threads(small: Path, tmp_path: Path) -> None:
    run(Grid(**SMALL), RunOptions(out=tmp_path / "again", threads=1))
    for name in ("results.csv", "predictions.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (small / name).read_bytes(), name


@pytest.mark.slow
def test_continues_what_is_missing(tmp_path: Path) -> None:
    grid = narrowed(Grid(**SMALL), threats=["oblivious"], samples=30)
    whole = run(grid, RunOptions(out=tmp_path / "whole"))
    assert whole.reused == 0
    calls = []

    # Ctrl-C reaches the main thread
    def stop(*_: object) -> None:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(grid, RunOptions(out=tmp_path / "cut", progress=Progress(advanced=stop)))
    rest = run(grid, RunOptions(out=tmp_path / "cut"))
    assert 0 < rest.reused < len(rest.table)
    for name in ("results.csv", "predictions.parquet"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    again = run(grid, RunOptions(out=tmp_path / "cut"))
    assert again.reused == len(again.table)


def test_a_target_that_the_data_lack_is_reported_before_anything_runs(tmp_path: Path) -> None:
    attacks = [{"name": "fgsm", "eps": 0.1, "targeted": True, "target": 10}]
    with pytest.raises(InputError, match="expected target `next` or a class below 10"):
        run(Grid(name="g", attacks=attacks), RunOptions(out=tmp_path / "r"))
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_one_bad_cell_does_not_end_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = crafting.craft

    def craft(attacks, *rest):  # type: ignore[no-untyped-def]
        if attacks[0].name == "fgm":
            raise ZeroDivisionError("made up")
        return honest(attacks, *rest)

    monkeypatch.setattr(evaluate, "craft", craft)
    grid = narrowed(Grid(**SMALL), threats=["oblivious"], samples=20)
    result = run(grid, RunOptions(out=tmp_path / "r"))
    assert set(result.failed["attack"]) == {"fgm"}
    assert set(result.failed["reason"]) == {"ZeroDivisionError: made up"}
    assert result.failed["accuracy"].isna().all()
    assert "Traceback" in (tmp_path / "r" / "failures.log").read_text()
    assert len(result.table) == 44
    monkeypatch.setattr(evaluate, "craft", honest)
    assert len(run(grid, RunOptions(out=tmp_path / "r")).failed) == 8
    retried = run(grid, RunOptions(out=tmp_path / "r", retry_failed=True))
    assert len(retried.failed) == 0
    assert retried.reused == 36


def test_missing_data_are_rows(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(root: str, train: bool, download: bool) -> None:
        raise RuntimeError("no network")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", offline)
    grid = tmp_path / "g.yaml"
    grid.write_text("{datasets: [digits, cifar10], samples: 10, attacks: [{name: fgsm, eps: 0.1}]}")
    code, out = bench("run", "--grid", str(grid), "--out", "r")
    assert code == 3
    assert "skipped: 2 cells" in out
    rows = read_results(tmp_path / "r")
    assert list(rows["status"]) == ["ok", "ok", "skipped", "skipped"]
    assert rows["reason"].str.contains("cifar10.npz").sum() == 2


def test_command_line_runs_quick(bench, tmp_path: Path) -> None:
    code, out = bench("run", "--samples", "20", "--attack", "fgsm", "--threat", "adaptive")
    assert code == 0, out
    (directory,) = (tmp_path / "reports" / "runs").iterdir()
    assert directory.name.startswith("quick-")
    assert str(directory.name) in out
    code, out = bench("run", "--samples", "20", "--attack", "fgsm", "--threat", "adaptive")
    assert "reused 35 of 35 cells" in out


def test_baseline_is_checked_first_and_compared(bench, small: Path, tmp_path: Path) -> None:
    args = ("run", "--samples", "10", "--attack", "noise", "--threat", "oblivious", "--out", "r")
    code, out = bench(*args, "--baseline", "nowhere.csv")
    assert code == 2
    assert "no such file" in out
    assert not (tmp_path / "r").exists()
    code, out = bench(*args)
    assert code == 0
    code, out = bench(*args, "--baseline", "r/results.csv")
    assert code == 0, out
    assert "baseline" in (tmp_path / "r" / "report.html").read_text().lower()


def test_a_baseline_of_other_images_costs_no_page(bench, tmp_path: Path) -> None:
    args = ["run", "--samples", "10", "--attack", "noise", "--threat", "oblivious"]
    code, out = bench(*args, "--out", "old")
    assert code == 0, out
    old = pd.read_csv("old/results.csv", dtype=str, keep_default_na=False)
    old.assign(data_sha256="0" * 64).to_csv("other.csv", index=False)
    code, out = bench(*args, "--out", "new", "--baseline", "other.csv")
    assert code == 0, out
    assert "warning: the page has no comparison: " in out
    assert (tmp_path / "new" / "report.html").is_file()


def test_from_python() -> None:
    grid = narrowed(load_grid("quick"), attacks=(), samples=10, threats=["oblivious"])
    grid.blocks = grid.blocks[:1]
    rows = run_grid(grid)
    assert len(rows) == 21 * 5
    assert (rows["n"] == 10).all()


def test_any_attack_of_art_by_dotted_name(tmp_path: Path) -> None:
    name = "art.attacks.evasion.BasicIterativeMethod"
    grid = Grid(
        name="dotted",
        attacks=[{"name": name, "eps": 0.1, "eps_step": 0.02, "max_iter": 10}],
        defences=["none", {"name": "jpeg", "quality": 50}],
        samples=30,
    )
    table = run(grid, RunOptions(out=tmp_path / "r")).table
    assert (table["accuracy"] < 0.9).all()
    assert (table["linf_max"] < 0.1001).all()
    assert table["attack"].str.startswith(name).all()


@pytest.mark.slow
def test_arts_own_classes_give_the_same_rows(tmp_path: Path, table: pd.DataFrame) -> None:
    """`engine: stock` is one word away; the numbers of FGSM, FGM and PGD are those of ART."""
    blocks = [
        SMALL["blocks"][0],
        {**SMALL["blocks"][1], "attacks": [SMALL["blocks"][1]["attacks"][0]]},
    ]
    stock = run(
        Grid(**{**SMALL, "blocks": blocks, "engine": "stock"}), RunOptions(out=tmp_path / "r")
    ).table
    columns = ["n", "clean_correct", "correct", "success_rate", "linf_max", "l2_mean"]
    ours = table[~table["attack"].str.startswith("cw")].reset_index(drop=True)
    assert len(ours) == len(stock)
    assert (ours["eps"] == stock["eps"]).all()
    pd.testing.assert_frame_equal(ours[columns], stock[columns], rtol=1e-6)


def test_targeted_carlini_reaches_its_target(tmp_path: Path) -> None:
    grid = Grid(
        name="t",
        attacks=[{"name": "cw", "targeted": True, "target": "next", "max_iter": 100}],
        samples=20,
    )
    row = run(grid, RunOptions(out=tmp_path / "r")).table.iloc[0]
    assert row["success_rate"] == 1.0
    predictions = pd.read_parquet(tmp_path / "r" / "predictions.parquet")
    right = predictions["clean"] == predictions["label"]
    assert (predictions["adversarial"] == (predictions["label"] + 1) % 10)[right].all()


def test_threads_are_measured(digits, digits_lenet) -> None:
    assert 1 <= measured_threads(digits_lenet, digits, "cpu") <= default_threads("cpu")
    assert measured_threads(digits_lenet, digits, "cuda") == 1


def test_noise_depends_on_seed_and_image_alone() -> None:
    ids = np.array([5, 9, 2])
    signs = random_signs((1, 8, 8), ids, seed=1)
    assert set(np.unique(signs)) == {-1, 1}
    assert np.array_equal(random_signs((1, 8, 8), ids[1:], seed=1), signs[1:])
    assert not np.array_equal(random_signs((1, 8, 8), ids, seed=2), signs)


BAD_COMMANDS = {
    "attack": (["--attack", "fgs"], "did you mean 'fgsm'"),
    "threat": (["--threat", "blind"], "unknown threat"),
    "data set": (["--dataset", "minst"], "did you mean 'mnist'"),
    "network": (["--network", "lennet"], "did you mean 'lenet'"),
    "samples": (["--samples", "-4"], "--samples"),
    "many samples": (["--samples", "501"], "has 500 images"),
    "eps": (["--attack", "fgsm:eps=-1"], "expected eps to be"),
    "grid": (["--grid", "fulll"], "did you mean 'full'"),
    "device": (["--device", "tpu"], "known: auto, cpu, cuda"),
    "threads": (["--threads", "0"], "threads"),
    "channels": (["--dataset", "npz:own.npz", "--network", "resnet"], "test split"),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_bad_command_lines(bench, npz, tmp_path: Path, case: str) -> None:
    npz()
    options, message = BAD_COMMANDS[case]
    code, out = bench("run", *options)
    assert code == 2, out
    assert message in out
    assert len(out.strip().splitlines()) == 1, out
    assert "Traceback" not in out
    assert not (tmp_path / "reports").exists()


def test_unwritable_output(bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, out = bench("run", "--samples", "10", "--attack", "noise", "--out", "file/below")
    assert code == 2
    assert "cannot be written" in out


def test_summary_prints_the_paper_s_table(bench) -> None:
    code, out = bench("summary", "--network", "lenet", "--dataset", "mnist")
    assert code == 0
    assert "61,706" in out.splitlines()[-3]
    assert "Conv2d" in out


def test_train_and_list(bench, tmp_path: Path) -> None:
    args = ("train", "--network", "lenet", "--dataset", "digits", "--epochs", "1")
    code, out = bench(*args, "--out", "w.safetensors")
    assert code == 0, out
    assert {"w.safetensors", "w.history.csv", "w.curves.png"} <= {
        p.name for p in tmp_path.iterdir()
    }
    code, out = bench(*args, "--out", "w.safetensors")
    assert "trained before" in out
    kinds = {
        "attacks": ("fgsm", "cw-art"),
        "defences": ("jpeg",),
        "datasets": ("cifar10",),
        "grids": ("quick",),
        "threats": ("adaptive",),
        "studies": ("first-error",),
    }
    for kind, names in kinds.items():
        code, out = bench("list", kind)
        assert code == 0
        assert all(name in out for name in names)

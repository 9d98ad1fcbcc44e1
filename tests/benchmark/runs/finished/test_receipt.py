"""The receipt of a finished run: what it answers, and everything that it must notice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.execution import environment
from benchmark.grids.model import Grid, load_grid
from benchmark.grids.overrides import narrowed
from benchmark.runs.finished import receipt, sources
from benchmark.runs.finished.complete import asked_of
from benchmark.runs.finished.receipt import FILE, asked, finished, write_receipt
from benchmark.runs.finished.result import Result
from benchmark.runs.lock import hold
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.networks.cache_folder import default_cache
from estimators.spec import Spec
from estimators.training.checkpoints import shipped_file

DEFAULTS = {"device": "auto", "trust_pickle": False, "data_dir": None}


def options(**own: Any) -> dict[str, Any]:
    """Options as the command line gives them."""
    names = ("out", "threads", "batch", "memory", "workers", "scheduler", "baseline")
    return {**dict.fromkeys(names), "log": (), "save_adversarial": False, **DEFAULTS, **own}


def grid_of(data: str, network: Any = "lenet", attack: Any = None) -> Grid:
    attack = attack or {"name": "fgsm", "eps": [0.1]}
    content = {"datasets": [data], "networks": [network], "attacks": [attack], "samples": 20}
    return load_grid({**content, "threats": ["oblivious"]}, allow_import=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits: Images) -> tuple[Path, Path, Path]:
    """A finished run of a data file and a file of weights: the three paths."""
    folder = tmp_path_factory.mktemp("finished")
    data, weights = folder / "data.npz", folder / "lenet.safetensors"
    np.savez(data, x_test=digits.pixels[:200], y_test=digits.y[:200], x_train=digits.pixels[200:],
             y_train=digits.y[200:])  # fmt: skip
    shutil.copy(shipped_file("digits", Spec("lenet")), weights)
    run(ours(data, weights), RunOptions(out=folder / "run"))
    return folder / "run", data, weights


def ours(data: Path, weights: Path) -> Grid:
    return grid_of(f"npz:{data}", {"name": "lenet", "weights": str(weights)})


Case = tuple[Path, Path, Path]


@pytest.fixture
def case(made: Case, tmp_path: Path) -> Case:
    """The run in a directory of its own; data and weights are put back afterwards."""
    out, *files = made
    shutil.copytree(out, tmp_path / "run")
    before = [(file, file.read_bytes()) for file in files]
    yield (tmp_path / "run", *files)
    for file, content in before:
        file.write_bytes(content)


def test_the_result_is_that_of_the_whole_run(case: Case) -> None:
    out, data, weights = case
    quick = finished(ours(data, weights), out, options())
    whole = run(ours(data, weights), RunOptions(out=out))
    assert quick is not None
    assert quick.table.astype(str).equals(whole.table.astype(str))
    assert quick.findings.astype(str).equals(whole.findings.astype(str))
    assert (quick.reused, list(quick.unplotted)) == (whole.reused, list(whole.unplotted))
    assert not len(quick.failed) and not len(quick.skipped) and not quick.unproved


def test_the_command_is_answered_without_torch(bench, tmp_path: Path) -> None:
    args = ["run", "--samples", "20", "--attack", "fgsm:eps=0.1", "--defence", "none"]
    args += ["--out", str(tmp_path / "r")]
    assert bench(*args)[0] == 0
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "r").rglob("*") if p.name != "run.lock"}
    code = (
        "import sys; sys.modules['torch'] = sys.modules['matplotlib'] = None;"
        "from benchmark.cli import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=True
    )
    assert "reused 2 of 2 cells" in done.stdout
    assert done.stdout.splitlines() == bench(*args)[1].splitlines()
    assert times == {p: p.stat().st_mtime_ns for p in times}


def changed(path: Path) -> None:
    """Flip one bit; size and time of the file stay."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


CHANGES: dict[str, Callable[[Path, Path, Path], None]] = {
    "data": lambda out, data, weights: changed(data),
    "data gone": lambda out, data, weights: data.unlink(),
    "weights": lambda out, data, weights: changed(weights),
    "table": lambda out, data, weights: changed(out / "results.csv"),
    "predictions": lambda out, data, weights: changed(out / "predictions.parquet"),
    "store": lambda out, data, weights: changed(out / "store.sqlite"),
    "store gone": lambda out, data, weights: (out / "store.sqlite").unlink(),
    "store in use": lambda out, data, weights: (out / "store.sqlite-wal").write_bytes(b""),
    "manifest": lambda out, data, weights: changed(out / "manifest.json"),
    "page gone": lambda out, data, weights: (out / "report.html").unlink(),
    "plots gone": lambda out, data, weights: shutil.rmtree(out / "plots"),
    "a picture": lambda out, data, weights: changed(next((out / "gallery").glob("*.png"))),
    "no receipt": lambda out, data, weights: (out / FILE).unlink(),
    "torn receipt": lambda out, data, weights: (out / FILE).write_text("{"),
    "empty receipt": lambda out, data, weights: (out / FILE).write_text("{}"),
    "list": lambda out, data, weights: (out / FILE).write_text("[]"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_a_file_is_noticed(case: Case, what: str) -> None:
    out, data, weights = case
    grid = ours(data, weights)
    assert finished(grid, out, options()) is not None
    CHANGES[what](*case)
    assert finished(grid, out, options()) is None


def test_the_whole_run_mends_and_writes_the_receipt_again(case: Case) -> None:
    out, data, weights = case
    (out / "report.html").unlink()
    changed(out / "results.csv")
    run(ours(data, weights), RunOptions(out=out))
    assert (out / "report.html").is_file()
    assert finished(ours(data, weights), out, options()) is not None


def test_other_software_is_noticed(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    out, *files = case
    real = environment.version
    for name in ("torch", "numba", "numpy", "Pillow", "scikit-learn"):
        other = lambda of, name=name: "0.0.1" if of == name else real(of)  # noqa: E731
        with monkeypatch.context() as patch:
            patch.setattr(environment, "version", other)
            assert finished(ours(*files), out, options()) is None, name
    with monkeypatch.context() as patch:
        patch.setattr(sources.platform, "python_version", lambda: "3.99")
        assert finished(ours(*files), out, options()) is None
    code = dict(sources._code())
    assert "estimators/weights/digits-lenet.safetensors" in code
    assert "benchmark/grids/quick.yaml" in code and "reports/page/page.py" in code
    with monkeypatch.context() as patch:
        patch.setattr(sources, "_code", lambda: {**code, "benchmark/threats.py": "0"}.items())
        assert finished(ours(*files), out, options()) is None
    assert finished(ours(*files), out, options()) is not None


@pytest.mark.parametrize(
    "own",
    [{"device": "cpu"}, {"threads": 1}, {"memory": "4GB"}, {"batch": 7}, {"log": ("wandb",)},
     {"save_adversarial": True}, {"baseline": Path("x")}, {"scheduler": "tcp://x:1"},
     {"workers": 2}, {"trust_pickle": True}],
    ids=str,
)  # fmt: skip
def test_other_options_are_another_command(case: Case, own: dict[str, Any]) -> None:
    out, *files = case
    assert finished(ours(*files), out, options(**own)) is None


def test_another_grid_is_another_command(case: Case) -> None:
    out, *files = case
    grid = ours(*files)
    for other in (
        narrowed(grid, samples=21),
        narrowed(grid, seed=1),
        narrowed(grid, attacks=[Spec.of("fgsm", {"eps": 0.2})]),
        grid.model_copy(update={"title": "Other"}),
        grid.model_copy(update={"require": ["accuracy>=0.1"]}),
    ):
        assert finished(other, out, options()) is None


def test_a_held_directory_is_refused_as_by_a_run(case: Case) -> None:
    out, *files = case
    claim = hold(out)
    try:
        with pytest.raises(InputError, match="another run holds it"):
            finished(ours(*files), out, options())
    finally:
        claim.release()


def test_the_receipt_names_no_path_of_the_machine(case: Case) -> None:
    out, data, _ = case
    text = (out / FILE).read_text()
    assert "results.csv" in json.loads(text)["files"]
    assert str(data) not in text and str(Path.home()) not in text and "run.lock" not in text


def test_a_name_that_leads_out_of_the_directory_is_not_finished(case: Case) -> None:
    out, data, weights = case
    content = json.loads((out / FILE).read_text())
    for name in ("../x", str(data)):
        (out.parent / "x").write_bytes(data.read_bytes())
        hashes = {**content["files"], name: sources.sha256_of(data)}
        (out / FILE).write_text(json.dumps({**content, "files": hashes}))
        assert finished(ours(data, weights), out, options()) is None


@pytest.mark.parametrize(
    "grid",
    [
        grid_of("digits", attack={"name": "art.attacks.evasion:FastGradientMethod", "eps": [0.1]}),
        grid_of("digits", "torchvision:resnet18"),
        grid_of("digits", {"name": "lenet", "weights": "none"}),
        grid_of("json:loads"),
        grid_of("imagefolder:."),
        grid_of("mnist"),
    ],
    ids=["attack", "network", "random weights", "plug-in data", "folder", "missing data"],
)
def test_unknown_inputs_are_never_finished(grid: Grid) -> None:
    assert asked(grid, options()) is None


def test_plug_in_defences_are_never_finished() -> None:
    grid = load_grid({"attacks": [{"name": "fgsm", "eps": 0.1}], "defences": ["json:loads"]}, True)
    assert asked(grid, options()) is None


def test_data_of_torchvision_are_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "t10k-images-idx3-ubyte").write_bytes(b"1")
    first = asked(grid_of("mnist"), options())
    assert first == asked(grid_of("mnist"), options(data_dir=folder))
    (raw / "train-images-idx3-ubyte").write_bytes(b"1")
    second = asked(grid_of("mnist"), options())
    # an archive takes their place
    (folder / "mnist.npz").write_bytes(b"1")
    third = asked(grid_of("mnist"), options())
    assert None not in (first, second, third) and len({first, second, third}) == 3


def test_options_of_python_and_command_ask_the_same(tmp_path: Path) -> None:
    grid = grid_of("digits")
    assert asked_of(grid, RunOptions(out=tmp_path)) == asked(grid, options(out=tmp_path))
    assert asked_of(grid, RunOptions(report=False)) is None


def test_weights_in_the_cache_are_compared(case: Case) -> None:
    out, *files = case
    grid = ours(*files)
    cached = default_cache() / "0123.safetensors"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"weights")
    result, now = finished(grid, out, options()), asked(grid, options())
    assert result is not None
    write_receipt(result, now, now, [cached])
    assert finished(grid, out, options()) is not None
    changed(cached)
    assert finished(grid, out, options()) is None
    cached.unlink()
    assert finished(grid, out, options()) is None


def test_inputs_that_changed_while_the_run_worked_leave_no_receipt(case: Case) -> None:
    out, *files = case
    grid = ours(*files)
    result, before = finished(grid, out, options()), asked(grid, options())
    assert result is not None and before is not None
    for after in (None, replace(before, sources="other")):
        write_receipt(result, before, before, [])
        write_receipt(result, before, after, [])
        assert not (out / FILE).exists()


def test_failed_and_skipped_rows_leave_no_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no numbers")

    monkeypatch.setattr("benchmark.execution.chunk.craft", broken)
    result: Result = run(grid_of("digits"), RunOptions(out=tmp_path / "r"))
    assert len(result.failed) == 1
    assert not (tmp_path / "r" / FILE).exists()
    assert receipt.finished(grid_of("digits"), tmp_path / "r", options()) is None


def test_runs_in_a_checkout_are_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("reports/table.py", "reports/runs/quick/results.csv", "estimators/weights.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    assert [name for name, _ in sources._code()] == ["estimators/weights.bin", "reports/table.py"]

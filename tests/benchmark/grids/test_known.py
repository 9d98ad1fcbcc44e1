"""Names are checked before torch is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.grids.known import check_names
from benchmark.grids.model import Grid, load_grid, shipped_grids
from benchmark.grids.overrides import narrowed
from estimators.errors import InputError
from estimators.spec import parse_spec

# command line: what its error says. None of the commands may import torch or ART
WRONG = {
    "network": (["run", "--network", "lennet"], "did you mean 'lenet'?"),
    "capitals": (["run", "--network", "LENET"], "did you mean 'lenet'?"),
    "network's parameter": (["run", "--network", "lenet:weigths=a"], "did you mean 'weights'?"),
    "weights": (["run", "--network", "lenet:weights=no.pt"], "weights no.pt: no such file"),
    "attack": (["run", "--attack", "pgdd:eps=0.1"], "did you mean 'pgd'?"),
    "attack's parameter": (["run", "--attack", "pgd:epps=0.1"], "did you mean 'eps'?"),
    "images": (["run", "--attack", "images:no.npz"], "no such file"),
    "corruption": (["run", "--attack", "corruption:fogg"], "did you mean 'fog'?"),
    "threat": (["run", "--threat", "adaptiv"], "did you mean 'adaptive'?"),
    "source": (["run", "--threat", "transfer:from=resnett"], "did you mean 'resnet'?"),
    "defence": (["run", "--defence", "jpg:quality=5"], "did you mean 'jpeg'?"),
    "defence's parameter": (["run", "--defence", "jpeg:qualty=5"], "did you mean 'quality'?"),
    "no parameter": (["run", "--defence", "jpeg+smoothing"], "needs the parameter quality"),
    "member": (["run", "--defence", "jpeg+smothing:jpeg.quality=5"], "did you mean 'smoothing'?"),
    "data set": (["run", "--dataset", "mnits"], "did you mean 'mnist'?"),
    "archive": (["run", "--dataset", "npz:no.npz"], "no such file or folder"),
    "photos": (["run", "--dataset", "imagefolder:no[resize=8]"], "no such file or folder"),
    "certificate": (["run", "--certify", "crowm"], "did you mean 'crown'?"),
    "grid": (["run", "--grid", "quik"], "did you mean 'quick'?"),
    "module": (["run", "--network", "nowhere.nets:build"], "No module named 'nowhere'"),
    "submodule": (["run", "--defence", "json.nowhere:x"], "No module named 'json.nowhere'"),
    "no package": (["run", "--attack", "this.that:x"], "'this' is not a package"),
    "file": (["run", "--network", "nets/own.py:build"], "write own:build, and run in the folder"),
    "file here": (["run", "--network", "csv.py:build"], "leave .py out"),
    "device": (["run", "--device", "tpu"], "known: auto, cpu, cuda"),
    "study": (["study", "nois"], "did you mean 'noise'?"),
    "study's parameter": (["study", "noise", "--set", "sampels=1"], "did you mean 'samples'?"),
    "study's network": (["study", "noise", "--network", "lennet"], "did you mean 'lenet'?"),
    "study's data set": (["study", "noise", "--dataset", "mnits"], "did you mean 'mnist'?"),
    "trained": (["train", "--network", "lennet", "--dataset", "digits"], "did you mean 'lenet'?"),
    "trained on": (["train", "--network", "lenet", "--dataset", "digit"], "did you mean 'digits'?"),
    "training": (
        ["train", "--network", "lenet", "--dataset", "digits", "--adversarial", "pgb"],
        "did you mean 'pgd'?",
    ),
    "shown": (["summary", "--network", "lennet"], "did you mean 'lenet'?"),
    "new grid": (["init", "--network", "lennet"], "did you mean 'lenet'?"),
    "new grid on": (["init", "--dataset", "mnits"], "did you mean 'mnist'?"),
    "line": (["speed", "--only", "pgx"], "did you mean 'pgd'?"),
    "anchor": (["anchors", "--weights-dir", ".", "--only", "x"], "unknown network of --only 'x'"),
    "kind": (["list", "atacks"], "did you mean 'attacks'?"),
}
# runs every command line in one process: it prints exit code, message and what was imported
SCRIPT = """
import json, sys
from click.testing import CliRunner
from benchmark.cli import main
for args in json.loads(sys.argv[1]):
    result = CliRunner().invoke(main, args)
    loaded = [name for name in ("torch", "art") if name in sys.modules]
    print(json.dumps([result.exit_code, result.output, loaded, repr(result.exception)]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    """What each command line of WRONG gives, by name."""
    lines = json.dumps([args for args, _ in WRONG.values()])
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, lines]
    where = tmp_path_factory.mktemp("names")
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=where)
    return dict(zip(WRONG, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_name_costs_no_torch(answers: dict[str, list[object]], case: str) -> None:
    code, out, loaded, error = answers[case]
    assert code == 2, error
    assert WRONG[case][1] in str(out)
    # a slow start prints a first sign of life
    assert len(str(out).removeprefix("starting\n").strip().splitlines()) == 1
    assert loaded == []


@pytest.mark.parametrize("name", shipped_grids())
def test_included_grids_have_known_names(name: str) -> None:
    check_names(load_grid(name))


def test_a_plug_in_is_found_and_not_run(module, tmp_path: Path) -> None:
    module("known_nets", "raise RuntimeError('imported')")
    grid = Grid(name="x", networks=["known_nets:build"], attacks=["cw"])
    check_names(grid)
    (tmp_path / "here.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    check_names(narrowed(grid, networks=[parse_spec("here:build")]))
    with pytest.raises(InputError, match="No module named 'known_net'"):
        check_names(narrowed(grid, networks=[parse_spec("known_net:build")]))


def test_every_list_of_a_block_is_checked() -> None:
    for key, bad in (("datasets", "x"), ("networks", "x"), ("defences", "x")):
        grid = Grid(name="x", attacks=["cw"], blocks=[{}, {key: [bad]}])  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"unknown .* 'x'"):
            check_names(grid)


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.attacks.adapters.library.Library.version", "")
    grid = Grid(name="x", attacks=[{"name": "foolbox:LinfPGD", "eps": 0.1}])
    with pytest.raises(InputError, match=r"foolbox is missing; run: pip install '.\[foolbox\]'"):
        check_names(grid)

"""`bench check`, `compare`, `report` and `run` as gates, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up_runs import Write, first, grid, writer

GRID = """
datasets: [digits]
networks: [lenet]
attacks: [{name: fgsm, eps: 0.02}]
threats: [oblivious]
samples: 20
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return writer(tmp_path)


def test_check_ends_with_0_1_or_2(bench, write: Write) -> None:
    run = str(write("a", [({}, first(100, 60))]))
    code, out = bench("check", run, "--require", "accuracy>=0.5")
    assert code == 0 and "1 of 1 requirements met" in out
    code, out = bench("check", run, "--require", "accuracy>=0.55", "--require", "n>=100")
    assert code == 1 and "1 of 2 requirements met" in out
    assert bench("check", run, "--require", "accuracy>=0.55", "--point")[0] == 0
    for bad in ("accurcy>=0.5", "accuracy>=0.5 where attack=pgd"):
        code, out = bench("check", run, "--require", bad)
        assert code == 2 and out.startswith("Error: ") and len(out.splitlines()) == 1
    code, out = bench("check", run)
    assert code == 2 and "nothing is required" in out
    assert bench("check", f"{run}/nowhere", "--require", "n>=1")[0] == 2


@pytest.mark.parametrize("command", ["check", "compare", "report"])
def test_files_are_written_before_a_gate_fails(
    bench, write: Write, tmp_path: Path, command: str
) -> None:
    good = write("a", [({"eps": eps}, first(200, 180)) for eps in (0.0, 0.1)])
    bad = write("b", [({"eps": eps, "over_budget": 9}, first(200, 60)) for eps in (0.0, 0.1)])
    args = {
        "check": [str(bad), "--require", "accuracy>=0.5"],
        "compare": [str(good), str(bad), "--fail-on", "worse"],
        "report": [str(bad), "--fail-on", "audit"],
    }[command]
    names = ("junit", "markdown", "sarif")
    files = {name: tmp_path / f"out.{name}" for name in names}
    code, out = bench(command, *args, *(p for n in names for p in (f"--{n}", str(files[n]))))
    assert code == 1, out
    root = ElementTree.parse(files["junit"]).getroot()
    failures = int(root.get("failures", "0"))
    assert failures > 0 and str(root.get("name")).startswith(f"bench {command}")
    results = json.loads(files["sarif"].read_text())["runs"][0]["results"]
    assert len(results) == failures
    assert files["markdown"].read_text(encoding="utf-8").startswith(f"## bench {command}")
    code, out = bench(command, *args, "--junit", str(tmp_path / "no" / "folder.xml"))
    assert code == 2 and "cannot be written" in out


def test_report_ends_with_1_only_when_asked(bench, write: Write) -> None:
    run = str(write("a", [({"over_budget": 9}, first(200, 60))]))
    assert bench("report", run)[0] == 0
    assert bench("report", run, "--fail-on", "audit")[0] == 1
    fine = str(write("b", [({"over_budget": 0}, first(200, 60))]))
    assert bench("report", fine, "--fail-on", "audit")[0] == 0


def test_compare_of_a_retrained_network(bench, write: Write) -> None:
    a = str(write("a", grid(3, lambda _: first(200, 180))))
    b = str(write("b", grid(3, lambda _: first(200, 100), weights_sha256="w1"), "b"))
    code, out = bench("compare", a, b)
    assert code == 2 and "--allow weights" in out
    code, out = bench("compare", a, b, "--allow", "weights")
    assert code == 0 and "Allowed to differ: weights (differs in 3 of 3 rows)." in out
    code, out = bench("compare", a, b, "--allow", "weights,samples", "--fail-on", "worse")
    assert code == 1 and out.count("worse in ") == 3


def test_compare_narrows_and_shows_all(bench, write: Write) -> None:
    a = str(write("a", grid(3, lambda _: first(200, 180))))
    code, out = bench("compare", a, a, "--where", "eps=0")
    assert code == 0 and "1 row shows no difference" in out
    code, out = bench("compare", a, a, "--all")
    assert code == 0 and out.count("same  ") >= 3
    for bad in (("--where", "eps=7"), ("--match", "x=y"), ("--allow", "everything")):
        code, out = bench("compare", a, a, *bad)
        assert code == 2 and len(out.splitlines()) == 1, out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("require: accurcy>=0.5", "did you mean accuracy"),
        ("require: [accuracy>=0.5, accuracy>=45]", "is a share from 0 to 1"),
        ("require: {accuracy: 0.5}", "require"),
        ("require: ['accuracy>=0.5 where attack=autoattack']", "no row is meant"),
        ("require: ['accuracy>=0.5 where samples=21']", "samples is one of: 20"),
    ],
)
def test_a_bad_requirement_stops_a_run_before_any_work(
    bench, tmp_path: Path, line: str, told: str
) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(f"{GRID}\n{line}\n", encoding="utf-8")
    code, out = bench("run", "--grid", str(file), "--out", str(tmp_path / "run"))
    assert code == 2 and told in out and len(out.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_requirements_at_the_end_of_a_run(bench, tmp_path: Path) -> None:
    file, run = tmp_path / "g.yaml", tmp_path / "run"
    requirement = "accuracy>=0.9999 where attack=FGSM"
    file.write_text(f"{GRID}\nrequire: '{requirement}'\n", encoding="utf-8")
    args = ("run", "--grid", str(file), "--out", str(run), "--threads", "1")
    code, out = bench(*args)
    assert code == 1 and f"FAIL  {requirement}: 0 of 1 row meets it" in out
    assert json.loads((run / "manifest.json").read_text())["grid"]["require"] == requirement
    code, out = bench("check", str(run))
    assert code == 1 and "lower end below 99.99 %" in out
    # the same run, reused: without requirements, and with others
    code, out = bench(*args, "--no-require")
    assert code == 0 and "requirements met" not in out
    assert bench("check", str(run))[0] == 1
    code, out = bench(*args, "--require", "accuracy>=0.1", "--require", "n>=20")
    assert code == 0 and "2 of 2 requirements met" in out
    assert bench("check", str(run))[0] == 0


def test_a_requirement_that_is_not_met_goes_before_skipped_rows(bench, tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    text = GRID.replace("[digits]", "[digits, cifar10]")
    file.write_text(f"{text}\nrequire: accuracy>=0.1\n", encoding="utf-8")
    empty = tmp_path / "data"
    empty.mkdir()
    args = ("run", "--grid", str(file), "--out", str(tmp_path / "run"), "--threads", "1")
    code, out = bench(*args, "--data-dir", str(empty), "--no-require")
    assert code == 3, out
    code, out = bench(*args, "--data-dir", str(empty))
    assert code == 1 and "skipped: " in out


def test_a_closed_pipe_is_no_error(write: Write) -> None:
    """`bench check RUN | head -1`: rich would end the program with an exit code of its own."""
    run = write("a", [({"eps": i / 1000}, first(100, 9)) for i in range(300)])
    code = "from benchmark.cli import main; main()"
    args = ["compare", str(run), str(run), "--all"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
    assert "Error" not in said and "Traceback" not in said, said


def test_a_requirement_may_name_labels_of_the_grid(bench, tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    text = GRID.replace("[lenet]", "[{name: lenet, label: Our net}]")
    file.write_text(f"{text}\nrequire: accuracy>=0.1 where network='our net'\n", encoding="utf-8")
    args = ("run", "--grid", str(file), "--out", str(tmp_path / "run"), "--threads", "1")
    code, out = bench(*args)
    assert code == 0 and "1 of 1 requirements met" in out
    code, out = bench(*args, "--require", "accuracy>=0.1 where network='their net'")
    assert code == 2 and "no row is meant, network is one of: lenet" in out


def test_a_page_compares_a_retrained_network_with_its_baseline(bench, write: Write) -> None:
    a = write("a", grid(3, lambda _: first(200, 180)))
    b = write("b", grid(3, lambda _: first(200, 100), weights_sha256="w1"), "b")
    code, out = bench("report", str(b), "--baseline", str(a))
    assert code == 0, out
    page = (b / "report.html").read_text(encoding="utf-8")
    assert "Allowed to differ: weights (differs in 3 of 3 rows)." in page

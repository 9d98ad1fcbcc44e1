"""What a command will write is tried before its work: one line, exit code 2, nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest
from faults import little_room, no_rights
from made_up import MadeUp

from benchmark.cli import main
from benchmark.cli.app import COMMANDS
from estimators.data.load import load_images

ROOT = Path(__file__).parents[3]
TRAIN = ["train", "--network", "lenet", "--dataset", "digits", "--epochs", "1"]
# options that name a file or a folder to write
WRITTEN = ("--out", "--csv", "--json", "--plot", "--junit", "--markdown", "--sarif", "--plots")
# what a command needs before its option is reached; none of it does any work
NEEDED = {
    "anchors": ["--weights-dir", "missing"],
    "check": ["missing"],
    "compare": ["missing", "missing"],
    "export": ["missing", "--format", "model-card"],
    "report": ["missing"],
    "study": ["data"],
    "summary": ["missing", "--format", "csv"],
    "train": TRAIN[1:],
}


def written(name: str) -> list[str]:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return [option for param in command.params for option in param.opts if option in WRITTEN]


ROADS = [(name, option) for name in sorted(COMMANDS) for option in written(name)]


def test_every_road_is_here() -> None:
    """An option of another name that takes a path is one that is read."""
    read = {"--weights", "--baseline", "--data-dir", "--anchors", "--weights-dir", "--original"}
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        paths = {p.opts[0] for p in command.params if isinstance(p.type, click.Path)}
        assert {path for path in paths if path.startswith("-")} <= {*WRITTEN, *read}
    assert len(ROADS) >= 18


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is loaded, trained, attacked or computed."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    for name in (
        "benchmark.runs.run.gather",
        "benchmark.studies.cache.load_compute",
        "estimators.training.train_or_load.load_images",
        "benchmark.speed.measure.measure",
        "benchmark.anchors.exam.sit",
    ):
        monkeypatch.setattr(name, fail)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(("command", "option"), ROADS)
@pytest.mark.parametrize("kind", ["below a file", "system", "long"])
def test_what_cannot_be_written_is_said_at_once(
    bench, tmp_path: Path, command: str, option: str, kind: str
) -> None:
    (tmp_path / "file").write_text("kept")
    target = {"below a file": "file/x.yaml", "system": "/proc/x.yaml", "long": "x" * 300 + ".yaml"}
    before = sorted(os.listdir())
    code, out = bench(command, *NEEDED.get(command, []), option, target[kind])
    assert code == 2, out
    assert f"{option} {target[kind]}: cannot be written (" in out
    assert len(out.strip().splitlines()) == 1
    assert sorted(os.listdir()) == before and (tmp_path / "file").read_text() == "kept"


@pytest.mark.usefixtures("no_work")
def test_a_folder_in_place_of_a_file(bench, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for command in (["check", "missing", "--junit"], [*TRAIN, "--out"]):
        code, out = bench(*command, "folder")
        assert (code, out.count("\n")) == (2, 1)
        assert "folder: cannot be written (Is a directory); name another file" in out


def test_a_run_of_python_says_it_before_networks_are_loaded(no_work: None, tmp_path: Path) -> None:
    from benchmark.grids.model import load_grid
    from benchmark.runs.options import RunOptions
    from benchmark.runs.run import run
    from estimators.errors import InputError

    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"output directory .*: cannot be written"):
        run(load_grid("quick"), RunOptions(out=tmp_path / "file" / "run"))


def never(*_: object, **__: object) -> None:
    raise AssertionError("a training began")


def test_a_cache_that_cannot_be_written_is_said_before_the_training(
    bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("estimators.training.train_or_load.train", never)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "file" / "cache"))
    code, out = bench(*TRAIN)
    assert code == 2, out
    assert "cannot be written (Not a directory); set BENCH_CACHE_DIR to another folder" in out


@pytest.mark.parametrize("beside", ["net.safetensors", "net.history.csv", "net.curves.png"])
def test_a_training_overwrites_nothing_unasked(
    bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: str
) -> None:
    monkeypatch.setattr("estimators.training.train_or_load.train", never)
    (tmp_path / beside).write_text("of somebody else")
    code, out = bench(*TRAIN, "--out", "net.safetensors")
    assert code == 2, out
    assert f"{beside} would be overwritten and is not of this training" in out
    assert out.count("\n") == 1 and (tmp_path / beside).read_text() == "of somebody else"
    with pytest.raises(AssertionError, match="a training began"):
        bench(*TRAIN, "--out", "net.safetensors", "--force")


def test_another_training_needs_force(
    bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {split: load_images("digits", split)[:40] for split in ("train", "test")}
    monkeypatch.setattr(
        "estimators.training.train_or_load.load_images", lambda name, split, folder: few[split]
    )
    assert bench(*TRAIN, "--out", "net.safetensors")[0] == 0
    first = (tmp_path / "net.safetensors").read_bytes()
    code, out = bench(*TRAIN, "--seed", "1", "--out", "net.safetensors")
    assert code == 2 and "net.safetensors, net.history.csv, net.curves.png would be" in out
    assert (tmp_path / "net.safetensors").read_bytes() == first
    code, out = bench(*TRAIN, "--out", "net.safetensors")
    assert code == 0 and "loaded, trained before" in out
    code, out = bench(*TRAIN, "--seed", "1", "--out", "net.safetensors", "--force")
    assert code == 0, out
    assert (tmp_path / "net.safetensors").read_bytes() != first


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="needs root, to drop it")
def test_rights_are_tried_as_the_user_that_runs() -> None:
    """Root may write everywhere: a process that gave up its rights may not."""
    # nobody may enter pytest's own folder
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    # loaded before the rights are dropped: the user may not read this folder
    code = (
        "import os, sys, pathlib; from estimators.writable import check_folder\n"
        "os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534)\n"
        "check_folder(pathlib.Path('run'), '--out run')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in done.stderr:
        folder.rmdir()
        pytest.skip("root may not become another user here, as in some containers")
    assert done.returncode == 1
    assert "InputError: --out run: cannot be written (Permission denied)" in done.stderr
    folder.chmod(0o777)
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    assert list(folder.iterdir()) == []
    folder.rmdir()


def test_a_report_is_refused_before_the_audit(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.cli.report.write_audit", never)
    code, out = bench("report", "/proc/self")
    assert code == 2, out
    assert "Error: run /proc/self: cannot be written (" in out and out.count("\n") == 1


def test_three_reports_at_once(tmp_path: Path) -> None:
    """Each process has temporary files of its own; the page is whole and nothing is left."""
    made = MadeUp(attacks={"fgsm": (0, 0.1)}, threats=("oblivious",), samples=20)
    run = made.write(tmp_path / "run")
    # each holds the directory for an instant, which is long where the machine stalls
    wait = "from benchmark.runs import lock; lock.WAIT = 600"
    code = f"{wait}; from benchmark.cli import main; main()"
    command = [sys.executable, "-c", code, "report", str(run)]
    started = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], errors
    assert (run / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert not [path for path in run.iterdir() if path.suffix == ".part" or path.name[0] == "."]


FULL = "reports/baselines/full.csv"


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["init", "--force", "--out"], "out.yaml"),
        (["summary", FULL, "--format", "csv", "--out"], "out.csv"),
        (["compare", FULL, FULL, "--plot"], "out.png"),
        (["compare", FULL, FULL, "--format", "html", "--out"], "out.html"),
        (["check", FULL, "--require", "accuracy>=0", "--junit"], "out.xml"),
    ],
)
def test_a_full_disk_leaves_the_old_file(
    bench, tmp_path: Path, command: list[str], file: str
) -> None:
    (tmp_path / file).write_text("old")
    arguments = [str(ROOT / FULL) if part == FULL else part for part in command]
    with little_room(600):
        code, out = bench(*arguments, file)
    assert code == 2, out
    last = out.splitlines()[-1]
    assert last.startswith("Error: ") and f"{file}: cannot be written (File too large)" in last
    assert os.listdir() == [file] and (tmp_path / file).read_text() == "old"
    code, out = bench(*arguments, file)
    assert code == 0, out
    assert (tmp_path / file).stat().st_size > 600 and os.listdir() == [file]


def test_a_file_in_a_folder_without_rights_is_refused_at_once(bench, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("old")
    with no_rights(tmp_path):
        code, out = bench("speed", "--json", "out.json")
    assert code == 2, out
    assert "--json out.json: cannot be written (Permission denied)" in out

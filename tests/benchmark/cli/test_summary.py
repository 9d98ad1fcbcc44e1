"""`bench summary`: the table of a run, and the layers of a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up import MadeUp

from benchmark.cli.show_run import show_result
from benchmark.runs.finished.result import Result
from reports.audit.audit import write_audit
from reports.results.read_write import read_results


@pytest.fixture
def run(tmp_path: Path) -> str:
    """The directory of a made-up run."""
    made = MadeUp(attacks={"fgsm": (0.1, 0.2)}, threats=("adaptive",), samples=40)
    return str(made.write(tmp_path / "run"))


def test_a_run_by_cell(bench, run: str) -> None:
    code, out = bench("summary", run)
    assert code == 0
    assert "accuracy" in out
    assert "All rows: network LeNet on digits, attack FGSM" in out
    code, out = bench("summary", f"{run}/results.csv", "--format", "markdown")
    assert code == 0
    assert len(out.splitlines()) == 2 + len(read_results(Path(run))) + 2


def test_a_long_table_is_cut_in_the_terminal_alone(bench, run: str) -> None:
    out = bench("summary", run, "--by", "class")[1]
    assert "more rows" not in out
    whole = bench("summary", run, "--by", "class", "--format", "csv")[1]
    assert len(whole.splitlines()) == 1 + 6 * 10


def test_some_cells(bench, run: str) -> None:
    args = ("summary", run, "--where", "defence=jpeg eps=0.1", "--format", "csv")
    assert len(bench(*args)[1].splitlines()) == 2
    assert len(bench(*args, "--by", "class")[1].splitlines()) == 11


def test_formats_go_to_a_file(bench, run: str, tmp_path: Path) -> None:
    args = ("summary", run, "--by", "confusion", "--format", "latex")
    assert bench(*args, "--out", "t.tex") == (0, "")
    assert (tmp_path / "t.tex").read_text(encoding="utf-8") == bench(*args)[1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "expected a run directory or --network, one of the two"),
        (("RUN", "--network", "lenet"), "one of the two"),
        (("RUN", "--out", "x"), "needs --format csv, markdown or latex"),
        (("--network", "lenet", "--format", "csv"), "name its directory"),
        (("RUN", "--where", "eps=0.3"), "eps is one of: 0.1, 0.2"),
        (("RUN", "--where", "eps=0.3", "--by", "class"), "eps is one of: 0.1, 0.2"),
        (("RUN", "--where", "epps=0.3"), "unknown column 'epps'"),
        (("nowhere",), "no such file or run directory"),
        (("RUN/results.csv", "--by", "class"), "has no predictions.parquet"),
    ],
)
def test_what_is_refused(bench, run: str, args: tuple[str, ...], said: str) -> None:
    code, out = bench("summary", *(text.replace("RUN", run) for text in args))
    assert code == 2
    assert said in out
    assert len(out.strip().splitlines()) == 1


def test_the_layers_of_a_network(bench) -> None:
    code, out = bench("summary", "--network", "lenet", "--dataset", "digits")
    assert code == 0
    assert "total parameters:" in out


@pytest.mark.parametrize("bare", [True, False])
def test_a_run_without_an_undefended_network_shows_its_cells(
    bare: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The main figures compare with the undefended network; without one there were no numbers."""
    made = MadeUp(attacks={"fgsm": (0.1, 0.2)}, samples=40)
    if not bare:
        made.rows = made.cells(defence="jpeg")
    folder = made.write(tmp_path / "run")
    show_result(Result(read_results(folder), folder, 0, write_audit(folder)))
    shown = capsys.readouterr().out
    assert ("bare network" in shown) == bare
    numbers = {f"{100 * row['accuracy']:.1f}" for row in made.cells(defence="jpeg")}
    assert all(number in shown for number in numbers) != bare

"""The tables of a run in a terminal: what they say, and how wide they are."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from benchmark.terminal.tables import headline_table
from reports.results.operating_point import operating_points
from reports.results.rows import as_rows
from reports.style.labels import Labels
from tests.helpers.made_up import MadeUp


def shown(table: pd.DataFrame, labels: Labels, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    points = as_rows(operating_points(table, labels.threats))
    console.print(headline_table(points, labels, width))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    return text


def test_the_headline_of_one_network() -> None:
    run = MadeUp()
    text = shown(run.table, run.labels)
    assert "LeNet on digits: accuracy at the smallest eps that halves the bare network's" in text
    assert "best defence" in text and "unaware attacker" in text and " aware attacker" in text
    row = next(line for line in text.splitlines() if "FGSM" in line)
    point = operating_points(run.table, run.labels.threats).query("attack == 'fgsm'").iloc[0]
    assert f"{point['unaware']:.3f} JPEG 50" in row and f"{point['undefended']:.3g}" in row
    # the noise does not halve it
    assert "(0.6)" in text and "(eps in brackets: the largest, which does not halve it)" in text


def test_what_was_not_run_has_no_column() -> None:
    run = MadeUp(attacks={"noise": (0.05, 0.1)}, threats=["oblivious"], defences=[("none", None)])
    text = shown(run.table, run.labels)
    assert "at the largest eps; none halves the bare network's" in text
    assert "defence" not in text and "attacker" not in text
    lone = run.table.query("eps == 0.1").assign(eps=None)
    first = shown(lone, run.labels).splitlines()[0]
    assert first.strip() == "LeNet on digits: accuracy"


def test_other_defences_are_named_like_jpeg() -> None:
    names = (("none", None), ("quantize", None), ("tvm", None))
    run = MadeUp(threats=["oblivious", "adaptive-diff"], defences=names)
    for row in run.cells(defence="tvm"):
        row["accuracy"] = 0.875
    text = shown(run.table, run.labels)
    assert "0.875 tvm" in text and "adaptive" not in text and "JPEG" not in text


def test_the_control_counts_alone() -> None:
    run = MadeUp(defences=[("none", None), ("quantize", None)])
    assert "8 bits only" in shown(run.table, run.labels)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_long_names_stay_short(width: int) -> None:
    long = "very.long.package.of.mine.networks:build_a_network_with_everything_in_it"
    run = MadeUp({"digits": [long, "lenet"]}, {"fgsm": (0.1, 0.6)})
    text = shown(run.table, run.labels, width)
    rows = [line for line in text.splitlines() if "FGSM" in line or "FG" in line]
    assert len(rows) == 2
    # neither row takes more than three lines, as narrow as the terminal may be
    body = text.splitlines()[text.splitlines().index(rows[0]) :]
    assert len([line for line in body if line.strip()]) <= 3 * len(rows)
    labelled = Labels({**run.labels.names, "networks": {long: "v2"}}, run.labels.threats)
    assert "v2, digits" in shown(run.table, labelled, width)


def test_markup_of_labels_is_text() -> None:
    run = MadeUp(attacks={"fgsm": (0.1,)})
    own = {**run.labels.names, "networks": {"lenet": "[bold]x[/]"}, "attacks": {"fgsm": "[red]y"}}
    text = shown(run.table, Labels(own, run.labels.threats))
    assert "[bold]x[/]" in text and "[red]y" in text

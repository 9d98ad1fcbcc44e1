"""Which figures a table gets, and what they say."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports.plots.bars import accuracy_by_attack, accuracy_by_defence
from reports.plots.eps import accuracy_by_eps, heat_map
from reports.plots.plots import draw_all, left_out
from reports.plots.quality import clean_by_quality, threats_by_quality
from reports.style.defence_lines import apart, defence_lines, with_few_qualities
from reports.style.labels import Labels
from tests.helpers.made_up import MadeUp

OTHERS = (("none", None), ("tvm", None), ("smoothing+jpeg[jpeg.quality=50]", None))
MANY = (("none", None), *(("jpeg", q) for q in range(5, 100, 9)))


def names(run: MadeUp, folder: Path, table: pd.DataFrame | None = None) -> list[str]:
    drawn = draw_all(run.table if table is None else table, folder, run.labels)
    written = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    assert written == sorted(path.name for path in drawn)
    return written


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    found = [figure.get_suptitle()]
    for ax in figure.axes:
        parts = [ax.title, ax.xaxis.label, *ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels()]
        found += [part.get_text() for part in parts]
    found += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return " | ".join(found).replace("\n", " ")


def test_one_eps_gets_bars(tmp_path: Path) -> None:
    run = MadeUp(attacks={"fgsm": (0.1,), "cw": (None,)})
    assert names(run, tmp_path) == ["bars-digits-cw.png", "bars-digits-fgsm.png"]
    bare = run.table.query("defence == 'none' and threat == 'oblivious'")
    assert names(run, tmp_path, bare) == ["bars-digits.png"]


def test_an_earlier_grid_leaves_nothing(tmp_path: Path) -> None:
    run = MadeUp(attacks={"fgsm": (0.1, 0.2)})
    assert "accuracy-digits-fgsm.png" in names(run, tmp_path)
    (tmp_path / "notes.txt").write_text("of the user")
    draw_all(MadeUp(attacks={"cw": (None,)}).table, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"bars-digits-cw.png", "notes.txt"}
    draw_all(run.table.assign(status="failed"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_nothing_done_is_nothing_drawn(tmp_path: Path) -> None:
    run = MadeUp(attacks={"fgsm": (0.1,)})
    assert draw_all(run.table.assign(status="skipped"), tmp_path / "plots") == []
    assert not (tmp_path / "plots").exists()


def test_the_bars_of_other_defences_are_named() -> None:
    run = MadeUp(attacks={"fgsm": (0.1,)}, defences=OTHERS, threats=["oblivious", "adaptive-diff"])
    text = texts(accuracy_by_defence(run.table, run.labels))
    for name in ("no defence", "tvm", "smoothing+jpeg", "adaptive-diff attacker", "400 images"):
        assert name in text
    assert "JPEG" not in text and "eps 0.1" in text
    # one bar per defence and attacker, one for no defence
    (ax,) = accuracy_by_defence(run.table, run.labels).axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(
        [run.cells(defence=d, threat=t)[0]["accuracy"] for d, t in
         [("none", "oblivious"), *((d, t) for d, _ in OTHERS[1:] for t in ("oblivious",
                                                                          "adaptive-diff"))]]
    )  # fmt: skip


def test_bars_by_attack_say_behind_what() -> None:
    run = MadeUp(attacks={"fgsm": (0.1,), "cw": (None,)}, threats=["oblivious"])
    bare = run.table.query("defence == 'none'")
    text = texts(accuracy_by_attack(bare, run.labels))
    assert "accuracy under attack, without a defence" in text and "FGSM, L∞ eps 0.1" in text
    behind = run.table.query("defence == 'jpeg'")
    assert "behind JPEG 50" in texts(accuracy_by_attack(behind, run.labels))


def test_titles_name_what_is_there() -> None:
    run = MadeUp(attacks={"fgsm": (0, 0.1, 0.2)}, defences=OTHERS)
    for draw in (accuracy_by_eps, heat_map):
        text = texts(draw(run.table, run.labels))
        assert "JPEG" not in text and "tvm" in text and "no defence" in text
    bare = run.table.query("defence == 'none'")
    assert "digits, FGSM: accuracy against eps" in texts(accuracy_by_eps(bare, run.labels))


def test_a_quality_of_another_defence_is_its_own(tmp_path: Path) -> None:
    own = [("none", None), ("mine:Webp", 50), ("mine:Webp", 20)]
    run = MadeUp(attacks={"fgsm": (0.1, 0.6)}, defences=own)
    rows = run.table
    for figure in (
        clean_by_quality(rows, "mine:Webp", run.labels),
        threats_by_quality(rows, "mine:Webp", run.labels),
    ):
        assert "behind mine:Webp" in texts(figure) and "JPEG" not in texts(figure)
    found = names(run, tmp_path)
    assert len([name for name in found if name.startswith("threats-")]) == 1
    assert len([name for name in found if name.startswith("clean-accuracy-quality-")]) == 1


def test_many_qualities_are_few_lines() -> None:
    run = MadeUp(attacks={"fgsm": (0, 0.1, 0.2)}, defences=MANY)
    lines = defence_lines(with_few_qualities(run.table), run.labels)
    assert [line.label for line in lines][::5] == ["no defence", "JPEG 5"]
    assert len(lines) == 6 and lines[1].label == "JPEG 95"
    assert all("JPEG 95" in texts(draw(run.table, run.labels)) for draw in (accuracy_by_eps,))
    # the heat map has all of them
    assert "JPEG 14" in texts(heat_map(run.table, run.labels))
    # no line is as dark as the one of no defence, or as light as paper
    for line in lines[1:]:
        assert 0.15 < sum(line.style["color"]) / 3 < 0.75


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([0.5], [0.5]),
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.0, 0.0, 0.0], [0.0, 0.1, 0.2]),
        ([1.0, 1.0], [0.9, 1.0]),
        ([0.1, 0.5, 0.52], [0.1, 0.46, 0.56]),
        ([], []),
    ],
)
def test_names_at_the_ends_keep_apart(wanted: list[float], expected: list[float]) -> None:
    assert apart(wanted, 0.1, 0.0, 1.0) == pytest.approx(expected)


def test_a_figure_of_one_number_is_a_sentence(tmp_path: Path) -> None:
    run = MadeUp(attacks={"fgsm": (0.1, 0.2), "cw": (None,)})
    for row in run.rows:
        row.update(accuracy=1.0, clean_accuracy=1.0, success_rate=0.0)
    assert names(run, tmp_path / "plots") == []
    assert left_out(run.table, run.labels) == [
        "digits, FGSM: accuracy is 100 % in every cell.",
        "digits, C&W: accuracy is 100 % in every cell.",
        "No attack turns any image.",
    ]
    assert left_out(MadeUp(attacks={"fgsm": (0.1, 0.2)}).table) == []


def test_labels_of_users_are_drawn_as_text(tmp_path: Path) -> None:
    run = MadeUp({"digits": ["lenet"], "mnist": ["lenet"]}, {"fgsm": (0, 0.2), "cw": (None,)})
    odd = {
        "networks": {"lenet": r"$\frac"},
        "attacks": {"fgsm": "a_b^{c$", "cw": "\u96ea " + "long " * 9},
        "datasets": {"digits": "$x$ <b>&amp; " + "w" * 40},
        "defences": {"jpeg": "% #"},
    }
    drawn = draw_all(run.table, tmp_path, Labels(odd, run.labels.threats))
    assert len(drawn) == 5
    text = texts(accuracy_by_eps(run.table.query("attack == 'fgsm' and dataset == 'digits'"),
                                 Labels(odd, run.labels.threats).for_figures()))  # fmt: skip
    assert r"\$\frac" in text


def test_runs_without_a_bare_network_are_drawn(tmp_path: Path) -> None:
    run = MadeUp(attacks={"fgsm": (0, 0.1)}, defences=[("tvm", None), ("jpeg", 50), ("jpeg", 9)])
    found = names(run, tmp_path)
    assert "accuracy-digits-fgsm.png" in found
    assert not [name for name in found if name.startswith(("success", "threats"))]

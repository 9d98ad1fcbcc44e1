"""How cost grows: small sizes are measured, drawn and written; wrong names are errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmark.speed.growth.axes import AXES, axes
from benchmark.speed.growth.cells import MADE_UP, SIZES, stages
from benchmark.speed.growth.figures import draw_growth, growth_markdown
from benchmark.speed.growth.points import Point, measured
from estimators.errors import InputError


def test_axes_are_found_by_a_part() -> None:
    assert [axis.name for axis in axes("growth")] == list(AXES)
    assert [axis.name for axis in axes("Growth Cells")] == ["growth cells"]
    assert axes("pgd") == []
    with pytest.raises(InputError, match="unknown line of --only 'growth weight'"):
        axes("growth weight")


def test_made_up_cells_pass_through_every_stage() -> None:
    names = [name for name, seconds in stages(100) if seconds >= 0]
    assert names[0] == "grid to cells" and names[-1] == "audit.csv, worst_case.csv"
    assert [name for name in names if name.endswith(MADE_UP)] == [
        "inputs (made-up)", "rows and store (made-up)"
    ]  # fmt: skip


def test_sizes_of_cells_are_those_of_the_axis() -> None:
    assert tuple(SIZES) == AXES["growth cells"].sizes
    for count, factors in SIZES.items():
        product = 5 * 2
        for factor in factors:
            product *= factor
        assert product == count


@pytest.mark.parametrize(("name", "size"), [("growth classes", 20), ("growth pixels", 32)])
def test_a_point_has_seconds_and_memory(name: str, size: int) -> None:
    seconds, megabytes = measured(name, size)
    assert seconds > 0 and megabytes > 50


def test_a_figure_and_a_row_for_each_axis(tmp_path: Path) -> None:
    found = [Point(axis, size, size / 1e3, 800.0) for axis in AXES for size in (1_000, 100_000)]
    paths = draw_growth(found, tmp_path)
    assert sorted(path.name for path in paths) == sorted(
        f"{name.replace(' ', '-')}.png" for name in AXES
    )
    for path in paths:
        with Image.open(path) as image:
            assert image.width > 600
    text = growth_markdown(found, "a machine")
    assert text.startswith("a machine\n\n| what grows | size |")
    row = "finished cells of 100 images | 100,000 cells | 100 | 800 |"
    assert row in text and len(text.splitlines()) == 4 + len(found)


def test_growth_has_plots_and_comparisons_have_none(bench, tmp_path: Path) -> None:
    code, out = bench("speed", "--only", "jpeg", "--plots", "figures")
    assert code == 2 and "--plots: only growth has figures" in out
    assert not (tmp_path / "figures").exists()
    code, out = bench("speed", "--only", "growth weight")
    assert code == 2 and "unknown line of --only 'growth weight'" in out

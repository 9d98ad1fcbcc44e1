"""What an evaluation shows: in a terminal of any width, as text, and as HTML."""

from __future__ import annotations

import re
import sys
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from closed_form import linear_case
from rich.console import Console
from torch import nn

import benchmark as bench
from benchmark.api.evaluation import Evaluation
from benchmark.api.terminal import print_summary

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def result() -> Evaluation:
    case = linear_case(30)
    return bench.evaluate(
        {"plain": case.network, "soft": nn.Sequential(case.network, nn.Softmax(1))},
        case.x,
        case.y,
        attacks=["fgsm", "pgd:max_iter=5", "deepfool"],
        eps=["4/255", "8/255"],
        defences=["none", "jpeg:75"],
        labels={"plain": SCRIPT},
        threads=1,
        progress=False,
    )


def printed(result: Evaluation, width: int) -> list[str]:
    file = StringIO()
    print_summary(result._summary(), Console(file=file, width=width, force_terminal=False))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_table_fits_and_keeps_its_numbers(result: Evaluation, width: int) -> None:
    lines = printed(result, width)
    table = [line for line in lines if "warn" not in line and not line.startswith("Worst case")]
    assert max(map(len, table)) <= width
    text = " ".join(lines)
    for row in result.worst.to_dict("records"):
        assert f"{100 * row['accuracy']:.1f}" in text
        assert f"{100 * row['low']:.1f} to {100 * row['high']:.1f}" in text
    assert ("FGSM %" in text) == (width == 200)
    assert "its outputs are probabilities" in text
    assert "8/255" in text and "JPEG 75" in text and "L2, any" in text


def test_every_cell_of_the_table_stands_in_the_html(result: Evaluation) -> None:
    html = result._repr_html_()
    assert html.count("<tr>") == 1 + len(result.worst)
    assert SCRIPT not in html and "&lt;script&gt;" in html
    tags = set(re.findall(r"</?(\w+)", html))
    assert tags == {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}


def test_the_columns_of_attacks(result: Evaluation) -> None:
    summary = result._summary()
    titles = [column.title for column in summary.columns]
    at = titles.index("FGSM %")
    first = result.table[(result.table["attack"] == "fgsm") & (result.table["network"] == "plain")]
    bare = first[(first["defence"] == "none") & (first["eps"] < 0.02)]["accuracy"].min()
    assert summary.rows[0][at] == f"{100 * bare:.1f}"
    assert "data" not in titles and "network" in titles


def test_repr_and_show_in_a_terminal(
    result: Evaluation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "script" in repr(result) and "\x1b" not in repr(result)
    result.show()
    assert "95 % interval" in capsys.readouterr().out


def test_show_in_a_notebook(result: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    display = SimpleNamespace(display=lambda content, raw: shown.append(content))
    shell = SimpleNamespace(kernel=object())
    module: Any = SimpleNamespace(get_ipython=lambda: shell, display=display)
    monkeypatch.setitem(sys.modules, "IPython", module)
    result.show()
    assert shown == [{"text/html": result._repr_html_(), "text/plain": repr(result)}]


def test_failed_and_skipped_cells_are_shown() -> None:
    case = linear_case(20)

    class Fails(nn.Module):
        """Raises for gradients of more than a few images."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = case.network

        def forward(self, x: Any) -> Any:
            if x.requires_grad and len(x) > 16:
                raise RuntimeError("out of patience")
            return self.inner(x)

    result = bench.evaluate(Fails(), case.x, case.y, attacks=["fgsm:0.1", "noise:0.1"], threads=1,
                            progress=False)  # fmt: skip
    assert len(result.failed) == 1 and not len(result.skipped)
    assert "failed: 1 of 2 cells: NetworkError: network Fails: RuntimeError: out of patience" in (
        " ".join(repr(result).split())
    ) or "out of patience" in repr(result)

"""The examples of docs/python.md, run as they stand on the page, and its notebook."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
QUICK = 'table = bench.run_grid("quick", out="quick")\n'
NOTEBOOK = DOCS / "notebook.ipynb"


def test_the_examples_of_the_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert len(EXAMPLES) > 6
    space: dict[str, Any] = {}
    for number, example in enumerate(EXAMPLES):
        # a minute; `test_run_grid_takes_every_form` runs grids
        quick = example.replace(QUICK, "")
        exec(compile(quick, f"example {number}", "exec"), space)
    out = capsys.readouterr().out
    shown = PAGE.partition("```text\n")[2].partition("```")[0]
    for line in (line for line in shown.splitlines() if re.search(r"\w", line)):
        assert line.split() in [printed.split() for printed in out.splitlines()], line
    assert "67.0% of 100 images stay right" in out
    assert len(space["table"]) == 2 * 2 * 2
    assert (tmp_path / "small" / "report.html").is_file()


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_holds() -> None:
    """Every cell runs, with the tables that are stored in the notebook."""
    nbformat = pytest.importorskip("nbformat", reason="the extra dev is not installed")
    pytest.importorskip("nbclient", reason="the extra dev is not installed")
    pytest.importorskip("ipykernel", reason="the extra dev is not installed")
    from write_notebook import executed

    stored = nbformat.read(NOTEBOOK, as_version=4)
    fresh = executed(copy.deepcopy(stored))
    for cell, before in zip(fresh.cells, stored.cells, strict=True):
        words, numbers = parts(results(cell))
        expected_words, expected = parts(results(before))
        assert words == expected_words
        # another processor trains another network
        assert numbers == pytest.approx(expected, abs=4)


def test_the_notebook_is_short_and_has_its_output() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert NOTEBOOK.stat().st_size < 60_000
    assert all(cell["execution_count"] for cell in code)
    kinds = {output["output_type"] for cell in code for output in cell["outputs"]}
    assert "error" not in kinds and "display_data" in kinds
    # neither a warning nor a print
    assert "stream" not in kinds


def results(cell: Any) -> str:
    """The HTML that a cell shows: tables. How long it took differs."""
    outputs = cell.get("outputs", [])
    return "".join(o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", {}))


def parts(text: str) -> tuple[list[str], list[float]]:
    """The words of a text, and its decimal numbers."""
    found = re.split(r"(\d+\.\d+)", text)
    return found[::2], [float(number) for number in found[1::2]]

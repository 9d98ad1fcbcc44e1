"""Requirements of a grid file on the page."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

from made_up import MadeUp

from reports.page.page import render
from reports.results.read_write import write_results

MEANS_NOTHING = "accuracy>=0.1 where attack=square"


def words_of(directory: Path) -> str:
    """Return the text of the section that answers."""
    answer = render(directory).partition('<section id="headline"')[2].partition("</section>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", answer)).split())


def test_each_requirement_has_its_verdict(tmp_path: Path) -> None:
    made = MadeUp(attacks={"fgsm": (0, 0.1)})
    write_results(made.table, tmp_path / "results.csv")
    assert "Requirements" not in words_of(tmp_path)
    texts = ["accuracy>=0 where defence=none", "clean_accuracy>=1", MEANS_NOTHING]
    (tmp_path / "manifest.json").write_text(json.dumps({"grid": {"require": texts}}))
    words = words_of(tmp_path)
    met, failed, nothing = (words.index(text) for text in texts)
    rows = len(made.cells(defence="none"))
    assert f"{rows} of {rows} rows meet it" in words[met:failed]
    assert words[:met].endswith("ok ") and words[:failed].endswith("fail ")
    assert "0 of " in words[failed:nothing]
    # nothing was checked, which is no success
    assert words[:nothing].endswith("fail ")

"""A run under labels: what people read changes, and no number does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reports.results.manifest import read_manifest

GRID = """
title: Mine & <b>yours</b>
networks: [{name: lenet, label: "resnet18-v2 <i>"}]
attacks: [{name: fgsm, eps: 0.1, label: "one [red]step[/]"}]
threats: [oblivious]
defences: [none, {name: jpeg, quality: 50, label: squeeze}]
samples: 12
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels")


def test_labels_are_what_people_read(folder: Path, bench: Any) -> None:
    file, out = folder / "own.yaml", folder / "run"
    file.write_text(GRID, encoding="utf-8")
    args = ("run", "--grid", str(file), "--out", str(out))
    code, text = bench(*args)
    assert code == 0, text
    assert "Mine & <b>yours</b>" in text and "resnet18-v2 <i> on digits" in text
    assert "one [red]step[/]" in text and "squeeze" in text and "lenet" not in text
    manifest, table = read_manifest(out), (out / "results.csv").read_bytes()
    assert manifest["title"] == "Mine & <b>yours</b>"
    expected = "resnet18-v2 <i> on digits under one [red]step[/], without and behind squeeze"
    assert manifest["subtitle"] == f"{expected}; 12 images"
    assert manifest["labels"]["networks"]["lenet"] == "resnet18-v2 <i>"
    assert manifest["labels"]["defences"]["jpeg 50"] == "squeeze"
    assert b"lenet" in table and b"squeeze" not in table
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Mine &amp; &lt;b&gt;yours" in page and "<b>yours" not in page and "v2 <i>" not in page
    assert "resnet18-v2 &lt;i&gt; on digits under one [red]step[/]" in page
    # another label: nothing is computed, and manifest, page and plots are written again
    plots = {path.name: path.read_bytes() for path in (out / "plots").iterdir()}
    code, text = bench(*args, "--label", "lenet=v3", "--title", "Theirs")
    assert code == 0 and "reused 2 of 2 cells" in text and "v3 on digits" in text
    assert (out / "results.csv").read_bytes() == table
    assert read_manifest(out)["labels"]["networks"]["lenet"] == "v3"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Theirs" in page and "v3 on digits" in page and "resnet18-v2" not in page
    again = {path.name: path.read_bytes() for path in (out / "plots").iterdir()}
    assert again.keys() == plots.keys() and again != plots


def test_bad_labels_end_before_any_work(folder: Path, bench: Any) -> None:
    out = folder / "bad"
    few = ("run", "--attack", "fgsm:eps=0.1", "--samples", "5", "--out", str(out))
    for args, message in (
        (("--label", "lenett=x"), "did you mean 'lenet'"),
        (("--label", "x"), "a label of what"),
        (("--network", "lenet", "--label", "a\tb"), "printable characters"),
        (("--title", "a\nb"), "--title: expected 1 to 120"),
    ):
        code, text = bench(*few, *args)
        assert code == 2 and message in text and len(text.strip().splitlines()) == 1, text
    assert not out.exists()


def test_a_text_alone_labels_the_only_network(folder: Path, bench: Any) -> None:
    out = folder / "alone"
    few = ("run", "--attack", "fgsm:eps=0.1", "--threat", "oblivious", "--samples", "5")
    code, text = bench(*few, "--network", "lenet", "--label", "mine", "--out", str(out))
    assert code == 0 and "mine on digits" in text
    assert json.loads((out / "manifest.json").read_text())["labels"]["networks"]["lenet"] == "mine"


def test_messages_and_reasons_show_labels(folder: Path, bench: Any, module: Any) -> None:
    """The table keeps names."""
    module("odd_ones", ODD)
    out = folder / "odd"
    args = ("run", "--network", "odd_ones:some", "--label", "odd_ones:some=mine", "--samples", "20")
    code, text = bench(*args, "--attack", "fgsm:eps=0.1", "--defence", "none", "--out", str(out))
    assert code == 4, text
    assert "mine on digits: not trained here" in text
    failed = [line for line in text.splitlines() if line.startswith("failed: ")]
    assert failed[0].startswith("failed: mine on digits, ")
    assert all("network mine: no" in line and "odd_ones" not in line for line in failed)
    assert len(failed) == 2
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "network mine: no" in page
    assert "network odd_ones:some: no" in (out / "results.csv").read_text(encoding="utf-8")


ODD = """
    import threading
    from torch import nn

    class Some(nn.Sequential):
        def forward(self, x):
            if threading.current_thread() is not threading.main_thread():
                raise ValueError("network odd_ones:some: no")
            return super().forward(x)

    def some():
        return Some(nn.Flatten(), nn.Linear(784, 10)).eval()
"""

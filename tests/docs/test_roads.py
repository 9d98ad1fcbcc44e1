"""What four persons do first, by the commands and code of README and docs as they stand there."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from browser import Browser, find_browser
from torch import nn

import benchmark
from reports.statistics.intervals import wilson

ROOT = Path(__file__).parents[2]
Bench = Callable[..., tuple[int, str]]

pytestmark = pytest.mark.slow


def section(page: str, heading: str) -> str:
    """Return the part of a page from a line that begins so to the next one of its kind."""
    text = (ROOT / page).read_text(encoding="utf-8")
    part = text.partition(f"\n{heading}")[2]
    assert part, f"{page} has no {heading}"
    return re.split(r"\n(?:## |\*\*[A-Z])", part)[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Return the arguments behind each `bench` of a text, without comments."""
    lines = re.findall(r"^(?:    )?(?:\.venv/bin/)?bench (.+)$", text, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_student_follows_the_tutorial(bench: Bench, here: Path) -> None:
    first, grid, own, compare = (section("docs/tutorial.md", f"## {n}.") for n in (1, 3, 5, 6))
    (run,) = commands(first)
    code, out = bench(*run)
    assert code == 0, out
    # the table is that of README
    (shown,) = blocks(section("README.md", "## Two commands"), "text")
    for line in shown.strip().splitlines():
        assert line.strip() in re.sub(r"[ \t]+\n", "\n", out), line
    # again: nothing is computed
    code, out = bench(*run)
    assert code == 0 and re.search(r"reused (\d+) of \1 cells", out), out

    (content,) = blocks(grid, "yaml")
    (here / "small.yaml").write_text(content)
    small = commands(grid)[0]
    code, out = bench(*small)
    assert code == 0, out
    (warning,) = blocks(grid, "text")
    for line in warning.strip().splitlines():
        assert line in " ".join(out.split()) or line in out, line
    assert len(pd.read_csv("small/results.csv")) == 27

    (factory,) = blocks(own, "python")
    (here / "tutorial_network.py").write_text(factory)
    for command in [*commands(own), *commands(compare)]:
        code, out = bench(*command)
        assert code == 0, f"{command}: {out}"
    (network,) = set(pd.read_csv("mine/results.csv")["network"])
    assert network == "tutorial_network:perceptron[weights=perceptron.safetensors]"


def test_a_researcher_hands_over_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks(section("README.md", "**From Python**"), "python")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    x = np.random.default_rng(0).random((40, 3, 8, 8), dtype=np.float32)
    with torch.no_grad():
        y = model(torch.from_numpy(x)).argmax(1).numpy()
    names: dict[str, Any] = {"model": model, "x": x, "y": y}
    exec(compile(code, "README.md", "exec"), names)
    result = names["result"]
    assert isinstance(result, benchmark.Evaluation)
    # its own predictions are its labels
    bare = result.table.query("defence == 'none'")
    assert (bare["clean_accuracy"] == 1).all() and (bare["n"] == 40).all()
    # of a linear network with two classes PGD finds the worst image
    worst = result.worst.set_index("defence")["accuracy"]
    assert worst["none"] == pytest.approx(_right_within(model, x, y, 8 / 255))
    assert "defence" in capsys.readouterr().out.lower()


def _right_within(model: nn.Sequential, x: Any, y: Any, eps: float) -> float:
    """Return the share of images that no change within eps in the box makes wrong: exact."""
    weight, bias = (tensor.detach().double().numpy() for tensor in model[1].parameters())
    right = 0
    for image, label in zip(x.reshape(len(x), -1).astype(np.float64), y, strict=True):
        low, high = np.maximum(image - eps, 0), np.minimum(image + eps, 1)
        gaps = weight[label] - weight
        least = np.where(gaps > 0, gaps * low, gaps * high).sum(1) + bias[label] - bias
        right += bool(np.delete(least, label).min() > 0)
    return right / len(x)


def test_an_engineer_gates_a_retrained_network(bench: Bench, here: Path) -> None:
    gate, comparison = commands(section("README.md", "**Gate a model in CI.**"))
    (here / "nets.py").write_text(
        "from torch import nn\n\n\ndef small(shape, classes):\n    return nn.Sequential("
        "nn.Flatten(), nn.Linear(28 * 28, 32), nn.ReLU(), nn.Linear(32, classes))\n"
    )
    what = ["--dataset", "digits", "--network", "nets:small", "--attack", "autoattack:eps=0.02"]
    what += ["--threat", "oblivious", "--defence", "none", "--samples", "60"]
    for epochs, run in (("12", "baseline"), ("10", "run")):
        weights = f"{run}.safetensors"
        train = ["train", "--network", "nets:small", "--dataset", "digits", "--epochs", epochs]
        for command in ([*train, "--out", weights],
                        ["run", *what, "--weights", weights, "--out", run]):  # fmt: skip
            code, out = bench(*command)
            assert code == 0, f"{command}: {out}"
    (row,) = pd.read_csv("run/results.csv").itertuples()
    low, _ = wilson(row.correct, row.n)
    code, out = bench(*gate)
    assert code == (0 if low >= 0.45 else 1), out
    # without the exception the weights are an error, with it the accuracies are compared
    allowed = comparison.index("--allow")
    code, out = bench(*comparison[:allowed], *comparison[allowed + 2 :])
    assert code == 2 and "--allow weights" in " ".join(out.split())
    code, out = bench(*comparison)
    assert code in (0, 1) and "weights" in out
    assert "Traceback" not in out


def test_a_reviewer_gets_a_page(bench: Bench, here: Path) -> None:
    program = find_browser()
    if program is None:
        pytest.skip("needs Chromium")
    code, out = bench("run", "--attack", "fgsm", "--attack", "pgd", "--out", "run")
    assert code == 0, out
    # the page alone, as it comes by mail
    shutil.copy("run/report.html", here / "mailed.html")
    shutil.rmtree("run")
    browser = Browser(program, here / "profile")
    try:
        for width in (1280, 390):
            browser.open(here / "mailed.html", width)
            answer = str(browser.run("document.querySelector('.answer').innerText"))
            assert re.fullmatch(r"Worst accuracy [\d.]+\s%\s\([\d.]+ to [\d.]+\) by PGD, against"
                                r" 100.0\s%\swithout an attack\.", answer), answer  # fmt: skip
            # the answer is on the first screen, and nothing scrolls sideways
            place = browser.run("document.querySelector('.answer').getBoundingClientRect().bottom")
            assert place < 900
            assert browser.run("document.documentElement.scrollWidth") <= width
        assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []
        assert browser.complaints() == []
    finally:
        browser.close()

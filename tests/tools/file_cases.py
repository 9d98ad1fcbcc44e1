"""The commands of `file_trial.py`, and the folders in which they begin."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRID = """
samples: 6
threats: [oblivious, adaptive]
defences: [none, quantize, gaussian]
attacks:
  - {name: fgsm, eps: [0, 0.1]}
  - {name: pgd, eps: 0.1, max_iter: 3}
  - {name: "corruption:brightness", severity: [1, 2, 3, 4, 5]}
require: ["accuracy>=0 where attack=fgsm"]
"""
FAILING = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.LazyLinear(10)

    def forward(self, images):
        one, other = images[:, 0, 0, 0], images[:, 0, 0, 1]
        # the border of digits after one of the strengths of `brightness`
        if ((one == other) & (one > 0.15) & (one < 0.5)).any():
            raise ValueError("a network that fails")
        return self.last(images.flatten(1))

def net():
    net = Net()
    net.forward(torch.zeros(1, 1, 28, 28))
    for parameter in net.parameters():
        nn.init.constant_(parameter, 0.01)
    return net
"""
# an empty folder with the grid; a finished run; two of them, and old files of every --out
START, FINISHED, OLD = "start", "finished", "old"
OLD_FILES = ("a.csv", "a.html", "a.md", "a.xml", "a.sarif", "a.png", "a.json", "grid.yaml")
RUN = ("run", "--grid", "g.yaml", "--out", "r", "--threads", "1", "--draws", "2")
GATES = ("--junit", "a.xml", "--markdown", "a.md", "--sarif", "a.sarif")


@dataclass(frozen=True)
class Case:
    """A command.

    name: of the case. args: of `bench`. start: the folder in which it begins. code: its exit code.
    needless: ends of names of files without which the command is right, too.
    """

    name: str
    args: tuple[str, ...]
    start: str = START
    code: int = 0
    needless: tuple[str, ...] = ()


TRAIN = ("train", "--network", "lenet", "--dataset", "digits", "--epochs", "1")
STUDY = ("study", "first-error", "--quick", "--dataset", "digits", "--network", "lenet")
GROWTH = ("speed", "--only", "growth classes")
# without room for the last copy from its log, the log itself stays, and holds all cells
STORE = ("store.sqlite",)
CASES = [
    Case("run", (*RUN, "--save-adversarial", "--certify", "ibp"), needless=STORE),
    Case("run-again", (*RUN, "--title", "another"), FINISHED),
    Case("failed", (*RUN, "--network", "failing:net"), code=4, needless=STORE),
    Case("train", (*TRAIN, "--out", "n.safetensors")),
    Case("train-again", (*TRAIN, "--seed", "1", "--out", "n.safetensors", "--force"), "trained"),
    Case("train-cached", TRAIN),
    Case("study", (*STUDY, "--samples", "4", "--out", "s")),
    Case("summary", ("summary", "r", "--format", "csv", "--out", "a.csv"), OLD),
    Case("compare", ("compare", "r", "r2", "--format", "html", "--out", "a.html", *GATES), OLD),
    Case("compare-plot", ("compare", "r", "r2", "--plot", "a.png"), OLD),
    Case("check", ("check", "r", *GATES), OLD),
    Case("report", ("report", "r", "--baseline", "r2", *GATES), OLD),
    Case("export", ("export", "r", "--format", "model-card", "--out", "a.md"), OLD),
    # no network is there: its table has only rows that are skipped
    Case("anchors", ("anchors", "--weights-dir", ".", "--csv", "a.csv"), OLD),
    Case("init", ("init", "--out", "grid.yaml", "--force"), OLD),
    Case("growth", (*GROWTH, "--plots", "p", "--json", "a.json", "--markdown", "a.md"), OLD),
    Case("speed", ("speed", "--repeat", "1", "--json", "a.json", "--markdown", "a.md"), OLD),
]


def prepare(work: Path, run: Callable[[Case], tuple[int, str]], starts: Iterable[str]) -> None:
    """Make the folders in which the cases begin."""
    start = work / "starts" / START
    start.mkdir(parents=True)
    (start / "g.yaml").write_text(GRID, encoding="utf-8")
    (start / "failing.py").write_text(FAILING, encoding="utf-8")
    commands = {
        FINISHED: [RUN],
        OLD: [RUN, (*RUN[:4], "r2", *RUN[5:-1], "3")],
        "trained": [(*TRAIN, "--out", "n.safetensors")],
    }
    for name in {*starts} & {*commands}:
        # files hold the names of folders: each begins at the same place
        shutil.copytree(start, work / "at")
        os.chdir(work / "at")
        for args in commands[name]:
            code, told = run(Case(name, args))
            assert code == 0, told
        if name == OLD:
            for file in OLD_FILES:
                Path(file).write_text("old\n", encoding="utf-8")
        os.chdir(work)
        shutil.move(work / "at", work / "starts" / name)
    _without_measuring()


def _without_measuring() -> None:
    """Let `bench speed` measure nothing: what it writes is of interest here."""
    from benchmark.speed import measure
    from benchmark.speed.growth import points
    from benchmark.speed.growth.axes import Axis
    from benchmark.speed.timing import Measured

    def one(*_: Any, **__: Any) -> Iterator[Measured]:
        yield Measured("work", "ART", 1.0, 2.0, 2.0, True)

    def grown(axis: Axis) -> Iterator[points.Point]:
        for size in axis.sizes:
            yield points.Point(axis.name, size, float(size), 100.0)

    measure.measure = one
    points.points = grown

"""A run's hooks as place, step and share; parts of work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.execution.progress import Parts, Progress
from benchmark.terminal.shares import FILES, counted, training_share

TASK: Any = SimpleNamespace(dataset="mnist", network="lenet", name="fgsm")


class Seen:
    """Takes what a display would."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self.places: list[str] = []
        self.steps: list[str] = []
        self.messages: list[str] = []
        self.hooks = Progress(
            message=self.messages.append,
            place=self.places.append,
            step=self.steps.append,
            share=self.shares.append,
        )


def test_cells_and_files_share_the_time() -> None:
    seen, now = Seen(), [0.0]
    hooks = counted(seen.hooks, lambda: now[0])
    hooks.started(2, 3, 10.0)
    assert seen.messages == ["3 cells were stored already and are reused"]
    now[0] = 45.0
    hooks.advanced(TASK, 5.0, 1)
    assert (seen.places[-1], seen.steps[-1]) == ("cell 2 of 2", "lenet on mnist, fgsm")
    now[0] = 90.0
    hooks.advanced(TASK, 5.0, 1)
    # about ten seconds of files follow ninety of cells
    assert seen.shares == pytest.approx([0.0, 0.45, 0.9], abs=2e-3)
    for file in FILES:
        hooks.finishing(file)
        assert seen.steps[-1] == file and seen.places[-1] == ""
    assert seen.shares == sorted(seen.shares) and 0.98 < seen.shares[-1] < 1


def test_a_run_without_cells_has_files() -> None:
    seen = Seen()
    hooks = counted(seen.hooks, lambda: 0.0)
    hooks.started(0, 7, 0.0)
    for file in FILES:
        hooks.finishing(file)
    assert seen.shares == pytest.approx([0, 0, 0.05, 0.15, 0.6, 0.9])


def test_every_step_after_the_cells_is_known() -> None:
    """The names in `runs.run`, and in what it calls last, are those of FILES, in their order."""
    import inspect
    import re

    from benchmark.runs import run
    from benchmark.runs.finished import shown

    source = inspect.getsource(run.run) + inspect.getsource(shown.write_shown)
    named = re.findall(r'finishing\("([^"]+)"\)', source)
    assert named == list(FILES)


def test_parts_are_sized_and_reused_ones_do_not_count() -> None:
    shares: list[float] = []
    parts = Parts.of(shares.append, {"grid": 60.0, "a": 30.0, "b": 30.0, "c": 60.0})
    parts.share("grid", 0.5)
    parts.finish("grid")
    parts.finish("a", reused=True)
    parts.share("b", 1.0)
    parts.finish("b")
    parts.finish("c")
    assert shares == pytest.approx([30 / 180, 60 / 180, 60 / 150, 90 / 150, 90 / 150, 1])


def test_a_training_is_work_of_its_own() -> None:
    restarts: list[str] = []
    seen = Seen()
    hooks = Progress(
        place=seen.places.append, share=seen.shares.append, restart=lambda: restarts.append("")
    )
    on_share = training_share(hooks, "training lenet on mnist")
    assert not seen.places  # a network that is loaded shows nothing
    on_share(0.25)
    on_share(0.5)
    assert (seen.places, seen.shares, len(restarts)) == (
        ["training lenet on mnist"],
        [0.25, 0.5],
        1,
    )


def test_a_run_inside_other_work_counts_once() -> None:
    """The grid of a paper: its last files are not the end of the paper."""
    seen = Seen()
    outer = counted(seen.hooks, lambda: 0.0)
    parts = Parts.of(outer.share, {"grid": 10.0, "study": 90.0})
    inner = counted(outer.within(lambda share: parts.share("grid", share)), lambda: 0.0)
    inner.started(0, 7, 0.0)
    for file in FILES:
        inner.finishing(file)
    assert seen.steps == list(FILES) and seen.places == []
    assert seen.shares == pytest.approx([0, 0, 0.005, 0.015, 0.06, 0.09])

"""Place, percentage and time left, on a clock that the test moves."""

from __future__ import annotations

import pytest

from benchmark.terminal.tracker import Tracker, hours


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_line_of_the_issue(clock: Clock) -> None:
    tracker = Tracker(clock)
    tracker.place("study 5 of 12")
    tracker.share(0.0)
    clock.now += 127
    tracker.share(0.4)
    assert tracker.text() == "study 5 of 12, 40 %, 0:03:10 left"
    tracker.step("low-pass: lenet on mnist")
    assert tracker.text() == "study 5 of 12, 40 %, 0:03:10 left: low-pass: lenet on mnist"


def test_time_left_counts_down_and_rises_where_work_is_late(clock: Clock) -> None:
    tracker = Tracker(clock)
    tracker.share(0.0)
    clock.now += 100
    tracker.share(0.5)
    assert tracker.left() == pytest.approx(100)
    clock.now += 40
    assert tracker.left() == pytest.approx(60)
    clock.now += 360  # late by far: the same share needed 100 s before
    assert tracker.left() == pytest.approx(400)


def test_no_time_left_is_said_before_work_is_done_or_after_it_ran_out(clock: Clock) -> None:
    tracker = Tracker(clock)
    assert tracker.left() is None and tracker.text() == ""
    tracker.share(0.0)
    clock.now += 30
    assert tracker.text() == "0 %"
    tracker.share(0.99)
    assert tracker.left() is None  # 0.3 s


def test_what_waits_before_the_first_share_does_not_count(clock: Clock) -> None:
    tracker = Tracker(clock)
    clock.now += 500  # loading PyTorch and data
    tracker.share(0.0)
    clock.now += 10
    tracker.share(0.5)
    assert tracker.left() == pytest.approx(10)


def test_what_was_done_before_the_first_share_took_no_time_here(clock: Clock) -> None:
    tracker = Tracker(clock)
    tracker.share(0.5)  # stored by an earlier run
    assert tracker.text() == "50 %"
    clock.now += 10
    tracker.share(0.6)
    assert tracker.left() == pytest.approx(40)


def test_shares_never_fall_and_never_reach_the_end(clock: Clock) -> None:
    tracker = Tracker(clock)
    tracker.share(0.6)
    tracker.share(0.2)
    assert tracker.text().startswith("60 %")
    tracker.share(1.7)
    assert tracker.text() == "99 %"


def test_another_kind_of_work_counts_from_zero(clock: Clock) -> None:
    tracker = Tracker(clock)
    tracker.place("training lenet")
    tracker.share(0.9)
    tracker.restart()
    assert tracker.text() == ""
    clock.now += 10
    tracker.share(0.0)
    clock.now += 10
    tracker.share(0.1)
    assert tracker.text() == "10 %, 0:01:30 left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00:00"), (59.6, "0:01:00"), (190, "0:03:10"), (90061, "25:01:01")],
)
def test_durations(seconds: float, text: str) -> None:
    assert hours(seconds) == text

"""Workers that die, clusters that go away: what a Dask pool makes of it, without processes."""

from __future__ import annotations

import concurrent.futures
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from closed_form import linear_case
from distributed import KilledWorker

from benchmark.execution.dask_pool import DaskPool
from benchmark.execution.errors import ClusterLost, UnfitWorker
from benchmark.execution.executor import Failure, TrainedNetwork
from benchmark.execution.plan import plan
from benchmark.grids.model import Grid
from estimators.data.images import Images
from estimators.errors import InputError

DONE = pickle.dumps(({"cell": 1}, 2.0, "a processor"))
DEATH = KilledWorker("chunk", "worker", 3)


class Future:
    """A future that is done at once: a result, or what it raises."""

    status = "finished"

    def __init__(self, key: str, outcome: Any) -> None:
        self.key, self.outcome = key, outcome

    def add_done_callback(self, call: Callable[[Future], None]) -> None:
        call(self)

    def cancelled(self) -> bool:
        return isinstance(self.outcome, concurrent.futures.CancelledError)

    def result(self, timeout: float) -> Any:
        answer = self.outcome.pop(0) if isinstance(self.outcome, list) else self.outcome
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Client:
    """A cluster of one worker; each chunk ends as the next outcome says."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.chunks = 0

    def run_on_scheduler(self, function: Any, callback_timeout: float) -> dict[str, int]:
        return {"workers": 1, "threads": 1, "gpus": 0}

    def submit(self, function: Any, *args: Any, key: str = "", **more: Any) -> Future:
        if function.__name__ != "compute_chunk":
            return Future(key, b"")
        self.chunks += 1
        return Future(f"chunk-{self.chunks}", self.outcomes[self.chunks - 1])


def first_result(*outcomes: Any, chunks: int = 1) -> tuple[Any, DaskPool]:
    """Submit chunks and take the result of the first that is finished."""
    case = linear_case(10)
    images = Images(case.x, case.y, np.arange(10), tuple("abcde"))
    (task,) = plan(
        Grid(name="g", attacks=[{"name": "fgsm", "eps": 0.1}], threats=["oblivious"]).cells()
    )
    network = TrainedNetwork(case.network, images.shape, 5)
    client = Client(*outcomes)
    pool = DaskPool(client, {(task.dataset, task.network): network}, "here", lambda text: None)
    keys = [pool.submit(task, images) for _ in range(chunks)]
    (key,) = pool.finished(keys)
    return pool.result(key), pool


def test_a_result_counts_its_processor() -> None:
    result, pool = first_result(DONE)
    assert result == ({"cell": 1}, 2.0)
    assert pool.processors == {"a processor": 1}


def test_a_chunk_that_was_blamed_is_computed_again_alone() -> None:
    # the second chunk is finished before the first is tried again
    result, pool = first_result(DEATH, DONE, DONE, chunks=2)
    assert result == ({"cell": 1}, 2.0)
    assert pool.client.chunks == 3
    assert list(pool.finished(["chunk-2"])) == ["chunk-2"]


def test_a_chunk_that_kills_again_is_a_failure() -> None:
    (failure, seconds), _ = first_result(DEATH, DEATH)
    assert isinstance(failure, Failure) and seconds == 0
    assert failure.message.startswith("WorkerDied: 4 workers died")


def test_a_slow_answer_is_waited_for() -> None:
    result, _ = first_result([TimeoutError(), DONE])
    assert result[1] == 2.0


@pytest.mark.parametrize(
    ("outcome", "error", "message"),
    [
        (concurrent.futures.CancelledError(), ClusterLost, "went away"),
        (OSError("reset"), ClusterLost, "went away"),
        (UnfitWorker("torch 1 instead of 2"), InputError, "torch 1 instead of 2"),
        (ValueError("no such class\nat all"), InputError, "ValueError: no such class"),
    ],
    ids=["cancelled", "reset", "unfit", "raised"],
)
def test_other_ends_are_one_line(outcome: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        first_result(outcome)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (TimeoutError(), ClusterLost, "does not answer"),
        (OSError("reset"), ClusterLost, "went away"),
        (ImportError("No module named 'benchmark'"), InputError, "same environment"),
    ],
    ids=["silent", "reset", "without the package"],
)
def test_a_scheduler_that_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception], message: str
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Client, "run_on_scheduler", fails)
    pool = DaskPool(Client(), {}, "here", lambda text: None)
    with pytest.raises(raised, match=message):
        pool.choose_device("cpu")

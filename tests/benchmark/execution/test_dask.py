"""The Dask engine: the same bytes as in process, whoever dies."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from closed_form import linear_case
from torch import nn
from workers import Kills, Raises, dask_processes, still_running, worker_processes

from benchmark.execution import dask_client, dask_pool, dask_values, dask_worker
from benchmark.execution.chunk import ClassifierCache
from benchmark.execution.dask_executor import DaskExecutor
from benchmark.execution.dask_pool import DaskPool
from benchmark.execution.environment import decisive_versions
from benchmark.execution.errors import ClusterLost, UnfitWorker
from benchmark.execution.executor import Executor, Failure, TrainedNetwork, run_chunks
from benchmark.execution.plan import Task, plan
from benchmark.execution.plugin_code import code_hashes
from benchmark.execution.progress import Progress
from benchmark.execution.threads import ThreadExecutor, timed_chunk
from benchmark.grids.model import Grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from benchmark.runs.store import Store
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.spec import Spec

ROOT = Path(__file__).parents[3]
SMALL = {
    "name": "small",
    "samples": 130,
    "defences": ["none", {"name": "jpeg", "quality": [50, 10]}],
    "blocks": [
        {"attacks": [{"name": "fgsm", "eps": [0, 0.1]}]},
        {"attacks": [{"name": "pgd", "eps": [0.05, 0.1], "max_iter": 5}]},
        {"attacks": [{"name": "cw", "max_iter": 20, "binary_search_steps": 3}], "samples": 30},
        {
            "attacks": [
                {"name": "art.attacks.evasion.BasicIterativeMethod", "eps": 0.1, "max_iter": 3}
            ]
        },
    ],
}
FILES = ("results.csv", "predictions.parquet")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run, computed in this process."""
    directory = tmp_path_factory.mktemp("here")
    run(Grid(**SMALL), RunOptions(out=directory, threads=1))
    return directory


def assert_same(one: Path, other: Path) -> None:
    """Fail with the first lines of the tables that differ: bytes alone explain nothing."""
    logs = [path.read_text() for folder in (one, other) for path in folder.glob("failures.log")]
    for mine, theirs in zip(*(table_lines(folder) for folder in (one, other)), strict=True):
        assert mine == theirs, logs
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in FILES)


def table_lines(folder: Path) -> list[str]:
    return (folder / "results.csv").read_text(encoding="utf-8").splitlines()


# two data sets of closed form: what is on one worker, cell by cell, without the embedded data
def linear_tasks(count: int, networks: dict[str, nn.Module]) -> tuple[list[Task], Images, Any]:
    case = linear_case(count)
    images = Images(case.x, case.y, np.arange(count), tuple("abcde"))
    grid = Grid(name="g", attacks=[{"name": "fgsm", "eps": 0.1}], threats=["oblivious"])
    (task,) = plan(grid.cells())
    tasks = [Task(name, task.samples, 0, task.attacks, task.view, task.cells) for name in networks]
    models = {
        (name, task.network): TrainedNetwork(network or case.network, images.shape, 5)
        for name, network in networks.items()
    }
    return tasks, images, models


def collected(executor: Executor, tasks: list[Task], images: Images, models: Any) -> Any:
    results: dict[str, Any] = {}

    def on_task(task: Task, parts: Any, seconds: float) -> None:
        assert task.dataset not in results, "a task was handed over twice"
        results[task.dataset] = parts

    executor.execute(tasks, lambda task: images, models, lambda task, chunks: None, on_task)
    return results


class FakePool:
    """Ends the chunk that began last, so that the order of the results is the wrong one."""

    limit = 3

    def __init__(self) -> None:
        self.most = 0
        self.images: dict[int, Images] = {}

    def submit(self, task: Task, images: Images) -> int:
        self.images[len(self.images)] = images
        return len(self.images) - 1

    def finished(self, handles: Any) -> list[int]:
        self.most = max(self.most, len(handles))
        return [max(handles)]

    def result(self, handle: int) -> tuple[Any, float]:
        return {"ids": self.images[handle].ids}, 1.0


def test_chunks_under_way_are_bounded_and_come_in_order() -> None:
    tasks, images, networks = linear_tasks(1100, {"a": None, "b": None})
    pool = FakePool()
    seen = {}
    run_chunks(
        tasks,
        lambda task: images,
        networks,
        pool,
        lambda task, chunks: None,
        lambda task, parts, seconds: seen.update({task.dataset: (parts, seconds)}),
    )
    assert pool.most == pool.limit + 1
    for parts, seconds in seen.values():
        assert seconds == 9.0
        assert np.array_equal(np.concatenate([part["ids"] for part in parts]), np.arange(1100))


class FakeFuture:
    def __init__(self, key: str) -> None:
        self.key = key
        self.status = "pending"

    def add_done_callback(self, call: Any) -> None:
        pass


class FakeClient:
    """Notes what is submitted."""

    def __init__(self, **capacity: int) -> None:
        self.capacity = {"workers": 2, "threads": 2, "gpus": 0, **capacity}
        self.sent: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def run_on_scheduler(self, function: Any, callback_timeout: float) -> dict[str, int]:
        assert function is dask_worker.capacity
        return self.capacity

    def submit(self, function: Any, *args: Any, key: str = "", **kwargs: Any) -> FakeFuture:
        self.sent.append((function.__name__, args, kwargs))
        return FakeFuture(key or f"k{len(self.sent)}")


def pool_of(client: FakeClient, models: Any = None) -> DaskPool:
    return DaskPool(client, models or {}, "here", lambda text: None)


def test_a_worker_gets_every_network_that_images_are_to_transfer_to() -> None:
    (task,), images, models = linear_tasks(10, {"a": None})
    target = Spec("another")
    (cell,) = task.cells
    task = replace(task, cells=(cell, replace(cell, network=target)))
    models[task.dataset, target] = models[task.dataset, task.network]
    client = FakeClient()
    pool_of(client, models).submit(task, images)
    content = next(args[0] for name, args, _ in client.sent if name == "keep_value")
    assert set(pickle.loads(content)) == {("a", task.network), ("a", target)}
    results, _ = timed_chunk(task, images, ClassifierCache(pickle.loads(content)))
    assert set(results) == set(task.cells)


def test_weights_and_images_are_sent_once() -> None:
    tasks, images, models = linear_tasks(250, {"a": None})
    client = FakeClient()
    pool = pool_of(client, models)
    for _ in range(3):
        for start in (0, 125):
            pool.submit(tasks[0], images[start : start + 125])
    names = [name for name, _, _ in client.sent]
    assert names.count("compute_chunk") == 6
    assert names.count("keep_value") == 1 + 2
    # what goes with every chunk is small
    assert (
        sum(
            len(a)
            for n, args, _ in client.sent
            if n == "compute_chunk"
            for a in args
            if isinstance(a, bytes)
        )
        < 6 * 5_000
    )


def test_weights_that_were_blamed_for_a_death_are_sent_again() -> None:
    tasks, images, models = linear_tasks(10, {"a": None})
    client = FakeClient()
    pool = pool_of(client, models)
    pool.submit(tasks[0], images)
    for future, _ in pool._values._held.values():
        future.status = "error"
    before = {future.key for future, _ in pool._values._held.values()}
    pool.submit(tasks[0], images)
    after = {future.key for future, _ in pool._values._held.values()}
    assert len(after) == 2
    assert not before & after


def test_workers_of_our_own_are_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "RESTART_AFTER", -1.0)
    started = []
    pool = pool_of(FakeClient(workers=0, threads=0))
    pool.restart = lambda: started.append(1)
    pool._check_workers()
    assert not started
    pool._check_workers()
    assert started == [1]
    pool.client = FakeClient()
    pool._check_workers()
    assert started == [1]


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, images, models = linear_tasks(250, {"a": None})
    monkeypatch.setattr(dask_values, "HELD_BYTES", 40_000)
    client = FakeClient()
    pool = pool_of(client, models)
    for _ in range(2):
        for start in (0, 125):
            pool.submit(tasks[0], images[start : start + 125])
            assert sum(size for _, size in pool._values._held.values()) <= 40_000
    assert [name for name, _, _ in client.sent].count("keep_value") > 3


GPUS = {
    "auto, none there": ("auto", 0, "cpu", 2),
    "auto, three there": ("auto", 3, "cuda", 3),
    "cpu, three there": ("cpu", 3, "cpu", 2),
    "cuda": ("cuda", 1, "cuda", 1),
}


@pytest.mark.parametrize("case", GPUS)
def test_gpus_are_dask_resources(case: str) -> None:
    asked, gpus, device, slots = GPUS[case]
    client = FakeClient(gpus=gpus)
    tasks, images, models = linear_tasks(10, {"a": None})
    pool = pool_of(client, models)
    pool.choose_device(asked)
    assert (pool.device, pool.limit) == (device, 2 * slots)
    pool.submit(tasks[0], images)
    _, args, kwargs = client.sent[-1]
    assert device in args
    assert kwargs["resources"] == ({"GPU": 1} if device == "cuda" else None)


def test_a_gpu_that_no_worker_has() -> None:
    with pytest.raises(InputError, match="resources GPU=1"):
        pool_of(FakeClient()).choose_device("cuda")


def test_a_cluster_without_workers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "NO_WORKER_TIMEOUT", 0.3)
    messages: list[str] = []
    pool = DaskPool(FakeClient(workers=0, threads=0), {}, "here", messages.append)
    with pytest.raises(ClusterLost, match="the same command continues"):
        pool.choose_device("cpu")
    assert len(messages) == 1


def test_gpu_workers_that_all_went_away_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient(gpus=1)
    pool = pool_of(client)
    pool.choose_device("auto")
    client.capacity["gpus"] = 0
    pool._check_workers()
    monkeypatch.setattr(dask_pool, "NO_WORKER_TIMEOUT", -1.0)
    with pytest.raises(ClusterLost, match="no worker"):
        pool._check_workers()


def test_a_worker_with_other_versions_is_refused() -> None:
    mine = decisive_versions()
    assert {"torch", "art-bench"} <= set(mine)
    with pytest.raises(UnfitWorker, match=r"torch .* instead of 0\.1"):
        dask_worker.compute_chunk(b"", "", b"", b"", "cpu", {**mine, "torch": "0.1"}, {})


def test_a_worker_with_another_plug_in_is_refused(module) -> None:
    module("mine", "class Attack: pass")
    mine, name = decisive_versions(), "attacks/mine:Attack"
    with pytest.raises(UnfitWorker, match=r"other code .* of attacks/mine:Attack"):
        dask_worker.compute_chunk(b"", "", b"", b"", "cpu", mine, {name: "another"})
    with pytest.raises(EOFError):
        # past the check there is nothing to compute here
        dask_worker.compute_chunk(b"", "", b"", b"", "cpu", mine, code_hashes([name]))


def test_a_network_that_cannot_be_pickled() -> None:
    tasks, images, models = linear_tasks(10, {"a": None})
    network = models["a", Spec("lenet")][0]
    network.hook = lambda x: x
    with pytest.raises(InputError, match="cannot be sent to workers"):
        pool_of(FakeClient(), models).submit(tasks[0], images)


BAD = {
    "both": (["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "use one of them"),
    "none": (["--workers", "0"], "at least 1"),
    "device": (["--scheduler", "tcp://127.0.0.1:PORT", "--device", "tpu"], "known: auto"),
    "threads": (["--workers", "2", "--threads", "2"], "leave it out"),
    "no scheme": (["--scheduler", "localhost:8786"], "tcp://HOST:8786"),
    "no port": (["--scheduler", "tcp://localhost"], "tcp://HOST:8786"),
    "bad port": (["--scheduler", "tcp://localhost:99999"], "tcp://HOST:8786"),
    "nobody there": (["--scheduler", "tcp://127.0.0.1:PORT"], "no answer"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_one_line(bench: Any, tmp_path: Path, case: str) -> None:
    options, message = BAD[case]
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        port = str(bound.getsockname()[1])
        code, out = bench("run", *(option.replace("PORT", port) for option in options))
    assert code == 2, out
    assert message in out
    assert len(out.strip().splitlines()) == 1, out
    assert not list(tmp_path.iterdir())


def test_without_dask_the_extra_is_named(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "distributed" else honest(name)
    )
    code, out = bench("run", "--workers", "2")
    assert code == 2
    assert "pip install '.[cluster]' in a checkout" in out


def test_dask_is_imported_where_it_is_used() -> None:
    modules = "benchmark.cli, benchmark.runs.run, benchmark.speed.measure"
    code = f"import sys, {modules}; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = set(out.stdout.split())
    assert "torch" in names
    assert not names & {"dask", "distributed"}


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(here: Path, tmp_path: Path) -> None:
    result = run(Grid(**SMALL), RunOptions(out=tmp_path / "r", workers=2))
    assert_same(tmp_path / "r", here)
    assert len(result.failed) == 0
    machine = json.loads((tmp_path / "r" / "manifest.json").read_text())["machine"]
    assert machine["threads"] == 2
    assert sum(machine["workers"].values()) == sum(
        len(range(0, int(task.samples), 125)) for task in plan(Grid(**SMALL).cells())
    )
    assert not still_running(worker_processes())


@pytest.mark.slow
def test_ten_workers_killed_and_nothing_lost(here: Path, tmp_path: Path) -> None:
    killed: list[int] = []
    chunks = 0
    stored: list[int] = []
    pick = random.Random(0)

    def advanced(task: Task, work: float, cells: int) -> None:
        nonlocal chunks
        stored.append(cells)
        chunks += work > 0
        alive = [p for p in worker_processes() if p.pid not in killed]
        # two chunks a worker are under way, so that the next one has begun on both
        if work > 0 and len(killed) < 10 and alive:
            victim = pick.choice(alive)
            killed.append(victim.pid)
            victim.kill()

    grid = Grid(**SMALL)
    result = run(
        grid, RunOptions(out=tmp_path / "r", workers=2, progress=Progress(advanced=advanced))
    )
    assert len(killed) == 10
    assert_same(tmp_path / "r", here)
    assert len(result.failed) == 0
    # handed over once each
    assert sum(stored) == len(grid.cells())


@pytest.mark.slow
def test_a_task_that_raises_or_kills_is_a_failure_and_the_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dask_client, "ALLOWED_DEATHS", 1)
    made: dict[str, nn.Module] = {"a": None, "raises": Raises(), "kills": Kills(), "b": None}
    tasks, images, models = linear_tasks(100, made)
    fine = {name: made[name] for name in ("a", "b")}
    expected = collected(ThreadExecutor(), *linear_tasks(100, fine))
    results = collected(DaskExecutor(workers=1), tasks, images, models)
    assert set(results) == set(made)
    for name in fine:
        for mine, theirs in zip(results[name], expected[name], strict=True):
            assert mine.keys() == theirs.keys()
            for cell, outcome in mine.items():
                assert np.array_equal(outcome.adversarial, theirs[cell].adversarial)
                assert np.array_equal(outcome.l2, theirs[cell].l2)
    assert isinstance(results["raises"], Failure)
    assert results["raises"].message == "ZeroDivisionError: made up"
    assert "Traceback" in results["raises"].trace
    assert isinstance(results["kills"], Failure)
    assert results["kills"].message.startswith("WorkerDied: 1 workers died")


def command(*options: str) -> subprocess.Popen[str]:
    # the signal is ignored where the suite itself runs in a shell's background
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from benchmark.cli import main; main(prog_name='bench')"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, "run", "--grid", "grid.yaml", "--out", "r", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_stored(directory: Path, cells: int, process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        if (directory / "store.sqlite").exists():
            store = Store(directory)
            count = len(store.keys())
            store.close()
            if count >= cells:
                return
        time.sleep(0.05)
    raise AssertionError(process.communicate())


@pytest.mark.slow
@pytest.mark.parametrize("how", ["scheduler killed", "interrupted"])
def test_what_was_stored_stays(here: Path, tmp_path: Path, how: str) -> None:
    Path("grid.yaml").write_text(json.dumps(SMALL))
    directory = tmp_path / "r"
    if how == "interrupted":
        process = command("--workers", "2")
        wait_until_stored(directory, 1, process)
        workers = worker_processes(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode == 130, err
        assert len(workers) >= 2
        assert not still_running(workers)
    else:
        with dask_processes(2, tmp_path) as (address, scheduler):
            process = command("--scheduler", address)
            wait_until_stored(directory, 1, process)
            scheduler.kill()
            out, err = process.communicate()
        assert process.returncode == 5, err
    assert "the same command continues" in err
    progress = ("starting", "cell ", "reading ")
    told = [line for line in err.splitlines() if line and not line.startswith(progress)]
    assert len(told) == 1, err
    assert "Traceback" not in out + err
    store = Store(directory)
    kept = len(store.keys())
    store.close()
    assert kept >= 1
    rest = run(Grid(**SMALL), RunOptions(out=directory, threads=1))
    assert rest.reused == kept < len(rest.table)
    assert_same(directory, here)

"""Where tasks are executed: on the workers of a Dask cluster, local or joined."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import importlib.util
import logging
import os
import pickle
import queue
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from benchmark import remote
from benchmark.cell import Cell
from benchmark.drive import Failure, OnChunk, OnTask, Used, drive
from benchmark.engine import chosen_device
from benchmark.evaluate import Outcome
from benchmark.plan import Task
from benchmark.remote import ClusterLost, UnfitWorker
from estimators.datasets import Images
from estimators.errors import InputError
from estimators.spec import Spec

# seconds
CONNECT = 15.0  # until a scheduler that does not answer is given up
ANSWER = 30.0  # until one that answered before is
PATIENCE = 600.0  # without any worker
LOOK = 5.0  # between two looks at the workers
# bytes of weights and images that the cluster is asked to hold
HELD = 512 << 20
# the workers that may die with a chunk, together with other chunks and then alone
DEATHS = 4

_CANCELLED = (concurrent.futures.CancelledError, asyncio.CancelledError)
_TIMEOUT = (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError)


def check_options(threads: int | None, workers: int | None, scheduler: str | None) -> None:
    """Refuse what cannot be, before anything is loaded; a scheduler must take connections."""
    if workers is None and scheduler is None:
        return
    if workers is not None and scheduler is not None:
        raise InputError(
            "--workers and --scheduler: one starts a cluster, the other joins one; give one of them"
        )
    if threads is not None:
        raise InputError(
            "--threads: belongs to a run in this process, a worker has one; leave it out"
        )
    if workers is not None and workers < 1:
        raise InputError(f"--workers: must be at least 1, found {workers}")
    if importlib.util.find_spec("distributed") is None:
        option = "--workers" if scheduler is None else "--scheduler"
        raise InputError(f"{option}: needs Dask: pip install 'art-bench[cluster]'")
    if scheduler is not None:
        _check_address(scheduler)


def _check_address(scheduler: str) -> None:
    parts = urlsplit(scheduler)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in ("tcp", "tls", "ws", "wss", "ucx") or not host or not port:
        raise InputError(
            f"--scheduler {scheduler!r}: an address like tcp://HOST:8786 or tls://HOST:8786 wanted"
        )
    try:
        socket.create_connection((host, port), CONNECT).close()
    except OSError as error:
        raise _silent(scheduler, error) from error


def _silent(scheduler: str, error: BaseException) -> InputError:
    why = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"--scheduler {scheduler}: no answer ({why}); start it with `dask scheduler`,"
        " or mend the address"
    )


def execute(
    tasks: list[Task],
    images_of: Callable[[Task], Images],
    networks: Mapping[tuple[str, Spec], Any],
    on_chunk: OnChunk,
    on_task: OnTask,
    workers: int | None = None,
    scheduler: str | None = None,
    device: str = "auto",
    message: Callable[[str], None] = lambda text: None,
) -> Used:
    """Run tasks on a cluster, as `drive` says: `workers` processes here, or those of a scheduler.

    device: `auto` takes the GPUs that the workers advertise as the resource `GPU`, if any do.

    Raises ClusterLost when the cluster goes away, InputError for one that cannot be used.
    """
    with _quiet(), _client(workers, scheduler, device) as client:
        pool = _Workers(client, networks, scheduler or "local cluster", message)
        pool.choose_device(device if scheduler else chosen_device(device))
        drive(tasks, images_of, pool, on_chunk, on_task)
        return Used(pool.device, pool.slots, pool.processors)


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own log tells of every death and reconnection; what matters is told in one line."""
    import distributed  # noqa: F401  sets the levels of its loggers

    names = ["distributed", *(n for n in logging.root.manager.loggerDict
                              if n.startswith("distributed."))]  # fmt: skip
    levels = [(log, log.level) for log in map(logging.getLogger, names)]
    for log, _ in levels:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in levels:
            log.setLevel(level)


@contextmanager
def _client(workers: int | None, scheduler: str | None, device: str) -> Iterator[Any]:
    import dask
    from distributed import Client

    settings = {
        # a chunk of large images is a large graph and no mistake
        "distributed.admin.large-graph-warning-threshold": "1GB",
        "distributed.scheduler.allowed-failures": DEATHS - 1,
        "distributed.comm.timeouts.connect": f"{ANSWER:.0f}s",
    }
    with dask.config.set(settings), _local_cluster(workers, device) as cluster:
        try:
            client = Client(
                cluster or scheduler, timeout=CONNECT, set_as_default=False, name="art-bench"
            )
        except (OSError, *_TIMEOUT) as error:
            raise _silent(str(scheduler), error) from error
        try:
            yield client
        finally:
            # a scheduler that is gone must not hold the client up
            with suppress(*_TIMEOUT, *_CANCELLED, OSError):
                client.close(timeout=5)


@contextmanager
def _local_cluster(workers: int | None, device: str) -> Iterator[Any]:
    """Processes of one thread on this machine, or nothing; GPUs are dealt out in turn."""
    if workers is None:
        yield None
        return
    from distributed import Nanny, Scheduler, SpecCluster

    local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    gpus = _gpus() if chosen_device(device) != "cpu" else []
    options: dict[str, Any] = {
        **local,
        "nthreads": 1,
        # Dask would count torch itself as a leak and stop; the system's own limit holds
        "memory_limit": 0,
        "preload": ["benchmark.remote"],
        "silence_logs": logging.CRITICAL,
    }
    specs = {}
    for number in range(workers):
        own = dict(options)
        if gpus:
            own["resources"] = {"GPU": 1}
            own["env"] = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]}
        specs[number] = {"cls": Nanny, "options": own}
    cluster = SpecCluster(
        workers=specs,
        scheduler={"cls": Scheduler, "options": {**local, "dashboard": False}},
        silence_logs=logging.CRITICAL,
    )
    try:
        yield cluster
    finally:
        with suppress(*_TIMEOUT, *_CANCELLED):
            cluster.close(timeout=20)


def _gpus() -> list[str]:
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(n) for n in range(torch.cuda.device_count())]


@dataclass(frozen=True)
class _Chunk:
    """All that a chunk needs to be submitted, and again if its worker dies."""

    task: Task
    images: Images
    future: Any


@dataclass
class _Workers:
    """A pool whose chunks are Dask tasks; weights and images are values named by their hash."""

    client: Any
    networks: Mapping[tuple[str, Spec], Any]
    where: str
    message: Callable[[str], None]
    device: str = "cpu"
    slots: int = 1
    processors: dict[str, int] = field(default_factory=dict)
    _under_way: dict[str, _Chunk] = field(default_factory=dict)
    _ended: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _ready: list[str] = field(default_factory=list)
    _held: OrderedDict[str, tuple[Any, int]] = field(default_factory=OrderedDict)
    _packed: dict[tuple[str, Spec], tuple[bytes, str]] = field(default_factory=dict)
    _task: tuple[Task, bytes] | None = None
    _renewed: int = 0
    _looked: float = 0.0
    _deserted: float | None = None

    @property
    def limit(self) -> int:
        """Two chunks a thread of the workers that are there now."""
        if time.monotonic() - self._looked > LOOK:
            self._look()
        return 2 * self.slots

    def choose_device(self, asked: str) -> None:
        """Wait for the first worker; then the device is chosen, once for the whole run."""
        found = self._look()
        if not found["workers"]:
            self.message(f"{self.where}: no worker yet, waiting up to {PATIENCE:.0f} s")
        while not found["workers"]:
            time.sleep(0.2)
            found = self._look()
        if asked.startswith("cuda") and not found["gpus"]:
            raise InputError(
                f"{self.where}: no worker advertises a GPU; start workers with"
                " `--resources GPU=1`, or run with --device cpu"
            )
        gpu = asked != "cpu" and found["gpus"] > 0
        self.device = "cuda" if gpu else "cpu"
        self._look()

    def submit(self, task: Task, images: Images) -> str:
        """Begin a chunk; its key is what stands for it here."""
        network, sha256 = self._network(task.dataset, task.network)
        part = self._hold(f"images-{images.sha256}", lambda: pickle.dumps(images, protocol=5))
        if self._task is None or self._task[0] is not task:
            self._task = (task, pickle.dumps(task, protocol=5))
        with self._watched():
            future = self.client.submit(
                remote.work, network, sha256, part, self._task[1], self.device,
                remote.relevant_versions(),
                pure=False, resources={"GPU": 1} if self.device != "cpu" else None,
            )  # fmt: skip
        key = str(future.key)
        self._under_way[key] = _Chunk(task, images, future)
        future.add_done_callback(lambda done: self._ended.put(str(done.key)))
        return key

    def ended(self, futures: Collection[str]) -> Collection[str]:
        """One chunk that has ended."""
        return [self._ready.pop(0) if self._ready else self._next()]

    def result(self, future: str) -> tuple[dict[Cell, Outcome] | Failure, float]:
        """What a chunk came to; one whose workers died is tried once more, alone.

        Dask blames every chunk that a dying worker had taken. Alone, a chunk that still kills
        its workers is to blame itself.
        """
        chunk = self._under_way.pop(future)
        content, error = self._content(chunk.future)
        if _killed(error):
            # nothing else may be on the workers, so that nothing else is blamed
            while len(self._ready) < len(self._under_way):
                self._ready.append(self._next())
            key = self.submit(chunk.task, chunk.images)
            while (ended := self._next()) != key:
                self._ready.append(ended)
            content, error = self._content(self._under_way.pop(key).future)
            if _killed(error):
                return _deadly(chunk.task, error), 0.0
        if error is not None:
            raise self._refused(error)
        found, seconds, processor = pickle.loads(content)
        self.processors[processor] = self.processors.get(processor, 0) + 1
        return found, seconds

    def _next(self) -> str:
        """The next chunk that ends; meanwhile the cluster is watched."""
        while True:
            try:
                key = self._ended.get(timeout=LOOK)
            except queue.Empty:
                self._look()
                continue
            if key in self._under_way and self._under_way[key].future.cancelled():
                raise self._lost("its scheduler went away")
            return key

    def _look(self) -> dict[str, int]:
        """Workers, threads and GPUs now. Raises ClusterLost where no worker comes for long."""
        with self._watched():
            try:
                found: dict[str, int] = self.client.run_on_scheduler(
                    remote.capacity, callback_timeout=ANSWER
                )
            except ImportError as error:
                raise self._refused(error) from error
        now = self._looked = time.monotonic()
        there = found["gpus"] if self.device != "cpu" else found["threads"]
        self.slots = max(1, there)
        if there:
            self._deserted = None
        elif self._deserted is None:
            self._deserted = now
        elif now - self._deserted > PATIENCE:
            raise self._lost(f"no worker for {PATIENCE:.0f} s")
        return found

    def _network(self, dataset: str, network: Spec) -> tuple[Any, str]:
        """A network with its weights on the cluster, and the hash of both."""
        at = (dataset, network)
        if at not in self._packed:
            try:
                content = pickle.dumps((at, *self.networks[at]), protocol=5)
            except (pickle.PicklingError, TypeError, AttributeError, RuntimeError) as error:
                raise InputError(
                    f"network {network}: cannot be sent to workers ({error});"
                    " run it without --workers and --scheduler"
                ) from error
            # networks come one after another
            self._packed = {at: (content, hashlib.sha256(content).hexdigest())}
        content, sha256 = self._packed[at]
        return self._hold(f"network-{sha256}", lambda: content), sha256

    def _hold(self, name: str, content: Callable[[], bytes]) -> Any:
        """A value of the cluster by its hash; the ones wanted least lately are let go."""
        if name in self._held and self._held[name][0].status == "error":
            # blamed for deaths that happened around it; Dask would give the same error again
            del self._held[name]
            self._renewed += 1
        if name not in self._held:
            value = content()
            key = f"art-bench-{name}-{self._renewed}"
            with self._watched():
                future = self.client.submit(remote.held, value, key=key)
            self._held[name] = (future, len(value))
        self._held.move_to_end(name)
        while len(self._held) > 1 and sum(size for _, size in self._held.values()) > HELD:
            self._held.popitem(last=False)
        return self._held[name][0]

    def _content(self, future: Any) -> tuple[bytes, BaseException | None]:
        """What a chunk gave, or what it raised.

        It is on the worker still: when that one dies first, the chunk is computed again.
        """
        while True:
            try:
                return future.result(timeout=LOOK), None
            except _TIMEOUT:
                self._look()
            except (*_CANCELLED, OSError) as error:
                raise self._lost("its scheduler went away") from error
            except Exception as error:
                return b"", error

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """A call to the cluster; that it cannot be reached any more is told as such."""
        try:
            yield
        except _TIMEOUT as error:
            raise self._lost("its scheduler does not answer") from error
        except (*_CANCELLED, OSError) as error:
            raise self._lost("its scheduler went away") from error

    def _lost(self, why: str) -> ClusterLost:
        return ClusterLost(
            f"{self.where}: {why}; what was finished is kept: start the cluster again,"
            " then the same command continues"
        )

    def _refused(self, error: BaseException) -> InputError:
        if isinstance(error, UnfitWorker):
            return InputError(f"{self.where}: {error}")
        first = (str(error).splitlines() or [""])[0]
        return InputError(
            f"{self.where}: cannot run a chunk ({type(error).__name__}: {first}); scheduler and"
            " workers need the same environment as here, with art-bench in it"
        )


def _killed(error: BaseException | None) -> bool:
    from distributed import KilledWorker

    return isinstance(error, KilledWorker)


def _deadly(task: Task, error: Any) -> Failure:
    message = (
        f"WorkerDied: {error.allowed_failures + 1} workers died on a chunk that was alone on them"
        " (out of memory, or a crash in native code)"
    )
    return Failure(message, f"{message}\n{task.attacks}, {task.sees}\n")

"""The workers of a Dask cluster as a pool: what travels, who died, when to give up."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import pickle
import queue
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmark.execution import dask_worker as remote
from benchmark.execution.dask_worker import ClusterLost, UnfitWorker
from benchmark.execution.executor import Failure
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Task
from benchmark.execution.plugin_code import plugin_code
from benchmark.grids.cell import Cell
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.spec import Spec

# seconds
ANSWER = 30.0  # until a scheduler that answered before is given up
PATIENCE = 600.0  # without any worker
LOOK = 5.0  # between two looks at the workers
REVIVAL = 20.0  # without a worker of our own before new ones are started
# bytes of weights and images that the cluster is asked to hold
HELD = 512 << 20

CANCELLED = (concurrent.futures.CancelledError, asyncio.CancelledError)
TIMEOUT = (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError)


@dataclass(frozen=True)
class _Chunk:
    """All that a chunk needs to be submitted, and again if its worker dies."""

    task: Task
    images: Images
    future: Any


@dataclass
class Workers:
    """A pool whose chunks are Dask tasks; weights and images are values named by their hash.

    revive: starts workers anew where they are ours. What looks after a worker gives up for good
        when that dies while it starts.
    """

    client: Any
    networks: Mapping[tuple[str, Spec], Any]
    where: str
    message: Callable[[str], None]
    revive: Callable[[], object] | None = None
    device: str = "cpu"
    slots: int = 1
    processors: dict[str, int] = field(default_factory=dict)
    _under_way: dict[str, _Chunk] = field(default_factory=dict)
    _ended: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    _ready: list[str] = field(default_factory=list)
    _held: OrderedDict[str, tuple[Any, int]] = field(default_factory=OrderedDict)
    _packed: dict[tuple[str, tuple[Spec, ...]], tuple[bytes, str]] = field(default_factory=dict)
    _task: tuple[Task, bytes, dict[str, str]] | None = None
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
        network, sha256 = self._models(task)
        part = self._hold(f"images-{images.sha256}", lambda: pickle.dumps(images, protocol=5))
        if self._task is None or self._task[0] is not task:
            code = {k: v for cell in task.cells for k, v in plugin_code(cell).items()}
            self._task = (task, pickle.dumps(task, protocol=5), code)
        with self._watched():
            future = self.client.submit(
                remote.work,
                network,
                sha256,
                part,
                self._task[1],
                self.device,
                remote.relevant_versions(),
                self._task[2],
                pure=False,
                resources={"GPU": 1} if self.device != "cpu" else None,
            )
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
        elif now - self._deserted > REVIVAL and self.revive is not None:
            self.revive()
        return found

    def _models(self, task: Task) -> tuple[Any, str]:
        """The networks of a task with their weights on the cluster, and the hash of all.

        One, but for attacks that are to transfer: those want the source and every target.
        """
        wanted = {task.network, *(cell.network for cell in task.cells)}
        at = (task.dataset, tuple(sorted(wanted, key=str)))
        if at not in self._packed:
            models = {(task.dataset, name): self.networks[task.dataset, name] for name in at[1]}
            try:
                content = pickle.dumps(models, protocol=5)
            except (pickle.PicklingError, TypeError, AttributeError, RuntimeError) as error:
                raise InputError(
                    f"network {', '.join(map(str, at[1]))}: cannot be sent to workers ({error});"
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
            except TIMEOUT:
                self._look()
            except (*CANCELLED, OSError) as error:
                raise self._lost("its scheduler went away") from error
            except Exception as error:
                return b"", error

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """A call to the cluster; that it cannot be reached any more is told as such."""
        try:
            yield
        except TIMEOUT as error:
            raise self._lost("its scheduler does not answer") from error
        except (*CANCELLED, OSError) as error:
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

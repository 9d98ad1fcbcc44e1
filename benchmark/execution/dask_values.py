"""Weights and images as values of a Dask cluster: each is sent once, under its hash."""

from __future__ import annotations

import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from benchmark.execution import dask_worker
from benchmark.execution.executor import Networks
from benchmark.execution.plan import Work
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.spec import Spec

# bytes of weights and images that the cluster is asked to hold
HELD_BYTES = 512 << 20


class Values:
    """The values that a cluster holds for a run, at most HELD_BYTES of them."""

    def __init__(self, client: Any, networks: Networks) -> None:
        self._client = client
        self._networks = networks
        # by name: the future, and the size in bytes; the least recently used one comes first
        self._held: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        # the networks of the latest task, pickled, and their hash: tasks come network by network
        self._pickled: dict[tuple[str, tuple[Spec, ...]], tuple[bytes, str]] = {}
        self._resent = 0

    def networks_of(self, task: Work) -> tuple[Any, str]:
        """Return the networks of a task on the cluster, and the hash of them all.

        Raises InputError for a network that cannot be pickled.
        """
        names = {task.network, *(cell.network for cell in task.cells)}
        key = (task.dataset, tuple(sorted(names, key=str)))
        if key not in self._pickled:
            networks = {(task.dataset, name): self._networks[task.dataset, name] for name in key[1]}
            try:
                content = pickle.dumps(networks, protocol=5)
            except (pickle.PicklingError, TypeError, AttributeError, RuntimeError) as error:
                raise InputError(
                    f"network {', '.join(map(str, key[1]))}: cannot be sent to workers ({error});"
                    " run it without --workers and --scheduler"
                ) from error
            self._pickled = {key: (content, hashlib.sha256(content).hexdigest())}
        content, sha256 = self._pickled[key]
        return self._hold(f"network-{sha256}", lambda: content), sha256

    def images(self, images: Images) -> Any:
        """Return the images of a chunk on the cluster."""
        return self._hold(f"images-{images.sha256}", lambda: pickle.dumps(images, protocol=5))

    def _hold(self, name: str, content: Callable[[], bytes]) -> Any:
        """Return a value of the cluster; let the least recently used ones go."""
        if name in self._held and self._held[name][0].status == "error":
            # blamed for the death of a worker; under the same key Dask would give the same error
            del self._held[name]
            self._resent += 1
        if name not in self._held:
            value = content()
            key = f"art-bench-{name}-{self._resent}"
            future = self._client.submit(dask_worker.keep_value, value, key=key)
            self._held[name] = (future, len(value))
        self._held.move_to_end(name)
        while len(self._held) > 1 and sum(size for _, size in self._held.values()) > HELD_BYTES:
            self._held.popitem(last=False)
        return self._held[name][0]

"""How much memory a run over many images takes: `bench speed --only memory`.

Each number of images has its own process, since the peak of a process never falls.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import numpy as np

from benchmark.execution.chunk_size import need
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.memory import peak_memory
from benchmark.execution.plan import plan
from benchmark.execution.threads import ThreadExecutor
from benchmark.grids.cell import Cell
from estimators.data.images import Images, subset
from estimators.networks.build import build_network
from estimators.spec import Spec

COUNTS = (1_000, 10_000, 50_000)


def peaks(counts: Iterable[int] = COUNTS) -> Iterable[tuple[int, float]]:
    """Yield the number of images and the peak resident memory in MB.

    FGSM at two eps behind 8 bits and JPEG, LeNet, made-up images of 28x28.
    """
    for count in counts:
        code = f"from {__name__} import peak; print(peak({count}))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        yield count, round(float(done.stdout.split()[-1]))


def peak(count: int) -> float:
    """Return the peak memory of this process in MB after a run over so many images."""
    run_made_up(count)
    return peak_memory()


def run_made_up(count: int, classes: int = 10, side: int = 28) -> None:
    """Run FGSM at two eps behind 8 bits and JPEG, LeNet, on made-up grey images."""
    x = np.random.default_rng(0).integers(0, 256, (count, 1, side, side), np.uint8)
    names = tuple(map(str, range(classes)))
    images = Images(x, np.arange(count) % classes, np.arange(count), names)
    chosen = subset(images, "all", 0)
    lenet, shape = Spec("lenet"), (1, side, side)
    cells = [
        Cell("made-up", lenet, Spec.of("fgsm", eps=eps), "oblivious", defence, "all", 0)
        for eps in (0.1, 0.2)
        for defence in (Spec("quantize"), Spec.of("jpeg", quality=50))
    ]
    module = build_network(lenet, shape, classes)
    network = TrainedNetwork(module, shape, classes, chunk=need(module, shape).chunk)
    models, ignore = {("made-up", lenet): network}, lambda *_: None
    ThreadExecutor().execute(plan(cells), lambda task: chosen, models, ignore, ignore)

"""The floor of a measurement: the passes through the network that it cannot do without."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import torch

from benchmark.execution.chunk_size import need
from benchmark.execution.threads import one_torch_thread
from benchmark.speed.rivals import Bench
from estimators.classifier import Classifier, channels_last
from estimators.networks.running.frozen import Frozen


def floor_of(bench: Bench, threads: int, forwards: int, gradients: int) -> float:
    """Return the median seconds of the passes alone, in the batches of a run.

    forwards, gradients: passes for each image.
    """
    x, y = torch.from_numpy(bench.images.x), torch.from_numpy(bench.images.y)
    shape, batch = bench.images.shape, need(bench.network, bench.images.shape).chunk
    frozen = Frozen.of(bench.network, shape)

    def job(part: tuple[torch.Tensor, torch.Tensor]) -> None:
        torch.set_num_threads(1)
        classifier = Classifier(frozen, shape, bench.classes)
        at = channels_last(part[0])
        for _ in range(gradients):
            classifier.input_gradient(*part)
        with torch.inference_mode():
            for _ in range(forwards):
                frozen.scorer(at)

    parts = list(zip(torch.split(x, batch), torch.split(y, batch), strict=True))
    times = []
    # the first one warms up: buffers, and the proofs of cheaper passes
    for _ in range(bench.repeat + 1):
        start = time.perf_counter()
        with one_torch_thread(), ThreadPoolExecutor(threads) as pool:
            list(pool.map(job, parts))
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])

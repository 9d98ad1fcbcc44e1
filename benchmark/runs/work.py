"""The work of a run before it is done: for the time left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import nn

from benchmark.execution.passes import CleanScorings, passes_of, proof_passes
from benchmark.execution.plan import ProofTask, Work
from benchmark.runs.inputs import RunInputs
from estimators.data.images import Images
from estimators.errors import NetworkError


def expected_work(tasks: Sequence[Work], inputs: RunInputs) -> dict[int, float]:
    """Return the expected cost of each task by its id, in seconds of forward passes of 25 images.

    An attack states its passes, averaged over draws where its gradients are. Scoring is that of
    `passes_of`. The time left is estimated from it.
    """
    clean: CleanScorings = {}
    seconds = {
        pair: _forward_seconds(trained.network, inputs.images[pair[0]][: inputs.chunks[pair]])
        for pair, trained in inputs.networks.items()
    }
    return {
        id(task): len(inputs.subset(task.dataset, task.samples, task.seed))
        * _passes(task, inputs, clean)
        * seconds[task.dataset, task.network]
        for task in tasks
    }


def _passes(task: Work, inputs: RunInputs, clean: CleanScorings) -> float:
    """Return the expected cost of a task per image, in forward passes."""
    if not isinstance(task, ProofTask):
        return passes_of(task, len(inputs.images[task.dataset].classes), clean)
    return proof_passes(inputs.graphs[task.dataset, task.network], task.proof.method)


def _forward_seconds(network: nn.Module, images: Images) -> float:
    """Return the seconds of a forward pass of 25 images, or a chunk's, which compares networks.

    A network that raises fails its cells later, in next to no time.
    """
    x = torch.from_numpy(images.beginning(25).x)
    start = time.perf_counter()
    with suppress(NetworkError), torch.inference_mode():
        network(x)
        start = time.perf_counter()
        network(x)
    return (time.perf_counter() - start) * 25 / len(x)

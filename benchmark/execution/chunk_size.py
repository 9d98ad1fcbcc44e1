"""How many images a chunk has, so that its tensors fit: by network, image size and memory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import nn

from benchmark.certificates.certify import BATCH as BOUNDED
from benchmark.certificates.memory import ProofNeed
from benchmark.execution.memory import available_memory, kept_memory
from benchmark.grids.cell import Cell
from benchmark.grids.proof import Proof
from benchmark.threats import threat
from estimators.classifier import BATCH
from estimators.errors import InputError
from estimators.networks.activations import activation_bytes
from estimators.networks.running.image_gradients import SMALL_PIXELS
from estimators.spec import Spec

# activations of a chunk in one thread. On two cores larger chunks of EfficientNet-Lite0 and
# ResNet-50 at 224 pixels gained less than 10 % of the time (docs/speed.md).
CHUNK_BYTES = 400e6
# the share of the available memory that a run takes by default
SHARE = 0.7
# gradients and the images of an attack beside the activations; libraries, tables, plots
OVERHEAD, BASE_BYTES = 1.25, 500e6
# two copies beside the original: for gradients and for predictions
COPIES = 3
# networks that a message names at most
MOST_NAMED = 3
_PREFIXES = {"k": 1, "m": 2, "g": 3, "t": 4}


# data set and network
Pair = tuple[str, Spec]


class Need(NamedTuple):
    """What a network needs of the memory.

    activations: bytes per image. weights: bytes. chunk: images per chunk without any limit.
    """

    activations: float
    weights: float
    chunk: int

    def on(self, device: str) -> Need:
        """Return the same on a device: a GPU takes as many images per chunk as fit."""
        return self if device == "cpu" else self._replace(chunk=BATCH)


@dataclass(frozen=True)
class Fit:
    """What fits into a memory budget.

    threads: number of threads. chunks: images per chunk by data set and network.
    bounded: images that certificates bound at once, by data set and network.
    """

    threads: int
    chunks: dict[Pair, int]
    bounded: dict[Pair, int] = field(default_factory=dict)


def need(network: nn.Module, shape: tuple[int, int, int]) -> Need:
    """Return what a network needs for images of a shape (C, H, W), by a trial pass of two.

    network: on the CPU.
    """
    activations = activation_bytes(network, shape)
    tensors = [*network.parameters(), *network.buffers()]
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if shape[1] * shape[2] <= SMALL_PIXELS or not activations:
        return Need(activations, weights, BATCH)
    return Need(activations, weights, max(1, min(BATCH, int(CHUNK_BYTES / activations))))


def fit(
    needs: Mapping[Pair, Need], threads: int, budget: float, name: str, cells: Iterable[Cell] = ()
) -> Fit:
    """Return the chunks of networks that fit into a budget in bytes, and how many threads.

    Chunks are halved as long as they do not fit, then threads are left out. name: of the budget,
    for the message. cells: those that are asked for, for the message.

    Raises InputError where one image in one thread does not fit.
    """
    chunks: dict[Pair, int] = {}
    for (dataset, network), of in needs.items():
        chunk, own = of.chunk, threads
        while _bytes(of, chunk, own) > budget and (chunk > 1 or own > 1):
            chunk, own = (math.ceil(chunk / 2), own) if chunk > 1 else (1, own - 1)
        if _bytes(of, chunk, own) > budget:
            asked = list(cells)
            lost = _of_pair(asked, (dataset, network))
            raise InputError(
                f"memory: network {network} on {dataset} needs {_bytes(of, 1, 1) / 1e9:.1f} GB for"
                f" one image, {name} is {max(0.0, budget) / 1e9:.1f} GB, so {_named(lost)} cannot"
                f" run; free memory, or raise --memory; {_what_fits(needs, budget, asked)}"
            )
        chunks[dataset, network], threads = chunk, own
    return Fit(threads, chunks)


def fit_proofs(
    found: Fit,
    needs: Mapping[Pair, Need],
    proofs: Mapping[Proof, ProofNeed],
    budget: float,
    name: str,
) -> Fit:
    """Return what fits when certificates are computed on the threads, too.

    The images that are bounded at once are halved as long as they do not fit, then threads are
    left out. found, needs, budget, name: of the networks, as for `fit`.

    Raises InputError where one image in one thread does not fit.
    """
    threads, bounded = found.threads, dict[Pair, int]()
    for proof, of in proofs.items():
        pair = proof.dataset, proof.network
        images, own = bounded.get(pair, BOUNDED), threads
        while _proof_bytes(needs[pair], of, images, own) > budget and (images > 1 or own > 1):
            images, own = (images // 2, own) if images > 1 else (1, own - 1)
        needed = _proof_bytes(needs[pair], of, images, own)
        if needed > budget:
            fitting = [
                str(other)
                for other, needs_of in proofs.items()
                if _proof_bytes(needs[other.dataset, other.network], needs_of, 1, 1) <= budget
            ]
            others = ", ".join(fitting[:MOST_NAMED]) or "no certificate of the grid"
            more = len(fitting) - MOST_NAMED
            others += f" and {more} more" if more > 0 else ""
            raise InputError(
                f"memory: the certificate {proof} needs {needed / 1e9:.1f} GB for one image, {name}"
                f" is {max(0.0, budget) / 1e9:.1f} GB, so it cannot run; free memory, raise"
                f" --memory, or leave it out of --certify; {others} would fit"
            )
        bounded[pair], threads = images, own
    return replace(found, threads=threads, bounded=bounded)


def _of_pair(cells: Iterable[Cell], pair: Pair) -> list[Cell]:
    """Return the cells that run a network on a data set, to attack it or to craft on it."""
    return [
        cell
        for cell in cells
        if cell.dataset == pair[0] and pair[1] in (cell.network, threat(cell.threat).source)
    ]


def _named(cells: Sequence[Cell]) -> str:
    """Return the first of some cells, and how many others there are."""
    if not cells:
        return "it"
    others = len(cells) - 1
    more = f" and {others} other{'s' if others > 1 else ''} of this network" if others else ""
    return f"the cell {cells[0]}{more}"


def _what_fits(needs: Mapping[Pair, Need], budget: float, cells: Sequence[Cell]) -> str:
    """Return the networks of a run that would fit, with their cells, for the end of a message."""
    pairs = [pair for pair, of in needs.items() if _bytes(of, 1, 1) <= budget]
    names = []
    for dataset, network in pairs[:MOST_NAMED]:
        own = len(_of_pair(cells, (dataset, network)))
        count = f" ({own} cell{'s' if own > 1 else ''})" if own else ""
        names.append(f"{network} on {dataset}{count}")
    more = f" and {len(pairs) - MOST_NAMED} more" if len(pairs) > MOST_NAMED else ""
    return f"{', '.join(names)}{more} would fit" if names else "no network of the grid fits"


def memory_budget(text: str | None, device: str = "cpu") -> tuple[float, str]:
    """Return the budget in bytes that `--memory` names, and its name for messages.

    By default a share of the memory that is available to this process, or free on its GPU.
    """
    if text is not None:
        return parse_memory(text), "--memory"
    if device == "cpu":
        free, name = available_memory()
        # what earlier passes freed is kept for the next ones (`memory.keep_memory`)
        free += kept_memory()
    else:
        free, name = float(torch.cuda.mem_get_info(device)[0]), "available memory"
    return SHARE * free, f"{100 * SHARE:.0f} % of the {name}"


def parse_memory(text: str) -> float:
    """Return the bytes of a text such as `4GB`, `1500MB` or `4` (GB); InputError for others."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b)?\s*", text.lower())
    unit = (1024 if match[3] else 1000) ** _PREFIXES[match[2] or "g"] if match else 0
    size = float(match[1]) * unit if match else 0.0
    if not 0 < size < math.inf:
        raise InputError(f"--memory: expected a size such as 4GB or 1500MB, got {text!r}")
    return size


def _bytes(of: Need, chunk: int, threads: int) -> float:
    """Return the memory of a run in bytes: each thread has its own copies of the weights."""
    per_thread = OVERHEAD * of.activations * chunk + (COPIES - 1) * of.weights
    return BASE_BYTES + of.weights + threads * per_thread


def _proof_bytes(of: Need, proof: ProofNeed, images: int, threads: int) -> float:
    """Return the memory of a certificate beside the network's copies for attacks, in bytes."""
    return BASE_BYTES + of.weights + threads * ((COPIES - 1) * of.weights + proof.of(images))

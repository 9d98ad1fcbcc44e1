"""What is decided once about the passes of a network, before threads run it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from estimators.networks.running.folding import Pair, foldable
from estimators.networks.running.fusing import fused
from estimators.networks.running.proofs import COMPARED


@dataclass(frozen=True)
class CheaperPasses:
    """How a network may be run, as images have proved.

    folds: the batch norms that are folded for predictions (`folding.foldable`).
    fused: a network with fused convolutions for attacks and predictions (`fusing.fused`), which
        all threads share: it has no state. None where there is none.
    """

    folds: tuple[Pair, ...] = ()
    fused: nn.Module | None = None

    @classmethod
    def of(cls, network: nn.Module, images: torch.Tensor) -> CheaperPasses:
        """Return what images [N, C, H, W] in [0, 1] prove of a network; two of them are used.

        Call it only where no other thread runs a network: a trace patches the modules of the whole
        process.
        """
        images = images[:COMPARED]
        return cls(foldable(network, images), fused(network, images))

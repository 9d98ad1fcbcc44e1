"""A network made ready to be attacked: frozen, and by the cheapest passes that are proved."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from estimators.networks.copies.copying import copied
from estimators.networks.running.cheaper_passes import CheaperPasses
from estimators.networks.running.folding import folded
from estimators.networks.running.guarded import guarded, placed
from estimators.networks.running.lanes.front import fronted, takes_any_layout
from estimators.networks.running.pooled_convolutions import pooled
from estimators.networks.running.proofs import random_images
from estimators.networks.running.thin_convolutions import thinned


@dataclass(frozen=True)
class Frozen:
    """A network that is ready to be attacked.

    network: a copy in evaluation mode, its weights without gradients; channels last, unless the
        network does not work with that. Its passes take a faster way where that is proved right.
    scorer: the same for predictions only, with batch norms folded where that is proved right.
    """

    network: nn.Module
    scorer: nn.Module

    @classmethod
    def of(
        cls,
        network: nn.Module,
        shape: tuple[int, int, int],
        device: str = "cpu",
        passes: CheaperPasses | None = None,
    ) -> Frozen:
        """Return a frozen copy of a network on a device.

        shape: of an image, [C, H, W].
        passes: how it may be run, as `CheaperPasses.of` returned it. None calls it on random
            images, which no other thread may run a network beside.
        """
        network = guarded(copied(network).eval().requires_grad_(False), shape)
        if passes is None:
            passes = CheaperPasses.of(network, random_images(shape))
        if passes.fused is not None and device == "cpu":
            return cls(passes.fused, passes.fused)
        network = placed(network, device)
        attacked = fronted(network, shape) if device == "cpu" else network
        if attacked is network:
            attacked = thinned(network, shape)
        elif not passes.folds:
            return cls(attacked, attacked)
        return cls(attacked, pooled(folded(network, passes.folds), shape))


def laid_out(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return images in the memory layout that a frozen network reads fastest."""
    return x if takes_any_layout(network) else x.contiguous(memory_format=torch.channels_last)

"""A network and what it gives for a few images, for the checks on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import nn
from torch.nn import functional

from estimators.errors import InputError, NetworkError
from estimators.interrupts import contained
from estimators.networks.running.image_gradients import frozen_weights, image_gradients
from estimators.outputs import finite_rows, predicted_classes
from estimators.plugins import describe_error

# images to look at, at most
SAMPLE = 125
# images to look at, at least, and whose gradients are taken
LEAST = 16
# batches of another size may round differently, in the sixth digit
ROUNDING = 1e-3


@dataclass(frozen=True)
class ProbedModel:
    """A network and its outputs for some images.

    network: in evaluation mode, as it is attacked.
    name: for messages.
    x: images [N, C, H, W].
    y: their classes [N].
    out: the outputs [N, classes].
    classes: their names.
    batch: images per pass at most.
    """

    network: nn.Module
    name: str
    x: torch.Tensor
    y: torch.Tensor
    out: torch.Tensor
    classes: tuple[str, ...] = ()
    batch: int = SAMPLE

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs [N, classes] of images [N, C, H, W]."""
        return outputs_of(self.network, x, self.batch)

    def hits(self, x: torch.Tensor) -> int:
        """Return how many are right with other pixels [N, C, H, W]; 0 where those are refused."""
        try:
            return hits_of(self.outputs(x), self.y)
        except NetworkError:
            return 0

    def off(self, n: int) -> float:
        """Return how far the last n outputs are off when computed again; 0.0 for rounding.

        Of fewer images than all, each has another place in its batch.
        """
        difference = self.outputs(self.x[-n:]) - self.out[-n:]
        # of NaN and of equal infinite outputs it is NaN
        off = float(difference.nan_to_num(nan=0.0).abs().max())
        spread = float(self.out[finite_rows(self.out)].std())
        return off if off > ROUNDING * (spread + 1e-12) else 0.0

    @cached_property
    def loss_gradient(self) -> torch.Tensor | None:
        """The gradient of the cross entropy at LEAST images; None where none reaches them."""
        return self.gradient(partial(functional.cross_entropy, reduction="sum"))

    def gradient(
        self, value: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> torch.Tensor | None:
        """Return the gradient of a value at LEAST images; None where none reaches them.

        value: of outputs [N, classes] and classes [N]. Raises NetworkError for what the network
        raises, in its backward pass too.
        """
        x, y = (all_of[:LEAST].split(self.batch) for all_of in (self.x, self.y))
        try:
            with contained():
                parts = [self._gradient(*part, value) for part in zip(x, y, strict=True)]
        except InputError:
            raise
        except Exception as error:
            # external code may raise anything
            reason = f"{describe_error(error)}, raised in its backward pass"
            raise NetworkError(self.name, reason) from error
        reached = [part for part in parts if part is not None]
        return torch.cat(reached) if len(reached) == len(parts) else None

    def _gradient(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        value: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> torch.Tensor | None:
        leaf = x.clone().requires_grad_(True)
        with torch.enable_grad(), frozen_weights(self.network), image_gradients(x):
            result = value(self.network(leaf), y)
            if not result.requires_grad:
                return None
            (gradient,) = torch.autograd.grad(result, leaf, allow_unused=True)
            return gradient

    def fault(self, text: str) -> InputError:
        """Return the error that names this network."""
        return InputError(f"network {self.name}: {text}")


def outputs_of(network: nn.Module, x: torch.Tensor, batch: int = SAMPLE) -> torch.Tensor:
    """Return the outputs [N, classes] of images x [N, C, H, W].

    batch: images per pass at most.
    """
    # not inference_mode: what a network keeps from a call must work with gradients later
    with torch.no_grad():
        parts: list[torch.Tensor] = [network(part) for part in x.split(batch)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def hits_of(out: torch.Tensor, y: torch.Tensor) -> int:
    """Return how many outputs [N, classes] name the classes y [N]."""
    return int((predicted_classes(out) == y).sum())

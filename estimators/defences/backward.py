"""A defence as an attacker meets it: forward it is exact, backward as good as its surrogate."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from art.defences.preprocessor.preprocessor import Preprocessor

from estimators.defences.base import (
    Array,
    Floats,
    HasSurrogate,
    Ids,
    Randomised,
    TensorDefence,
    is_random,
    lent,
    vector_jacobian_product,
    with_gradient_of,
)

Backward = Literal["identity", "surrogate"]


class DefenceWithBackward(TensorDefence):
    """A defence with a chosen backward pass and, if it is random, with numbered draws.

    The forward pass is the defence, bit for bit. The backward pass is the identity (BPDA, Athalye
    et al. 2018) or, for `surrogate`, the defence's own `surrogate`, of a random defence its `draw`;
    a defence that has neither keeps the identity.

    A random defence needs `bind` first. When scoring, every pass is draw 0. With `fresh`, for
    attackers, each pass takes the next draw, from 1 on: nobody knows the draw that will be scored.
    """

    def __init__(
        self, defence: Preprocessor, backward: Backward = "identity", fresh: bool = False
    ) -> None:
        super().__init__()
        self._apply_fit = defence.apply_fit
        self.defence, self.backward, self.fresh = defence, backward, fresh
        self.random = is_random(defence)
        self.n = self._seed = 0
        self._ids: Ids | None = None

    def bind(self, ids: Ids, seed: int) -> None:
        """Say which images of the data set come next; draws start at 0.

        ids: [N]; then images must come N at a time, or any number at a time where N is 1.
        """
        self._ids, self._seed, self.n = ids, seed, 0

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return the defended images [N, C, H, W], without gradient."""
        self.n += self.fresh
        with torch.no_grad():
            return self._draw(x) if self.random else plain_forward(self.defence, x)

    def enter(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a leaf to differentiate by, and the images that the network gets for it.

        The second tensor's value is `forward_tensor(x)` to the last bit.
        """
        exact = self.forward_tensor(x)
        if self.backward == "surrogate":
            leaf = x.detach().clone().requires_grad_(True)
            near = self._surrogate(leaf)
            if near is not None and near.requires_grad:
                return leaf, channels_last(with_gradient_of(near, exact))
        leaf = channels_last(exact).detach().requires_grad_(True)
        return leaf, leaf

    def estimate_gradient(self, x: Floats, grad: Floats) -> Array:
        """Return gradients before the defence from those behind it, as ART asks for them."""
        if self.backward == "identity":
            return np.asarray(grad, dtype=np.float32)
        return vector_jacobian_product(self._surrogate, x, grad)

    def _surrogate(self, x: torch.Tensor) -> torch.Tensor | None:
        return self._draw(x) if self.random else surrogate_at(self.defence, x)

    def _draw(self, x: torch.Tensor) -> torch.Tensor:
        if self._ids is None:
            raise ValueError("a random defence must be bound to its images first")
        ids = np.repeat(self._ids, len(x)) if len(self._ids) == 1 else self._ids
        if len(ids) != len(x):
            raise ValueError(f"bound to {len(ids)} images, got {len(x)}")
        defence: Randomised = self.defence
        return defence.draw(lent(defence, x), ids, self._seed, self.n)


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """Return the images with the channels innermost in memory."""
    return x.contiguous(memory_format=torch.channels_last)


def surrogate_at(defence: Preprocessor | None, x: torch.Tensor) -> torch.Tensor | None:
    """Return what a defence's surrogate makes of x; None for a defence without one."""
    return defence.surrogate(lent(defence, x)) if isinstance(defence, HasSurrogate) else None


def has_surrogate(defence: Preprocessor | None) -> bool:
    """Return whether an attacker can differentiate a defence better than by the identity."""
    return is_random(defence) or isinstance(defence, HasSurrogate)


def plain_forward(defence: Preprocessor | None, x: torch.Tensor) -> torch.Tensor:
    """Return images behind a defence, on their device where the defence can stay there."""
    if defence is None:
        return x
    x = lent(defence, x)
    if hasattr(defence, "forward_tensor"):
        out: torch.Tensor = defence.forward_tensor(x)
        return out
    array, _ = defence(x.cpu().numpy())
    return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(x.device)

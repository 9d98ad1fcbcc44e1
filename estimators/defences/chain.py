"""Several defences as one: ART refuses to differentiate through two preprocessors in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from art.defences.preprocessor.preprocessor import Preprocessor

from estimators.defences.backward import plain_forward, surrogate_at
from estimators.defences.base import (
    DifferentiableDefence,
    Ids,
    content_ids,
    is_random,
    lent,
    with_gradient_of,
)


class Chain(DifferentiableDefence):
    """Defences one after the other; the first member gets the image.

    The backward pass follows the chain rule at each member's own input: the gradient behind the
    chain goes through the derivative of the last member, taken at its input, then through the one
    before. A member without a derivative is the identity (BPDA). So is a preprocessor of ART,
    unless it has an `estimate_gradient` of its own.

    The chain is `random` if a member is. Draw n of the chain is then draw n * members + k of member
    k, so that no two members share a stream.
    """

    def __init__(self, members: Sequence[Preprocessor]) -> None:
        super().__init__()
        self.members = tuple(members)
        self.random = any(is_random(member) for member in members)

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return images float32 [N, C, H, W] in [0, 1] behind all members."""
        with torch.no_grad():
            return self.surrogate(x)

    def surrogate(self, x: torch.Tensor) -> torch.Tensor:
        """Return the same values with the gradient of the chain."""
        return self.draw(x, content_ids(x), 0, 0) if self.random else self._through(x, None)

    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """Return images behind the n-th draw of every random member; see `Randomised.draw`."""
        return self._through(x, (ids, seed, n * len(self.members)))

    def _through(self, x: torch.Tensor, draw: tuple[Ids, int, int] | None) -> torch.Tensor:
        for k, member in enumerate(self.members):
            if draw is None or not is_random(member):
                x = defended(member, x)
                continue
            ids, seed, first = draw
            drawn = member.draw(lent(member, x), ids, seed, first + k)
            identity = x.requires_grad and not drawn.requires_grad
            x = with_gradient_of(x, drawn) if identity else drawn
        return x


def defended(member: Preprocessor, x: torch.Tensor) -> torch.Tensor:
    """Return images behind a defence that does not draw, with the best derivative it has."""
    with torch.no_grad():
        exact = plain_forward(member, x.detach())
    if not (torch.is_grad_enabled() and x.requires_grad):
        return exact
    near = surrogate_at(member, x)
    if near is not None:
        return with_gradient_of(near, exact)
    if type(member).estimate_gradient is not Preprocessor.estimate_gradient:
        estimated: torch.Tensor = _Estimated.apply(x, exact, member)
        return estimated
    return with_gradient_of(x, exact)


class _Estimated(torch.autograd.Function):
    """The values of a preprocessor, with its own `estimate_gradient` as backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, exact: torch.Tensor, member: Preprocessor
    ) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.member = member
        return exact.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (x,) = ctx.saved_tensors
        before = ctx.member.estimate_gradient(
            lent(ctx.member, x).cpu().numpy(), gradient.cpu().numpy()
        )
        return torch.from_numpy(np.asarray(before, dtype=np.float32)).to(x.device), None, None

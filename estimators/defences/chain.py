"""Several defences as one: ART refuses to differentiate through two preprocessors in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from art.defences.preprocessor.preprocessor import Preprocessor

from estimators.defences.backward import plain_forward, surrogate
from estimators.defences.base import DifferentiableDefence, with_gradient_of
from estimators.defences.random_defences import content_ids
from estimators.defences.randomised import is_random


class Chain(DifferentiableDefence):
    """Defences one after the other; the first member sees the image.

    Backward the chain rule holds at each member's own input: the gradient behind the chain goes
    through the last member's derivative, taken where that member stands, then through the one
    before. A member without a derivative is the identity there (BPDA), and so is a preprocessor of
    ART, unless it brings an `estimate_gradient` of its own.

    `random` if a member is: then draw n of the chain is draw n * members + k of member k, so that
    no two members share their chance.
    """

    def __init__(self, members: Sequence[Preprocessor]) -> None:
        super().__init__()
        self.members = tuple(members)
        self.random = any(is_random(member) for member in members)

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Images float32 [N, C, H, W] in [0, 1] behind all members."""
        with torch.no_grad():
            return self.smooth(x)

    def smooth(self, x: torch.Tensor) -> torch.Tensor:
        """The same values with the chain's gradient."""
        return self.draw(x, content_ids(x), 0, 0) if self.random else self._through(x, None)

    def draw(self, x: torch.Tensor, ids: npt.NDArray[np.int64], seed: int, n: int) -> torch.Tensor:
        """The n-th draw of every member that draws; see `randomised.Randomised`."""
        return self._through(x, (ids, seed, n * len(self.members)))

    def _through(
        self, x: torch.Tensor, chance: tuple[npt.NDArray[np.int64], int, int] | None
    ) -> torch.Tensor:
        for k, member in enumerate(self.members):
            if chance is not None and is_random(member):
                ids, seed, first = chance
                seen = member.draw(x, ids, seed, first + k)
                x = (
                    with_gradient_of(x, seen)
                    if x.requires_grad and not seen.requires_grad
                    else seen
                )
            else:
                x = passed(member, x)
        return x


def passed(member: Preprocessor, x: torch.Tensor) -> torch.Tensor:
    """Images behind a defence without chance: its own values, and the best derivative it has."""
    with torch.no_grad():
        seen = plain_forward(member, x.detach())
    if not (torch.is_grad_enabled() and x.requires_grad):
        return seen
    smooth = surrogate(member, x)
    if smooth is not None:
        return with_gradient_of(smooth, seen)
    if type(member).estimate_gradient is not Preprocessor.estimate_gradient:
        through: torch.Tensor = _Estimated.apply(x, seen, member)
        return through
    return with_gradient_of(x, seen)


class _Estimated(torch.autograd.Function):
    """A preprocessor's values, with what its `estimate_gradient` says for the way back."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, seen: torch.Tensor, member: Preprocessor) -> Any:
        ctx.save_for_backward(x)
        ctx.member = member
        return seen.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        found = ctx.member.estimate_gradient(x.cpu().numpy(), gradient.cpu().numpy())
        return torch.from_numpy(np.asarray(found, dtype=np.float32)).to(x.device), None, None

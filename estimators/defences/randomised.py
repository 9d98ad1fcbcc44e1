"""Randomised defences: what they must offer, so that results depend on no chunk and no order."""

from __future__ import annotations

import abc
import hashlib
from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from estimators.defences.base import DifferentiableDefence

Ids = npt.NDArray[np.int64]


@runtime_checkable
class Randomised(Protocol):
    """A defence that treats the same image differently each time.

    random: True; other defences lack it or say False.
    """

    random: bool

    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """Return images float32 [N, C, H, W] in [0, 1] behind the n-th draw, on their device.

        ids: [N], which image of the data set each is. Image i draws from
            `random_streams.stream(seed, ids[i], "defence", n)` alone.

        Where torch can differentiate `draw`, attackers who know the defence differentiate through
        it; where not, they use the identity (BPDA). Scoring uses draw 0, attackers later ones.
        """


def is_random(defence: object) -> TypeGuard[Randomised]:
    """Return whether a defence (or None) draws."""
    return isinstance(defence, Randomised) and bool(defence.random)


class RandomDefence(DifferentiableDefence):
    """A defence that draws; torch differentiates each draw.

    Called without ids it draws by the content of the image: the same image gets the same draw in
    any batch, and every other image another one. So an attack of ART that knows nothing of draws
    meets a random defence, and its result is repeatable.
    """

    random = True

    @abc.abstractmethod
    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """See `Randomised.draw`."""

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return the draw that belongs to the content of the images."""
        with torch.no_grad():
            return self.surrogate(x)

    def surrogate(self, x: torch.Tensor) -> torch.Tensor:
        """Return the same draw with a gradient."""
        return self.draw(x, content_ids(x), 0, 0)


def content_ids(x: torch.Tensor) -> Ids:
    """Return a number [N] from 0 up per image, a hash of its pixels."""
    array = x.detach().to(torch.float32).cpu().contiguous().numpy()
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in array]
    # Philox takes keys from 0 up
    return np.array([int.from_bytes(d, "little") >> 1 for d in digests], dtype=np.int64)

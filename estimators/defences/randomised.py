"""What a defence with chance in it must offer, so that its results depend on no chunk or order."""

from __future__ import annotations

from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch


@runtime_checkable
class Randomised(Protocol):
    """A defence that treats the same image differently each time.

    random: True; other defences lack it or say False.
    """

    random: bool

    def draw(self, x: torch.Tensor, ids: npt.NDArray[np.int64], seed: int, n: int) -> torch.Tensor:
        """Images float32 [N, C, H, W] in [0, 1] behind the n-th draw, on their device.

        ids: [N], which image of the data set each is: image i takes its chance from
        `stream(seed, ids[i], n)` alone. Where `draw` is differentiable in torch, attackers who
        know the defence differentiate through it; where it is not, by BPDA with the identity.
        Scoring uses draw 0; attackers get later ones.
        """
        ...


def is_random(defence: object) -> TypeGuard[Randomised]:
    """Whether a defence (or None) draws."""
    return isinstance(defence, Randomised) and bool(defence.random)


def stream(seed: int, image: int, n: int) -> np.random.Generator:
    """The random numbers of the n-th draw for one image, and of nothing else.

    The highest word of Philox's counter is n + 1: the noise attack has word 0.
    """
    return np.random.Generator(np.random.Philox(key=[seed, int(image)], counter=[0, 0, 0, n + 1]))

"""The Square attack: random squares, kept where they help; forward passes alone."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from benchmark.attacks.steps.checks import as_budget, as_count, as_positive
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier
from estimators.errors import InputError

# shares of the queries after which the area of the squares is halved, as in the authors' code
HALVED = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


class Square(TensorAttack):
    """Square in the Linf ball (Andriushchenko et al. 2020, Algorithms 1 and 2).

    ART's class never changes the last row and column, draws one square for all images of a batch,
    and needs three queries per square. Here each image has its own squares at any position, a
    square is one query, and an adversarial image makes no more queries.
    """

    def __init__(
        self,
        estimator: Classifier,
        eps: float = 0.3,
        queries: int = 1000,
        p_init: float = 0.8,
        targeted: bool = False,
        norm: float | str = math.inf,
        rescale: bool = True,
    ) -> None:
        """queries: forward passes per image at most, that of the clean image included.

        p_init: share of the pixels that the first square covers, above 0 and up to 1.
        rescale: the squares shrink in proportion to `queries`; without it after as many queries as
            for 10,000, as in AutoAttack.
        """
        super().__init__(estimator, targeted)
        self.eps = as_budget(eps)
        self.queries = as_count(queries, "queries", 1)
        self.p_init = as_positive(p_init, "p_init")
        if self.p_init > 1:
            raise InputError(f"attack: expected p_init above 0 and up to 1, got {p_init!r}")

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Try stripes first, then squares; images that are wrong already stay unchanged."""
        best, lowest = x.clone(), self.margin(x, y)
        low, high = (x - self.eps).clamp_(0, 1), (x + self.eps).clamp_(0, 1)
        for query in range(1, self.queries):
            left = (lowest >= 0).nonzero().flatten()
            if not len(left):
                break
            drawn = [self._proposal(streams[i], query, x.shape[1:]) for i in left.tolist()]
            signs = torch.stack(drawn).to(x.device)
            trial = torch.where(signs > 0, high[left], low[left])
            trial = torch.where(signs == 0, best[left], trial)
            margin = self.margin(trial, y[left])
            better = margin < lowest[left]
            best[left[better]], lowest[left[better]] = trial[better], margin[better]
        return best

    def _proposal(self, stream: np.random.Generator, query: int, shape: torch.Size) -> Tensor:
        """Return the sign of the change [C, H, W]: +1 or -1 by eps, 0 where a pixel stays."""
        channels, height, width = shape
        if query == 1:
            signs = stream.integers(0, 2, (channels, 1, width)) * 2 - 1
            return torch.from_numpy(signs).expand(channels, height, width)
        side = square_side(query / self.queries, self.p_init, height, width)
        top = int(stream.integers(0, height - side + 1))
        left = int(stream.integers(0, width - side + 1))
        signs = stream.integers(0, 2, (channels, 1, 1)) * 2 - 1
        proposal = torch.zeros(shape, dtype=torch.int64)
        proposal[:, top : top + side, left : left + side] = torch.from_numpy(signs)
        return proposal


def square_side(progress: float, p_init: float, height: int, width: int) -> int:
    """Return the side of a square in pixels after a share `progress` of the queries."""
    share = p_init * 0.5 ** sum(progress > limit for limit in HALVED)
    side = round(math.sqrt(share * height * width))
    return min(max(side, 1), height, width)

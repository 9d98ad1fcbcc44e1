"""Attacks one after the other, each on the images that resist those before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchmark.attacks.steps.crafted import Found
from benchmark.attacks.steps.projections import each, into_ball, norms
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier

# a norm is rounded by about 1e-6 of itself: results count as `execution.chunk` counts them
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-5, 1e-6


class Cascade(TensorAttack):
    """Several attacks within one budget, the worst case per image.

    An image leaves with the first part that breaks it, as the logits say, within eps.
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float,
        eps: float,
        parts: Sequence[TensorAttack],
        targeted: bool = False,
        draws: int = 1,
    ) -> None:
        """norm: inf, 2 or 1. draws: of a random defence, whose mean margin decides."""
        super().__init__(estimator, targeted)
        self.norm, self.eps, self.parts = norm, eps, parts
        self.draws = draws if estimator.random else 1

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Run all parts; images that are wrong already (or the target) stay unchanged.

        So do those that resist; where several draws decide, their worst image of all is returned.
        """
        x_adv, lowest = x.clone(), self._mean_margin(x, y)
        part = torch.full_like(y, -1)
        left = (lowest >= 0).nonzero().flatten()
        first = torch.stack([torch.zeros_like(y), torch.full_like(y, self.draws)], dim=1)
        spent: Tensor | None = first
        for number, attack in enumerate(self.parts):
            if not len(left):
                break
            image = attack.attack(x[left], y[left], [streams[i] for i in left.tolist()])
            spent = self._with_part(spent, left, attack.spent())
            image, within = self._within(x[left], image)
            margin = self._mean_margin(image, y[left])
            won = within & (margin < 0)
            better = within & (margin < lowest[left]) if self.draws > 1 else won
            x_adv[left] = torch.where(each(better), image, x_adv[left])
            lowest[left[better]] = margin[better]
            part[left[won]] = number
            left = left[~won]
        self.found = Found(
            part.cpu().numpy().astype(np.int16),
            None if spent is None else spent.cpu().numpy().astype(np.float64),
        )
        return x_adv

    def _with_part(self, spent: Tensor | None, left: Tensor, more: Tensor | None) -> Tensor | None:
        """Add what a part took at the images `left` [M], and the passes that judge its result."""
        if spent is None or more is None:
            return None
        spent[left] += more
        spent[left, 1] += self.draws
        return spent

    def _within(self, x: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images in the ball, and where they lie in it, bool [N]."""
        if self.norm != 1:
            image = into_ball(x, image, self.eps, self.norm)
        size = norms((image - x).flatten(1), self.norm)
        return image, size <= self.eps * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE

    def _mean_margin(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logit margin [N], mean over the draws."""
        margins = [self.margin(x, y) for _ in range(self.draws)]
        return margins[0] if self.draws == 1 else torch.stack(margins).mean(0)

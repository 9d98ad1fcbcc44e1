"""The Square attack: random squares, kept where they help; forward passes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.attacks.square_windows import Windows
from benchmark.attacks.steps.checks import as_budget, as_count, as_flag, as_norm, as_positive
from benchmark.attacks.steps.draws import Draws
from benchmark.attacks.steps.proposals import Proposals, square_places
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier
from estimators.errors import InputError

# shares of the queries after which the area of the squares is halved, as in the authors' code
HALVED = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
# the queries that these are shares of where they are not rescaled
PUBLISHED = 10_000
NORMS = (1.0, 2.0, math.inf)


class Square(TensorAttack):
    """Square in the Linf ball (Andriushchenko et al. 2020, Algorithms 1 and 2), in L2 or in L1.

    ART's class never changes the last row and column, draws one square for all images of a batch,
    and needs three queries per square. Here each image has its own squares at any position, a
    square is one query, and an adversarial image makes no more queries.

    used: int64 [N] after `attack`: forward passes of each image, that of the clean image included.
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
        rescale: the squares shrink in proportion to `queries`; without it as they do in the course
            of 10,000, as in AutoAttack.
        """
        super().__init__(estimator, targeted)
        self.eps = as_budget(eps)
        self.queries = as_count(queries, "queries", 1)
        self.p_init = as_positive(p_init, "p_init")
        if self.p_init > 1:
            raise InputError(f"attack: expected p_init above 0 and up to 1, got {p_init!r}")
        self.norm = as_norm(norm)
        if self.norm not in NORMS:
            raise InputError(f'attack: Square expected the norm "inf", 2 or 1, got {norm!r}')
        self.schedule = self.queries if as_flag(rescale, "rescale") else PUBLISHED
        self.used = torch.zeros(0, dtype=torch.int64)

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Propose until an image is adversarial; images that are wrong already stay unchanged."""
        result, lowest = x.clone(), self.margin(x, y)
        self.used = torch.ones_like(y)
        left = (lowest >= 0).nonzero().flatten()
        kind = Squares if self.norm == math.inf else Windows
        search: Proposals = kind(x[left], self.eps, self.norm)
        rounds = range(1, self.queries)
        sides = {query: search.side(self._share(query)) for query in rounds} | {1: 0}
        own = [streams[i] for i in left.tolist()]
        draws = Draws(own, lambda query: search.ranges(sides[query]), rounds)
        y, lowest = y[left], lowest[left]
        if not search.keeps_image:
            lowest = torch.full_like(lowest, math.inf)
        for query in rounds:
            if not len(left):
                break
            margin = self.margin(search.propose(sides[query], draws.of(query, x.device)), y)
            better = margin < lowest
            search.settle(better)
            lowest = torch.where(better, margin, lowest)
            won = lowest < 0
            if bool(won.any()):
                result[left[won]], self.used[left[won]] = search.best[won], query + 1
                stay = (~won).nonzero().flatten()
                search.keep(stay)
                draws.keep((~won).cpu().numpy())
                y, lowest, left = (t.index_select(0, stay) for t in (y, lowest, left))
        result[left], self.used[left] = search.best, self.queries
        return result

    def spent(self) -> Tensor:
        """Return the gradients, which are none, and forward passes of each image, int64 [N, 2]."""
        return torch.stack([torch.zeros_like(self.used), self.used], dim=1)

    def _share(self, query: int) -> float:
        """Return the share of the pixels that a square covers at a query."""
        return square_share(query / self.schedule, self.p_init)


class Squares(Proposals):
    """In Linf every pixel of a square moves by eps, up or down, alike in a channel."""

    def __init__(self, x: Tensor, eps: float, norm: float) -> None:
        super().__init__(x, eps, norm)
        self.trial = self.best.clone()
        self.places = self.before = self.after = torch.empty(0)

    def side(self, share: float) -> int:
        """Return the side of a square that covers this share of an image."""
        height, width = self.x.shape[2:]
        return min(max(round(math.sqrt(share * height * width)), 1), height, width)

    def ranges(self, side: int) -> Sequence[int]:
        """Return those of row, column and the sign of each channel; first, of signs of stripes."""
        channels, height, width = self.x.shape[1:]
        if not side:
            return [2] * (channels * width)
        return [height - side + 1, width - side + 1, *[2] * channels]

    def propose(self, side: int, numbers: Tensor) -> Tensor:
        """Return the points with a square of pixels at the edge of the ball; first, stripes."""
        n, channels, height, width = self.x.shape
        if side:
            places = square_places(numbers[:, 0], numbers[:, 1], side, width)
            planes = torch.arange(channels, device=places.device)[:, None] * (height * width)
            self.places = (places[:, None] + planes).flatten(1)
            signs = numbers[:, 2:].repeat_interleave(side * side, dim=1)
        else:
            self.places = torch.arange(self.x[0].numel(), device=numbers.device).expand(n, -1)
            signs = numbers.view(n, channels, 1, width).expand(-1, -1, height, -1).flatten(1)
        flat = self.trial.view(n, -1)
        shift = torch.where(signs > 0, self.eps, -self.eps)
        self.before = flat.gather(1, self.places)
        self.after = self.x.view(n, -1).gather(1, self.places).add_(shift).clamp_(0, 1)
        flat.scatter_(1, self.places, self.after)
        return self.trial

    def settle(self, better: Tensor) -> None:
        """Put the pixels of a square back where it was not better."""
        pixels = torch.where(better[:, None], self.after, self.before)
        self.trial.view(len(better), -1).scatter_(1, self.places, pixels)
        self.best = self.trial

    def keep(self, rows: Tensor) -> None:
        """Keep the images with these numbers."""
        super().keep(rows)
        self.trial = self.best


def square_share(progress: float, p_init: float) -> float:
    """Return the share of the pixels that a square covers after a share of the queries."""
    return p_init * 0.5 ** sum(progress > limit for limit in HALVED)

"""Runs of APGD for the attack `strongest`: each row of a batch has a class of its own to go to."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.attacks.apgd_l1 import l1_start
from benchmark.attacks.auto_pgd import AutoPGD
from benchmark.attacks.geometry.l1_box import into_l1_box
from benchmark.attacks.steps.momentum import unit
from benchmark.attacks.steps.projections import into_ball
from benchmark.attacks.steps.ratios import targeted_dlr
from benchmark.attacks.steps.tensor_attack import Streams, uniform
from benchmark.attacks.strongest_rounds import DIVERSE_STEPS, Loss, Start
from estimators.classifier import Classifier

# blocks per side of an image: from all pixels alike to each on its own
BLOCKS = (1, 2, 4, 7, 0)
# in the place of a class: the nearest other one
ANY = -1


class Runs(AutoPGD):
    """APGD whose rows go to a class each, or away from the label.

    Labels are int64 [N, 2]: the true class (or the target of a targeted attack), and the class to
    go to, or ANY. Any wrong class is a success.
    """

    def __init__(
        self, estimator: Classifier, norm: float, eps: float, loss: Loss, steps: int, targeted: bool
    ) -> None:
        """loss: see `strongest_rounds.Round`. steps: gradients per run at most."""
        super().__init__(estimator, norm, eps, steps, targeted=targeted)
        self.goal = loss

    def loss_and_margin(self, logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss [N] for labels and classes y [N, 2], and the margin of the labels."""
        own, to = y.unbind(1)
        margin = self.logit_margin(logits, own)
        if self.goal == "ce" and not self.estimator.backward_mode.past_squashing:
            loss = functional.cross_entropy(logits, own, reduction="none")
            return (-loss if self.targeted else loss), margin.detach()
        rows = torch.arange(len(to), device=to.device)
        gap = torch.where(to == ANY, margin, logits[rows, own] - logits[rows, to.clamp_min(0)])
        loss = targeted_dlr(logits, gap) if self.goal == "dlr" else -gap
        return loss, margin.detach()

    def points(self, kind: Start, x: Tensor, streams: Streams) -> Tensor:
        """Return the starts of a kind for images x [N * copies, C, H, W], with N streams.

        So many copies of an image stand in succession, each with a start of its own.
        """
        copies = len(x) // len(streams)
        if kind == "image":
            return x
        if self.norm == 1:
            return l1_start(x, streams, copies, self.eps)
        shape = torch.Size((copies, *x.shape[1:]))
        if kind == "blocks":
            noise = _blocks(streams, shape, x.device)
        else:
            noise = uniform(streams, shape, x.device).flatten(0, 1)
        noise = noise if self.norm == math.inf else unit(noise)
        start = within(x, x + self.eps * noise, self.eps, self.norm)
        return self._diversified(x, start, streams, copies) if kind == "diverse" else start

    def _diversified(self, x: Tensor, start: Tensor, streams: Streams, copies: int) -> Tensor:
        """Return starts moved along the gradient of randomly weighted logits (ODI)."""
        classes = torch.Size((copies, self.estimator.nb_classes))
        weights = uniform(streams, classes, x.device).flatten(0, 1)
        for _ in range(DIVERSE_STEPS):
            gradient = self.estimator.mean_gradient(start, lambda out: (weights * out).sum())
            step = gradient.sign() if self.norm == math.inf else unit(gradient)
            start = within(x, start + self.eps * step, self.eps, self.norm)
        return start


def within(x: Tensor, moved: Tensor, eps: float, norm: float) -> Tensor:
    """Return points [N, C, H, W] projected into the ball around images x, and into [0, 1]."""
    return into_l1_box(x, moved, eps) if norm == 1 else into_ball(x, moved, eps, norm)


def _blocks(streams: Streams, shape: torch.Size, device: torch.device) -> Tensor:
    """Return random signs [N * copies, C, H, W], equal within squares and across none of them.

    shape: [copies, C, H, W]. The number of squares per side is drawn for each copy.
    """
    _, channels, height, width = shape
    found = []
    for stream in streams:
        for _ in range(shape[0]):
            count = BLOCKS[int(stream.integers(len(BLOCKS)))]
            rows, columns = (min(count, side) or side for side in (height, width))
            signs = stream.integers(0, 2, (channels, rows, columns), dtype="int8") * 2.0 - 1
            whole = torch.from_numpy(signs).float()[None]
            found.append(functional.interpolate(whole, size=(height, width), mode="nearest"))
    return torch.cat(found).to(device)

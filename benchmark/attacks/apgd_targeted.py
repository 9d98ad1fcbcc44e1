"""Auto-PGD against one class after another: the second part of AutoAttack."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from benchmark.attacks.auto_pgd import AutoPGD
from benchmark.attacks.steps.checks import as_count
from benchmark.attacks.steps.ratios import TARGETED_CLASSES, targeted_dlr
from benchmark.attacks.steps.tensor_attack import Streams
from estimators.classifier import Classifier

# runs of an image in one batch: those of AutoAttack's nine targets but the first
SIDE_BY_SIDE = 8


class TargetedAPGD(AutoPGD):
    """APGD on the targeted DLR loss (Croce and Hein 2020, equation 7), class by class.

    The targets of an image are its most likely other classes. Any wrong class is a success, and
    ends all runs on the image. The first target breaks most images that break: it has runs of its
    own. The others run side by side, as rows of one batch.

    loss_used: `dlr-targeted`; with fewer than four classes `margin`, the difference of two logits.
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        max_iter: int = 100,
        targets: int = 9,
        nb_random_init: int = 1,
        eot_iter: int = 1,
    ) -> None:
        """targets: classes per image at most. max_iter: per run.

        nb_random_init: runs per target from random points; 0 for one from the image itself.
        eot_iter: passes per gradient at least.
        """
        super().__init__(estimator, norm, eps, max_iter, "dlr", nb_random_init, eot_iter=eot_iter)
        self.targets = min(as_count(targets, "targets", 1), estimator.nb_classes - 1)
        few = estimator.nb_classes < TARGETED_CLASSES
        self.loss_used = "margin" if few else "dlr-targeted"

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Run against each target, on images that are not adversarial yet; others stay unchanged.

        An image that no run breaks becomes the last point of largest loss.
        """
        x_adv = x.clone()
        self.used = torch.zeros_like(y)
        self.estimator.forwards += len(x)
        logits = self.estimator.logits(self.estimator.defended(x))
        left = (self.logit_margin(logits, y) >= 0).nonzero().flatten()
        others = logits.masked_fill(one_hot(y, logits.shape[1]).bool(), -math.inf)
        order = others.topk(self.targets, dim=1).indices
        for _ in range(max(1, self.nb_random_init)):
            for group in self._groups(order):
                left = self._against(x, y, streams, group, left, x_adv)
        return x_adv

    def _groups(self, order: Tensor) -> list[Tensor]:
        """Return the targets [N, T] that run side by side: the first, then SIDE_BY_SIDE each.

        The first success ends a group, so groups that followed the batch would give other images.
        """
        others = order[:, 1:].split(SIDE_BY_SIDE, dim=1) if order.shape[1] > 1 else ()
        return [order[:, :1], *others]

    def _against(
        self, x: Tensor, y: Tensor, streams: Streams, targets: Tensor, left: Tensor, x_adv: Tensor
    ) -> Tensor:
        """Run against targets [N, T] on the images numbered `left`; return which still stand."""
        copies, standing = targets.shape[1], [left[:0]]
        for some in left.split(max(1, self.estimator.batch // copies)) if len(left) else ():
            start = self.starts(x[some], [streams[i] for i in some.tolist()], copies)
            own, centre = y[some].repeat_interleave(copies), x[some].repeat_interleave(copies, 0)
            labels = torch.stack([own, targets[some].flatten()], dim=1)
            run = self.climb(centre, labels, start, copies)
            hits = run.hits.view(-1, copies)
            # the first target that succeeded, else the likeliest
            chosen = torch.arange(len(some), device=x.device) * copies + hits.int().argmax(1)
            x_adv[some] = run.images[chosen]
            self.used[some] += run.used.view(-1, copies).sum(1)
            standing.append(some[~hits.any(1)])
        return torch.cat(standing)

    def loss_and_margin(self, logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss [N] for labels and targets y [N, 2], and the margin of the labels."""
        own, target = logits.gather(1, y).unbind(1)
        margin = self.logit_margin(logits.detach(), y[:, 0])
        return targeted_dlr(logits, own - target), margin

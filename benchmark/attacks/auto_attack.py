"""AutoAttack as published: an ensemble without parameters, the worst case per image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.attacks.apgd_targeted import TargetedAPGD
from benchmark.attacks.auto_pgd import AutoPGD
from benchmark.attacks.fab import FAB
from benchmark.attacks.square import Square
from benchmark.attacks.steps.checks import as_budget, as_norm
from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier
from estimators.errors import InputError, unknown

# the parts in their order (Croce and Hein 2020, section 5; `rand`: the authors' code)
VERSIONS = {
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "plus": ("apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"),
    "rand": ("apgd-ce", "apgd-dlr"),
}
STEPS, QUERIES, TARGETS = 100, 5000, 9
# passes that a gradient of `rand` is averaged over
DRAWS = 20
# classes that the losses need; with fewer, the difference of logits takes their place
LEAST_CLASSES = {"apgd-dlr": 3, "apgd-t": 4}
# results count up to rounding, as in `execution.chunk`
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-5, 1e-6


class AutoAttack(TensorAttack):
    """AutoAttack (Croce and Hein 2020, "Reliable evaluation of adversarial robustness with an
    ensemble of diverse parameter-free attacks"), in the norms inf, 2 and 1.

    Each part attacks the images on which those before it failed. What the authors fixed is fixed;
    with fewer than ten classes there are as many targets as wrong classes. In L1 `standard` runs
    APGD-CE five times, and APGD-T against five targets (Croce and Hein 2021, "Mind the box").
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        eps: float = 0.3,
        version: str = "standard",
    ) -> None:
        """version: `standard`; `plus`, with APGD-DLR, FAB untargeted and five runs of both and of
        APGD-CE; `rand`, for defences that draw: APGD-CE and APGD-DLR on means over 20 draws.
        """
        super().__init__(estimator)
        self.norm = as_norm(norm)
        if self.norm not in (math.inf, 2.0, 1.0):
            raise InputError(f'attack: AutoAttack expected the norm "inf", 2 or 1, got {norm!r}')
        self.eps = as_budget(eps)
        if version not in VERSIONS:
            raise unknown("version of autoattack", str(version), list(VERSIONS))
        self.version = version
        self.parts = {
            part_name(name, estimator.nb_classes): self._part(name) for name in VERSIONS[version]
        }

    def _part(self, name: str) -> TensorAttack:
        """Build one part with the authors' parameters."""
        at = self.estimator, self.norm, self.eps
        runs = 5 if self.version == "plus" or self._standard_in_l1() else 1
        if name == "apgd-t":
            return TargetedAPGD(*at, STEPS, targets=5 if self._standard_in_l1() else TARGETS)
        if name == "square":
            return Square(self.estimator, self.eps, QUERIES, norm=self.norm, rescale=False)
        if name == "fab-t":
            return FAB(self.estimator, self.norm, STEPS, targets=TARGETS, eps=self.eps)
        if name == "fab":
            return FAB(self.estimator, self.norm, STEPS, restarts=runs, eps=self.eps)
        loss, draws = name.removeprefix("apgd-"), DRAWS if self.version == "rand" else 1
        return AutoPGD(*at, STEPS, loss, runs, eot_iter=draws)

    def _standard_in_l1(self) -> bool:
        return self.norm == 1 and self.version == "standard"

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Run all parts; images that are wrong already stay unchanged.

        So do those that resist; behind a random defence their worst image of all is returned.
        """
        x_adv, lowest = x.clone(), self._margin(x, y)
        part_of = torch.full_like(y, -1)
        left = (lowest >= 0).nonzero().flatten()
        for number, part in enumerate(self.parts.values()):
            if not len(left):
                break
            image = part.attack(x[left], y[left], [streams[i] for i in left.tolist()])
            margin = self._margin(image, y[left])
            size = torch.linalg.vector_norm((image - x[left]).flatten(1), self.norm, 1)
            within = size <= self.eps * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE
            won = within & (margin < 0)
            better = won | (within & (margin < lowest[left]) & self.estimator.random)
            x_adv[left] = torch.where(each(better), image, x_adv[left])
            lowest[left[better]] = margin[better]
            part_of[left[won]] = number
            left = left[~won]
        return x_adv

    def _margin(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the logit margin [N]; of `rand` behind a random defence the mean over draws."""
        draws = DRAWS if self.version == "rand" and self.estimator.random else 1
        margins = [self.margin(x, y) for _ in range(draws)]
        return margins[0] if draws == 1 else torch.stack(margins).mean(0)


def part_name(name: str, classes: int) -> str:
    """Return the name of a part, which says where another loss takes the place of its own."""
    return name if classes >= LEAST_CLASSES.get(name, 2) else f"{name} on the logit difference"

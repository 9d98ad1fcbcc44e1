"""Attacks that move an image along one direction, which serves every eps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch

from benchmark.attacks.entry import Passes
from benchmark.attacks.steps.checks import BoolArray
from benchmark.attacks.steps.crafted import Batch, Crafted
from estimators.classifier import Classifier


class OneStep(ABC):
    """An attack of one step. `estimator` is the classifier that it attacks."""

    estimator: Classifier

    @abstractmethod
    def direction(self, batch: Batch) -> tuple[torch.Tensor, BoolArray]:
        """Return where each image moves [N, C, H, W], and whether its gradient is zero [N]."""

    @abstractmethod
    def step(self, x: torch.Tensor, direction: torch.Tensor, eps: float) -> torch.Tensor:
        """Return images x [N, C, H, W] moved by eps along the direction, within [0, 1]."""

    def craft(self, batch: Batch, budgets: Sequence[float | None]) -> Iterator[Crafted]:
        """Yield the adversarial images of each eps in turn, all from one direction."""
        classifier = self.estimator
        direction, zero_gradient = self.direction(batch)
        passes = Passes(classifier.gradients / len(batch.x), classifier.forwards / len(batch.x))
        x = torch.from_numpy(batch.x).to(classifier.torch_device)
        for eps in budgets:
            assert eps is not None, "a one-step attack needs eps"
            yield Crafted(self.step(x, direction, eps), zero_gradient, passes)

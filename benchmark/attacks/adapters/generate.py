"""Attacks with ART's interface (`generate`), ours among them, as attacks that craft."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from art.attacks.attack import EvasionAttack

from benchmark.attacks.entry import Passes
from benchmark.attacks.steps.checks import BoolArray, FloatArray
from benchmark.attacks.steps.crafted import Batch, Crafted
from benchmark.attacks.steps.tensor_attack import TensorAttack
from estimators.classifier import Classifier


class Generate:
    """An attack by its `generate`, with its gradients counted and its random defence bound."""

    def __init__(
        self,
        attack: EvasionAttack | None,
        classifier: Classifier,
        uses_gradient: bool,
        one_by_one: bool,
    ) -> None:
        """attack: None leaves the images unchanged (eps 0).

        uses_gradient: the attack computes gradients, so zero gradients matter.
        one_by_one: give the attack one image at a time, so that each keeps the draws of a random
            defence for itself.
        """
        self.attack = attack
        self.classifier = classifier
        self.uses_gradient = uses_gradient
        self.one_by_one = one_by_one

    def craft(self, batch: Batch, budgets: Sequence[float | None]) -> Iterator[Crafted]:
        """Yield the adversarial images, one time: the attack has its eps already."""
        assert len(budgets) == 1, "an attack by `generate` has one eps"
        classifier, n = self.classifier, len(batch.x)
        images = batch.x if self.attack is None else self._generated(self.attack, batch)
        passes = Passes(classifier.gradients / n, classifier.forwards / n)
        zero_gradient = self._zero_gradient(batch)
        yield Crafted(torch.from_numpy(images).to(classifier.torch_device), zero_gradient, passes)

    def _generated(self, attack: EvasionAttack, batch: Batch) -> FloatArray:
        """Return the images of the attack, each given the true labels or the targets."""
        n = len(batch.x)
        size = 1 if self.one_by_one else n
        parts = []
        for at in range(0, n, size):
            part = slice(at, at + size)
            ids = batch.ids[part]
            self.classifier.bind(ids, batch.seed)
            own = {"ids": ids, "seed": batch.seed} if isinstance(attack, TensorAttack) else {}
            images = attack.generate(batch.x[part], y=batch.labels[part], **own)
            parts.append(np.asarray(images, dtype=np.float32))
        self.classifier.bind(batch.ids, batch.seed)
        return np.concatenate(parts)

    def _zero_gradient(self, batch: Batch) -> BoolArray:
        if not self.uses_gradient:
            return np.zeros(len(batch.x), dtype=np.bool_)
        device = self.classifier.torch_device
        x, y = torch.from_numpy(batch.x).to(device), torch.from_numpy(batch.y).to(device)
        zero: BoolArray = (
            (self.classifier.input_gradient(x, y) == 0).flatten(1).all(1).cpu().numpy()
        )
        return zero

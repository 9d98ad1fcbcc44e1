"""HopSkipJump on several images at once: the search of each alone, in fewer calls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from closed_form import linear_case
from torch import nn

from benchmark.attacks.hop_skip_jump import HopSkipJump
from estimators.classifier import Classifier


class Counting(nn.Module):
    """A network that notes how many images each of its passes has."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        logits: torch.Tensor = self.network(x)
        return logits


@pytest.mark.parametrize("norm", [2, "inf"])
def test_images_share_batches_and_not_their_searches(
    norm: float | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = linear_case(6, classes=3)
    network, ids = Counting(case.network), np.arange(6)
    classifier = Classifier(case.network, case.x.shape[1:], 3)
    monkeypatch.setattr(classifier, "scorer", network)
    attack = HopSkipJump(classifier, norm=norm, queries=300, init_eval=30)

    alone = [
        attack.generate(case.x[i : i + 1], y=case.y[i : i + 1], ids=ids[i : i + 1])[0]
        for i in range(6)
    ]
    apart, network.sizes = network.sizes, []
    forwards = classifier.forwards
    classifier.reset_counts()
    together = attack.generate(case.x, y=case.y, ids=ids)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert classifier.forwards == forwards == sum(network.sizes) == sum(apart)
    assert len(network.sizes) < len(apart) / 4
    # what has half a batch or more is asked by itself: memory does not grow with the images
    assert max(network.sizes) <= classifier.batch


def test_an_image_that_is_wrong_already_leaves_the_others_alone() -> None:
    case = linear_case(3, classes=3)
    y = case.y.copy()
    y[1] = (y[1] + 1) % 3
    result = HopSkipJump(case.classifier, queries=200).generate(case.x, y=y)
    assert np.array_equal(result[1], case.x[1])
    assert (case.classifier.predict(result).argmax(1) != y).all()

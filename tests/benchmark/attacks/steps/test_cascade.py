"""Parts one after the other: who is attacked by which, and what counts."""

from __future__ import annotations

import math

import numpy as np
import torch
from closed_form import linear_case
from torch import Tensor

from benchmark.attacks.steps.cascade import Cascade
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier


class Breaks(TensorAttack):
    """Leads the chosen images to an image of another class, all others a little aside."""

    def __init__(self, classifier: Classifier, wrong: Tensor, dark: tuple[float, ...]) -> None:
        super().__init__(classifier)
        self.wrong, self.dark = wrong, dark
        self.seen: list[list[float]] = []

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Break the images whose first pixel is one of `dark`."""
        first = x[:, 0, 0, 0]
        self.seen.append([round(value, 2) for value in first.tolist()])
        chosen = torch.isin(first, torch.tensor(self.dark)).view(-1, 1, 1, 1)
        return torch.where(chosen, self.wrong, (x + 0.01).clamp(0, 1))


def test_each_part_attacks_what_stands() -> None:
    case = linear_case(60, classes=2)
    x, y = case.x[case.y == 0][:4].copy(), np.zeros(4, dtype=np.int64)
    x[:, 0, 0, 0] = marks = np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32)
    wrong = torch.from_numpy(case.x[case.y == 1][:1])
    a, b, _, d = marks.tolist()
    parts = [Breaks(case.classifier, wrong, (b,)), Breaks(case.classifier, wrong, (a, b, d))]
    parts.append(Breaks(case.classifier, wrong, (a,)))
    attack = Cascade(case.classifier, math.inf, 1.0, parts)
    x_adv = attack.generate(x, y)
    assert [part.seen for part in parts] == [[[0.1, 0.2, 0.3, 0.4]], [[0.1, 0.3, 0.4]], [[0.3]]]
    assert attack.found is not None and attack.found.part is not None
    assert attack.found.part.tolist() == [1, 0, -1, 1]
    # who resists stays as it was
    assert np.array_equal(x_adv[2], x[2])
    assert (case.classifier.predict(x_adv).argmax(1) != y).tolist() == [True, True, False, True]
    # the images that a part gets are judged once, and all of them once before
    assert case.classifier.forwards == 4 + 4 + 3 + 1 + 4


def test_what_lies_outside_the_budget_is_no_success() -> None:
    case = linear_case(60, classes=2)
    x, y = case.x[case.y == 0][:3], np.zeros(3, dtype=np.int64)
    far = Breaks(case.classifier, torch.from_numpy(case.x[case.y == 1][:1]), tuple(x[:, 0, 0, 0]))
    for norm in (math.inf, 2.0, 1.0):
        attack = Cascade(case.classifier, norm, 1e-3, [far])
        assert np.array_equal(attack.generate(x, y), x)
        assert attack.found is not None and attack.found.part is not None
        assert attack.found.part.tolist() == [-1] * 3


def test_the_part_is_that_of_each_batch() -> None:
    case = linear_case(60, classes=2)
    x, y = case.x[case.y == 0][:5], np.zeros(5, dtype=np.int64)
    wrong = torch.from_numpy(case.x[case.y == 1][:1])
    parts = [Breaks(case.classifier, wrong, tuple(x[[1, 4], 0, 0, 0]))]
    case.classifier.batch = 2
    attack = Cascade(case.classifier, math.inf, 1.0, parts)
    attack.generate(x, y)
    assert attack.found is not None and attack.found.part is not None
    assert attack.found.part.tolist() == [-1, 0, -1, -1, 0]

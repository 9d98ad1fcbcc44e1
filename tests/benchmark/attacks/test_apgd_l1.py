"""APGD in L1 on linear networks, where the best point of ball and box is a greedy knapsack."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from closed_form import linear_case

from benchmark.attacks.apgd_l1 import climb_l1, l1_start, sparse_signs
from benchmark.attacks.apgd_targeted import TargetedAPGD
from benchmark.attacks.auto_pgd import AutoPGD
from estimators.random_streams import stream


def gain(weight: np.ndarray, x: np.ndarray, eps: float) -> float:
    """The largest change of weight @ x within the L1 ball and [0, 1]: largest weights first."""
    room = np.where(weight > 0, 1 - x, x).astype(np.float64)
    order = np.argsort(-np.abs(weight))
    spent = np.minimum(np.cumsum(room[order]), eps)
    return float((np.abs(weight)[order] * np.diff(spent, prepend=0.0)).sum())


def distance(weight: np.ndarray, x: np.ndarray, gap: float) -> float:
    """The smallest eps at which the change reaches a gap."""
    room = np.where(weight > 0, 1 - x, x).astype(np.float64)
    order = np.argsort(-np.abs(weight))
    gains = np.cumsum((np.abs(weight) * room)[order])
    full = int(np.searchsorted(gains, gap))
    before = gains[full - 1] if full else 0.0
    return float(room[order][:full].sum() + (gap - before) / np.abs(weight)[order][full])


def towards(case, i: int, target: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights of the difference of two logits, the image, and the gap between them."""
    layer = case.network[1]
    weight = layer.weight.detach().double().numpy()
    x = case.x[i].ravel()
    logits = weight @ x + layer.bias.detach().double().numpy()
    return weight[target] - weight[case.y[i]], x, logits[case.y[i]] - logits[target]


@pytest.mark.parametrize("name", ["apgd", "apgd-t"])
def test_success_begins_at_the_exact_distance(name: str) -> None:
    """The box is active: a pixel is worth at most its room."""
    # of one or two pixels, which is where steps end on a neighbour of the best
    case = linear_case(6, classes=2)
    for i in range(6):
        exact = distance(*towards(case, i, 1 - case.y[i]))
        x, y = case.x[i : i + 1], case.y[i : i + 1]
        for share in (0.99, 1.08):
            eps = share * exact
            kind = AutoPGD if name == "apgd" else TargetedAPGD
            found = kind(case.classifier, 1, eps).generate(x, y)
            assert np.abs(found - x).sum() <= eps * (1 + 1e-5)
            assert found.min() >= 0 and found.max() <= 1
            assert (case.classifier.predict(found).argmax(1) != y)[0] == (share > 1)


@pytest.mark.parametrize(("eps", "share"), [(0.5, 0.93), (2.0, 0.98), (6.0, 0.99), (20.0, 0.985)])
def test_the_loss_comes_near_that_of_the_greedy_knapsack(eps: float, share: float) -> None:
    """With half a pixel to spend, steps end beside the best point; so do those of the authors."""
    case = linear_case(6, classes=2)
    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
    weights = torch.stack([torch.from_numpy(towards(case, i, 1 - case.y[i])[0]) for i in range(6)])

    def evaluate(points: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor, ...]:
        flat = points.flatten(1).double()
        none = torch.zeros(6, dtype=torch.bool)
        return (weights * flat).sum(1).float(), weights.float().view_as(points), none

    start = l1_start(x, [stream(0, i, "attack") for i in range(6)], 1, eps)
    found = climb_l1(evaluate, eps, 100, x, y, start, 1).images
    for i in range(6):
        weight, pixels = weights[i].numpy(), case.x[i].ravel()
        most = gain(weight, pixels, eps)
        assert share * most <= weight @ (found[i].numpy().ravel() - pixels) <= most * (1 + 1e-5)


def test_passes_are_as_many_as_stated() -> None:
    case = linear_case(4)
    for steps in (1, 2, 3, 10, 100):
        attack = AutoPGD(case.classifier, 1, 1e-3, steps)
        case.classifier.reset_counts()
        attack.generate(case.x, case.y)
        assert case.classifier.gradients == 4 * steps
        assert attack.used.tolist() == [steps] * 4


def test_an_image_has_the_same_result_in_any_batch() -> None:
    case = linear_case(5)
    attack = AutoPGD(case.classifier, 1, 1.0, 30)
    whole = attack.generate(case.x, case.y, np.arange(5))
    alone = attack.generate(case.x[3:4], case.y[3:4], np.array([3]))
    np.testing.assert_allclose(whole[3], alone[0], atol=1e-5)


def test_the_largest_gradients_move() -> None:
    gradient = torch.tensor([[3.0, -2.0, 0.0, 1.0], [1.0, 1.0, 1.0, -1.0]]).view(2, 1, 2, 2)
    signs = sparse_signs(gradient, torch.tensor([0.5, 0.25])).flatten(1)
    assert signs.tolist() == [[1, -1, 0, 0], [1, 1, 1, -1]]
    assert sparse_signs(gradient[:1], torch.tensor([0.0])).flatten().tolist() == [1, 0, 0, 0]

"""Outputs that are no numbers belong to no class, and have lost every margin."""

from __future__ import annotations

import math

import pytest
import torch

from estimators.outputs import NO_CLASS, MarginLoss, class_name, logit_margin, predicted_classes

NAN, INF = math.nan, math.inf
OUT = torch.tensor(
    [[1.0, 3, 2], [NAN, NAN, NAN], [5, NAN, 1], [INF, 0, 0], [0, -INF, 1], [2, 1, 0]]
)


def test_outputs_that_are_no_numbers_have_no_class() -> None:
    assert predicted_classes(OUT).tolist() == [1, -1, -1, -1, -1, 0]
    assert [class_name(("a", "b"), k) for k in (1, NO_CLASS)] == ["b", "NaN"]


def test_the_margin_of_such_outputs_is_lost() -> None:
    own = torch.nn.functional.one_hot(torch.zeros(6, dtype=torch.int64), 3).bool()
    assert logit_margin(OUT, own, targeted=False).tolist() == [-2, -INF, -INF, -INF, -INF, 1]
    # and it reaches no target
    assert logit_margin(OUT, own, targeted=True).tolist() == [2, INF, INF, INF, INF, -1]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_margin_loss_has_one_gradient_at_any_scale(scale: float) -> None:
    out = (scale * torch.tensor([[1.0, 3, 2], [9, 0, 1]])).requires_grad_(True)
    labels, loss = torch.tensor([0, 0]), MarginLoss()
    (gradient,) = torch.autograd.grad(loss(out, labels), out)
    assert torch.equal(gradient, torch.tensor([[-0.5, 0.5, 0], [-0.5, 0, 0.5]]))
    loss.reduction = "none"
    assert torch.allclose(loss(out, labels), scale * torch.tensor([2.0, -8]))
    one_hot = torch.nn.functional.one_hot(labels, 3).float()
    assert torch.equal(loss(out, one_hot), loss(out, labels))

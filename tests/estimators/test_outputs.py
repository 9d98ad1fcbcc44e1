"""Outputs that are no numbers belong to no class, and have lost every margin."""

from __future__ import annotations

import math

import pytest
import torch

from estimators.outputs import (
    NO_CLASS,
    MarginLoss,
    class_name,
    label_margin,
    logit_margin,
    predicted_classes,
)

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


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("factor", [1.0, 3e38])
def test_the_margin_of_labels_is_that_of_their_masks(targeted: bool, factor: float) -> None:
    """Values, and gradients with ties; outputs whose sum overflows are no fault."""
    generator = torch.Generator().manual_seed(0)
    out = factor * torch.randint(0, 2, (40, 5), generator=generator).float()
    y = torch.randint(0, 5, (40,), generator=generator)
    own = torch.nn.functional.one_hot(y, 5).bool()
    found = []
    for margin in (label_margin, logit_margin):
        leaf = out.clone().requires_grad_(True)
        values = margin(leaf, y if margin is label_margin else own, targeted)
        found.append((values.detach(), *torch.autograd.grad(values.sum(), leaf)))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
    sign = -1 if targeted else 1
    others = out.masked_fill(own, -INF).amax(1)
    assert torch.equal(found[0][0], sign * (out[own] - others))
    assert label_margin(OUT, torch.zeros(6, dtype=torch.int64), False)[1:5].tolist() == [-INF] * 4

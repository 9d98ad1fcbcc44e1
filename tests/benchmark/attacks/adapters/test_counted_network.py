"""The network of other libraries: the same logits and gradients as all attacks see, counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from art.defences.preprocessor.preprocessor import Preprocessor
from closed_form import linear_case
from torch import nn
from torch.nn import functional

from benchmark.attacks.adapters.counted_network import CountedNetwork
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.build import build_defence
from estimators.defences.gaussian import GaussianNoise
from estimators.spec import Spec

SHAPE = (1, 8, 8)


def gradient(network: nn.Module, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient of the summed cross entropy, as a library takes it."""
    images = torch.tensor(x, requires_grad=True)
    loss = functional.cross_entropy(network(images), torch.from_numpy(y), reduction="sum")
    return torch.autograd.grad(loss, images)[0].numpy()


def classifier(network: nn.Module, images: Images, defence: Preprocessor | None) -> Classifier:
    made = Classifier(network, images.shape, 10, defence)
    made.bind(images.ids, 0)
    return made


@pytest.mark.parametrize("backward", ["art", "identity", "surrogate"])
def test_logits_and_gradients_are_those_of_all_attacks(backward, digits, digits_lenet) -> None:
    """Behind JPEG: ART's estimate, BPDA with the identity, and the smooth surrogate."""
    defence = build_defence(Spec.of("jpeg", quality=50))
    if backward != "art":
        defence = DefenceWithBackward(defence, backward)
    x, y = digits.x[:6], digits.y[:6]
    model = classifier(digits_lenet, digits, defence)
    network = CountedNetwork(model)
    with torch.no_grad():
        logits = network(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(logits, model.predict(x), atol=1e-5)
    given = gradient(network, x, y)
    expected = model.input_gradient(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(given, expected, atol=1e-5)
    # ART takes the mean
    of_art = len(y) * model.loss_gradient(x, np.eye(10)[y])
    np.testing.assert_allclose(given, of_art, atol=1e-4)


def test_a_preprocessor_with_a_derivative_of_its_own() -> None:
    class Threefold(Preprocessor):  # type: ignore[misc]
        """The identity, which says that its slope is 3."""

        def __init__(self) -> None:
            super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)

        def __call__(self, x, y=None):
            return x, y

        def estimate_gradient(self, x, grad):
            return 3 * grad

    case = linear_case(4)
    behind = CountedNetwork(Classifier(case.network, SHAPE, 5, Threefold()))
    bare = CountedNetwork(case.classifier)
    np.testing.assert_allclose(
        gradient(behind, case.x, case.y), 3 * gradient(bare, case.x, case.y), rtol=1e-5
    )


def test_several_draws_of_a_random_defence_give_the_mean_of_their_logits() -> None:
    """On a linear network noise drops out of the gradient of a logit; k draws count k times."""
    case = linear_case(1)
    noise = DefenceWithBackward(GaussianNoise(sigma=0.1), "surrogate", fresh=True)
    model = Classifier(case.network, SHAPE, 5, noise, draws=16)
    model.bind(np.arange(1), 0)
    network = CountedNetwork(model)
    x = torch.tensor(case.x, requires_grad=True)
    logits = network(x)
    one = CountedNetwork(case.classifier)(torch.tensor(case.x))
    # W times noise of deviation 0.1, the mean of 16
    assert 0 < float((logits - one).detach().abs().max()) < 4 * 0.1 * 8 * 2 / 4
    (found,) = torch.autograd.grad(logits[:, 2].sum(), x)
    weight = case.network[1].weight[2].detach()  # type: ignore[index,union-attr]
    # where a clipped pixel does not move, its slope is zero
    assert float((found.flatten() - weight).abs().median()) < 1e-6
    assert (model.gradients, model.forwards) == (16, 0)


def test_passes_count_once_each() -> None:
    """A gradient with its forward pass; further gradients; forward passes alone; parts."""
    case = linear_case(7)
    model = Classifier(case.network, SHAPE, 5, batch=3)
    network = CountedNetwork(model)
    x = torch.tensor(case.x, requires_grad=True)
    logits = network(x)
    assert (model.gradients, model.forwards) == (0, 7)
    logits.sum().backward(retain_graph=True)
    assert (model.gradients, model.forwards) == (7, 0)
    logits[:, 1].sum().backward()
    assert (model.gradients, model.forwards) == (14, 0)
    with torch.no_grad():
        network(x)
    network(x.detach())
    assert (model.gradients, model.forwards) == (14, 14)


def test_images_of_any_type_and_outside_the_box() -> None:
    """A library may compute in float64; behind a defence, a point outside is no image."""
    case = linear_case(3)
    network = CountedNetwork(case.classifier)
    x = torch.from_numpy(case.x).double().requires_grad_(True)
    network(x).sum().backward()
    assert x.grad is not None and x.grad.dtype == torch.float64
    quantised = CountedNetwork(Classifier(case.network, SHAPE, 5, build_defence(Spec("quantize"))))
    inside = quantised(torch.ones(1, *SHAPE))
    assert torch.equal(quantised(2 * torch.ones(1, *SHAPE)), inside)


def test_a_gradient_with_nan_is_repaired() -> None:
    class Branch(nn.Module):
        """A branch that does not count, with an infinite slope: 0 times inf is NaN."""

        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            root = torch.where(x > -1, torch.zeros_like(x), (x * 0).sqrt())
            return self.inner(x + root)

    case = linear_case(3)
    network = CountedNetwork(Classifier(Branch(case.network), SHAPE, 5))
    np.testing.assert_allclose(
        gradient(network, case.x, case.y),
        gradient(CountedNetwork(case.classifier), case.x, case.y),
        rtol=1e-5,
    )


def test_it_stays_in_evaluation_mode_and_lends_no_weights() -> None:
    dropping = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 5))
    network = CountedNetwork(Classifier(dropping, SHAPE, 5))
    x = torch.rand(2, *SHAPE)
    before = network(x)
    network.train()
    assert not network.training
    assert torch.equal(network(x), before)
    assert [p.numel() for p in network.parameters()] == [0]
    assert next(network.parameters()).device == torch.device("cpu")

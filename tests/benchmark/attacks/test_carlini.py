"""Carlini and Wagner: the closed form, ART's faults, and ART's own images bit for bit."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from art.attacks.evasion import CarliniL2Method
from closed_form import LinearCase, linear_case
from torch import nn

from benchmark.attacks.carlini import CarliniL2
from benchmark.attacks.carlini_art import CarliniL2Exact
from benchmark.attacks.steps.tensor_attack import MIN_MARGIN
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.defences.build import build_defence
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.spec import Spec


def wrap(network: nn.Module, defence: Spec | None = None) -> Classifier:
    return Classifier(network, (1, 28, 28), 10, build_defence(defence or Spec("none")))


def distances(
    result: npt.NDArray[np.float32], x: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    change = (result.astype(np.float64) - x).reshape(len(x), -1)
    return np.asarray(np.linalg.norm(change, axis=1))


def ratio(case: LinearCase, result: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """How much farther than the nearest adversarial image each one in the result is."""
    broken = case.classifier.predict(result).argmax(1) != case.y
    return (distances(result, case.x) / case.l2.min(axis=1))[broken]


@pytest.fixture(scope="module")
def right(digits_lenet: nn.Module, digits: Images) -> Images:
    """Digits that the network gets right."""
    part = digits[:64]
    return part[wrap(digits_lenet).predict(part.x).argmax(1) == part.y]


@pytest.mark.parametrize("iterations", [10, 50])
def test_trap_arts_search_ends_above_the_optimum(iterations: int) -> None:
    """The lower bound aliases the doubled constant; more iterations do not help."""
    case = linear_case(60)
    art = CarliniL2Exact(case.classifier, batch_size=60, max_iter=iterations)
    result = ratio(case, art.generate(case.x, case.y))
    assert len(result) > 50
    assert np.median(result) > 1.03


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_reaches_the_optimum_at_any_scale_of_the_logits(scale: float) -> None:
    case = linear_case(60, scale=scale)
    result = ratio(case, CarliniL2(case.classifier).generate(case.x, case.y))
    assert len(result) == 60  # every image
    assert result.min() > 1 - 1e-6
    assert np.median(result) < 1.002
    # a second class as near as the first can hold a descent at its own boundary
    assert np.quantile(result, 0.9) < 1.05


def test_reaches_the_optimum_of_every_target() -> None:
    case = linear_case(60)
    labels = (case.y + 1) % 5
    result = CarliniL2(case.classifier, targeted=True).generate(case.x, labels)
    np.testing.assert_array_equal(case.classifier.predict(result).argmax(1), labels)
    # a target can win over the label only after it wins over a third class
    assert np.quantile(distances(result, case.x) / case.l2[np.arange(60), labels], 0.4) < 1.01


def test_two_classes_every_image_is_optimal() -> None:
    case = linear_case(60, classes=2)
    result = ratio(case, CarliniL2(case.classifier).generate(case.x, case.y))
    assert len(result) == 60
    assert result.max() < 1.005


@pytest.mark.parametrize("confidence", [0.5, 2.0])
def test_confidence_is_the_margin_and_costs_what_it_should(confidence: float) -> None:
    case = linear_case(40, classes=2)
    result = CarliniL2(case.classifier, confidence=confidence).generate(case.x, case.y)
    logits = case.classifier.predict(result)
    margin = logits[np.arange(40), 1 - case.y] - logits[np.arange(40), case.y]
    assert (margin >= confidence).all()
    weight = case.network[1].weight.detach().numpy()
    expected = case.l2.min(axis=1) + confidence / np.linalg.norm(weight[0] - weight[1])
    np.testing.assert_allclose(distances(result, case.x), expected, rtol=5e-3)


@pytest.mark.parametrize("defence", ["none", pytest.param("quantize", marks=pytest.mark.slow)])
def test_breaks_every_digit(digits_lenet: nn.Module, right: Images, defence: str) -> None:
    """Judged in batches of any size, and with the margin in logits that leaves no doubt."""
    classifier = wrap(digits_lenet, Spec(defence))
    result = CarliniL2(classifier).generate(right.x, right.y)
    assert result.dtype == np.float32 and result.min() >= 0 and result.max() <= 1
    assert distances(result, right.x).mean() < 1.5
    rows = np.arange(len(right))
    for batch_size in (1, 33, 125):
        logits = classifier.predict(result, batch_size=batch_size)
        largest = np.abs(logits).max(axis=1)
        own = logits[rows, right.y].copy()
        logits[rows, right.y] = -math.inf
        assert (logits.max(axis=1) - own > 0.9 * MIN_MARGIN * largest).all()


def test_success_survives_a_folded_batch_norm(right: Images) -> None:
    """The attack sees the network as it is, the score comes from the one folded for speed."""
    torch.manual_seed(0)
    network = build_network(Spec("resnet"), (1, 28, 28), 10)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    classifier = wrap(network)
    assert classifier.scorer is not classifier.network
    x = right.x[:4]
    labels = classifier.predict(x).argmax(1)
    result = CarliniL2(classifier, max_iter=60).generate(x, labels)
    assert (classifier.logits(torch.from_numpy(result)).argmax(1).numpy() != labels).all()


def test_images_that_are_wrong_already_stay_as_they_are(
    digits_lenet: nn.Module, right: Images
) -> None:
    classifier = wrap(digits_lenet)
    part = right[:6]
    labels = np.where(np.arange(6) < 3, (part.y + 1) % 10, part.y)
    result = CarliniL2(classifier).generate(part.x, labels)
    np.testing.assert_array_equal(result[:3], part.x[:3])
    assert (distances(result, part.x)[3:] > 0).all()
    assert classifier.gradients < 4 * 900  # they left the batch at once


def test_what_cannot_be_broken_comes_back_as_it_is() -> None:
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            margin = 1 + 0 * x.mean(dim=(1, 2, 3))
            return torch.stack([margin, 0 * margin], dim=1)

    x = np.random.default_rng(0).random((3, 1, 4, 4), dtype=np.float32)
    result = CarliniL2(Classifier(Constant(), (1, 4, 4), 2)).generate(x, np.zeros(3, dtype=int))
    np.testing.assert_array_equal(result, x)


def test_given_rate_and_constant_are_used(digits_lenet: nn.Module, right: Images) -> None:
    """The paper's own settings in tanh space need more iterations, and get there."""
    part, classifier = right[:8], wrap(digits_lenet)
    short = CarliniL2(classifier, learning_rate=0.01, initial_const=0.01, max_iter=10)
    assert (classifier.predict(short.generate(part.x, part.y)).argmax(1) == part.y).mean() > 0.5
    fixed = CarliniL2(classifier, learning_rate=0.1, initial_const=1.0, max_iter=60)
    assert (classifier.predict(fixed.generate(part.x, part.y)).argmax(1) != part.y).all()


def test_the_same_twice_and_in_threads(digits_lenet: nn.Module, right: Images) -> None:
    from concurrent.futures import ThreadPoolExecutor

    part = right[:20]

    def run(_: int) -> npt.NDArray[np.float32]:
        torch.set_num_threads(1)
        return CarliniL2(wrap(digits_lenet), max_iter=20).generate(part.x, part.y)

    with ThreadPoolExecutor(2) as pool:
        first, *rest = pool.map(run, range(3))
    for other in rest:
        np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize(
    "defence", [Spec("none"), Spec("quantize"), Spec.of("jpeg", quality=50)], ids=str
)
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 24, "max_iter": 4, "binary_search_steps": 4},
        {"batch_size": 10, "max_iter": 3, "binary_search_steps": 3, "confidence": 0.5},
        {"batch_size": 24, "max_iter": 3, "binary_search_steps": 4, "targeted": True},
        {"batch_size": 1, "max_iter": 2, "binary_search_steps": 2},
    ],
    ids=["batch", "confidence", "targeted", "one by one"],
)
def test_exact_equals_art_bit_for_bit(
    digits_lenet: nn.Module, right: Images, options: dict[str, float], defence: Spec
) -> None:
    part = right[:4] if options["batch_size"] == 1 else right[:24]
    classifier = wrap(digits_lenet, defence)
    labels = (part.y + 1) % 10 if options.get("targeted") else part.y
    options = {"initial_const": 10.0, **options}
    result = CarliniL2Exact(classifier, **options).generate(part.x, labels)
    art = CarliniL2Method(classifier, verbose=False, **options).generate(part.x, labels)
    np.testing.assert_array_equal(result, art)
    assert (result != part.x).any()
    assert result.dtype == np.float32


def test_exact_equals_art_on_an_untrained_network(digits: Images) -> None:
    torch.manual_seed(1)
    classifier = wrap(build_network(Spec("lenet"), (1, 28, 28), 10))
    part = digits[:30]
    labels = classifier.predict(part.x).argmax(1)
    options = {"batch_size": 30, "max_iter": 5, "binary_search_steps": 3, "initial_const": 10.0}
    result = CarliniL2Exact(classifier, **options).generate(part.x, labels)
    art = CarliniL2Method(classifier, verbose=False, **options).generate(part.x, labels)
    np.testing.assert_array_equal(result, art)
    assert (result != part.x).any()


def test_exact_runs_fewer_passes(right: Images, digits_lenet: nn.Module) -> None:
    """One forward pass serves both gradients of a step, and one backward pass all labels."""
    passes = 0

    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = digits_lenet

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal passes
            passes += torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
            logits: torch.Tensor = self.network(x)
            return logits

    part = right[:12]
    options = {"batch_size": 12, "max_iter": 2, "binary_search_steps": 1}
    classifier = wrap(Counted())
    passes = 0
    CarliniL2Exact(classifier, **options).generate(part.x, part.y)
    assert passes == 2
    passes = 0
    CarliniL2Method(classifier, verbose=False, **options).generate(part.x, part.y)
    assert passes == 4


@pytest.mark.parametrize("attack", [CarliniL2, CarliniL2Exact])
def test_trap_predicted_labels_are_never_used(attack: type) -> None:
    case = linear_case(2)
    with pytest.raises(InputError, match="true labels y are missing"):
        attack(case.classifier).generate(case.x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": -1.0}, "expected confidence to be finite and not negative"),
        ({"learning_rate": 0.0}, "expected learning_rate to be positive"),
        ({"initial_const": -1.0}, "expected initial_const to be finite and not negative"),
        ({"max_iter": 0}, "expected max_iter to be an integer of at least 1"),
        ({"binary_search_steps": 1.5}, "expected binary_search_steps to be an integer"),
        ({"targeted": "yes"}, "expected targeted to be True or False"),
    ],
    ids=str,
)
def test_bad_parameters(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CarliniL2(linear_case(1).classifier, **options)


@pytest.mark.parametrize("attack", [CarliniL2, CarliniL2Exact])
def test_needs_the_projects_classifier(attack: type) -> None:
    with pytest.raises(InputError, match="expected a Classifier, got object"):
        attack(object())

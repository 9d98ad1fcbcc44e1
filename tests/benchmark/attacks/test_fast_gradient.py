"""The fast gradient method against ART, closed forms and its own search for the smallest eps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from art.attacks.evasion import FastGradientMethod
from art.utils import projection
from closed_form import LinearCase, linear_case
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_box import BoxCase, box_case
from torch import nn

from benchmark.attacks.fast_gradient import FastGradient, perturbed, smallest_eps
from benchmark.attacks.steps.gradients import loss_gradient
from benchmark.attacks.steps.projections import project_l2
from estimators.classifier import BATCH, Classifier
from estimators.data.images import Images
from estimators.defences.build import build_defence
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.spec import Spec

NORMS = [math.inf, 1.0, 2.0, 1.5]
DEFENCES = [Spec("none"), Spec("quantize"), Spec.of("jpeg", quality=50)]
EPS = [0.0, 1e-9, 1 / 255, 0.003, 8 / 255, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 0.7, 1.0, 2.5]


def moved(attack: FastGradient, x: np.ndarray, direction: np.ndarray, eps: float) -> np.ndarray:
    """The images x moved by eps along a direction of the attack."""
    return attack.step(torch.from_numpy(x), torch.from_numpy(direction), eps).numpy()


def at_every(eps: Sequence[float], attack: FastGradient, part: Images) -> Iterator[np.ndarray]:
    """The images of each eps, all from one gradient."""
    direction, _ = attack.directions(part.x, part.y)
    return (moved(attack, part.x, direction, budget) for budget in eps)


def wrap(network: nn.Module, defence: Spec = DEFENCES[0]) -> Classifier:
    return Classifier(network, (1, 28, 28), 10, build_defence(defence))


@pytest.fixture(scope="module")
def seeded() -> nn.Module:
    """An untrained LeNet: rounding is all that its gradients have in common with a trained one."""
    torch.manual_seed(1)
    return build_network(Spec("lenet"), (1, 28, 28), 10)


@pytest.mark.parametrize("norm", NORMS, ids=str)
@pytest.mark.parametrize("defence", DEFENCES, ids=str)
def test_every_eps_equals_arts_generate(
    digits_lenet: nn.Module, digits: Images, norm: float, defence: Spec
) -> None:
    part = digits[:60]
    classifier = wrap(digits_lenet, defence)
    ours = at_every(EPS, FastGradient(classifier, norm), part)
    for eps, result in zip(EPS, ours, strict=True):
        # ART divides by the norm of a step before it looks whether that is zero
        with np.errstate(divide="ignore", invalid="ignore"):
            art = FastGradientMethod(classifier, norm, eps, batch_size=BATCH)
            np.testing.assert_array_equal(result, art.generate(part.x, part.y), err_msg=f"{eps}")
        assert result.dtype == np.float32


@pytest.mark.parametrize("targeted", [False, True], ids=["untargeted", "targeted"])
@pytest.mark.parametrize("batch_size", [7, 32, 125])
def test_batches_and_targets_as_art_does(
    seeded: nn.Module, digits: Images, targeted: bool, batch_size: int
) -> None:
    part = digits[:130]
    classifier = wrap(seeded)
    labels = (part.y + 1) % 10 if targeted else part.y
    options = {"eps": 0.1, "targeted": targeted, "batch_size": batch_size}
    result = FastGradient(classifier, **options).generate(part.x, labels)
    art = FastGradientMethod(classifier, **options).generate(part.x, labels)
    np.testing.assert_array_equal(result, art)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    eps=st.floats(0.0, 2.0),
    norm=st.sampled_from([math.inf, 1.0, 2.0]),
    power=st.sampled_from([1, 8, 30]),
)
def test_moving_is_arts_for_any_pixels(seed: int, eps: float, norm: float, power: int) -> None:
    """Pixels down to 1e-30, where adding and taking away again rounds."""
    case = linear_case(1)
    rng = np.random.default_rng(seed)
    x = (rng.random((4, 1, 8, 8)) ** power).astype(np.float32)
    attack = FastGradientMethod(case.classifier, norm, eps)
    y = np.eye(5, dtype=np.float32)[[0, 1, 2, 3]]
    direction = FastGradient(case.classifier, norm).directions(x, y)[0]
    result = perturbed(torch.from_numpy(x), torch.from_numpy(direction), eps, norm).numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_array_equal(result, attack.generate(x, y))


def test_numpy_floats_do_not_promote(seeded: nn.Module, digits: Images) -> None:
    part = digits[:5]
    attack = FastGradient(wrap(seeded))
    plain, promoted = at_every([0.15, np.float64(0.15)], attack, part)
    np.testing.assert_array_equal(plain, promoted)
    assert promoted.dtype == np.float32
    assert type(FastGradient(wrap(seeded), eps=np.float64(0.15)).eps) is float


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_budget_box_and_zero(digits_lenet: nn.Module, digits: Images, norm: float) -> None:
    part = digits[:40]
    attack = FastGradient(wrap(digits_lenet), norm)
    for eps, result in zip(EPS, at_every(EPS, attack, part), strict=True):
        assert result.min() >= 0 and result.max() <= 1
        change = (result.astype(np.float64) - part.x).reshape(len(part), -1)
        # the sum of pixel and step is rounded once, to 2^-24 in each pixel
        assert np.linalg.norm(change, norm, axis=1).max() <= eps * (1 + 1e-6) + 1e-4
        if norm == math.inf:
            assert np.abs(change).max() <= eps + 6e-8
    np.testing.assert_array_equal(next(at_every([0.0], attack, part)), part.x)


def test_one_gradient_serves_all(digits_lenet: nn.Module, digits: Images) -> None:
    classifier = wrap(digits_lenet)
    list(at_every(EPS, FastGradient(classifier), digits[:30]))
    assert classifier.gradients == 30


def test_loss_gradient_is_arts(digits_lenet: nn.Module, digits: Images) -> None:
    for defence in DEFENCES:
        classifier = wrap(digits_lenet, defence)
        x, y = digits.x[:50], digits.y[:50]
        result = loss_gradient(classifier, torch.from_numpy(x), torch.from_numpy(y)).numpy()
        np.testing.assert_array_equal(result, classifier.loss_gradient(x, np.eye(10)[y]))


def test_trap_saturated_logits_are_flagged(digits_lenet: nn.Module, digits: Images) -> None:
    class Scaled(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.network, self.factor = digits_lenet, factor

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scaled: torch.Tensor = self.factor * self.network(x)
            return scaled

    part = digits[:200]
    share, accuracy = {}, {}
    for factor in (1.0, 10.0, 100.0):
        classifier = wrap(Scaled(factor))
        attack = FastGradient(classifier, eps=0.3)
        direction, zero = attack.directions(part.x, part.y)
        np.testing.assert_array_equal(zero, np.abs(direction).max(axis=(1, 2, 3)) == 0)
        result = attack.generate(part.x, part.y)
        np.testing.assert_array_equal(result[zero], part.x[zero])
        share[factor] = zero.mean()
        accuracy[factor] = (classifier.predict(result).argmax(1) == part.y).mean()
    assert share[1.0] == 0
    assert share[100.0] > 0.8
    assert accuracy[100.0] > accuracy[1.0] + 0.3


@pytest.mark.parametrize("norm", [math.inf, 2.0], ids=str)
def test_smallest_eps_on_two_classes_is_the_closed_form(norm: float) -> None:
    """With two classes the gradient points straight at the boundary: FGM is optimal."""
    case = linear_case(50, seed=3, classes=2)
    exact = (case.linf if norm == math.inf else case.l2).min(axis=1)
    result = smallest_eps(case.classifier, case.x, case.y, norm, 1.0, 1e-6)
    np.testing.assert_allclose(result, exact, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("norm", [0, 1, 2, math.inf])
def test_smallest_eps_in_every_norm_inside_and_at_the_edge_of_the_box(norm: float) -> None:
    """L0 is a whole number: exact. ART's step in L2 and Linf is cut where it leaves [0, 1].

    Logits are small: where cross entropy saturates, float32 spoils the direction of its gradient.
    """
    for case in (linear_case(20, classes=2), box_case(20, scale=0.1)):
        exact = BoxCase(case.classifier, case.x, case.y).nearest(norm)
        found = smallest_eps(case.classifier, case.x, case.y, norm, 50, 1e-6, 500)
        if norm == 0:
            np.testing.assert_array_equal(found, exact)
        elif norm == 1 or isinstance(case, LinearCase):
            np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-5)
        assert (found >= exact * (1 - 1e-3)).all()


def test_smallest_eps_is_the_edge(digits_lenet: nn.Module, digits: Images) -> None:
    """At the resulting eps the image is broken; slightly below, and at scanned eps, it is not."""
    part = digits[:60]
    classifier = wrap(digits_lenet, Spec("quantize"))
    result = smallest_eps(classifier, part.x, part.y, "inf", 0.5, 1e-4, steps=50)
    attack = FastGradient(classifier)
    direction, _ = attack.directions(part.x, part.y)
    broken_at = {}
    for eps in np.arange(51) / 100:
        x_adv = moved(attack, part.x, direction, float(eps))
        broken_at[eps] = classifier.predict(x_adv).argmax(1) != part.y
    first = [next((e for e, b in broken_at.items() if b[n]), math.inf) for n in range(60)]
    assert np.isfinite(result).any()
    np.testing.assert_array_equal(np.isfinite(result), np.isfinite(first))
    for n in np.flatnonzero(np.isfinite(result)):
        assert first[n] - 0.01 - 1e-7 <= result[n] <= first[n] + 1e-7
        x_adv = moved(attack, part.x[n : n + 1], direction[n : n + 1], float(result[n]))
        assert classifier.predict(x_adv).argmax() != part.y[n]
        if result[n] > 0:
            x_adv = moved(attack, part.x[n : n + 1], direction[n : n + 1], float(result[n]) - 2e-4)
            assert classifier.predict(x_adv).argmax() == part.y[n]


def test_smallest_eps_where_accuracy_is_not_monotone() -> None:
    """Wrong from 0.1 to 0.2, right to 0.4, wrong after: bisection alone would say 0.4."""

    class Stretch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mean = x.mean(dim=(1, 2, 3)) - 0.5
            # a triangle through zero at 0.1, 0.2 and 0.4, falling at 0
            wrong = torch.maximum(torch.minimum(mean - 0.1, 0.2 - mean), mean - 0.4)
            return torch.stack([torch.zeros_like(wrong), wrong], dim=1)

    classifier = Classifier(Stretch(), (1, 4, 4), 2)
    x = np.full((3, 1, 4, 4), 0.5, dtype=np.float32)
    x[1] += 0.15
    x[2] -= 0.1
    y = np.zeros(3, dtype=np.int64)
    result = smallest_eps(classifier, x, y, "inf", 0.5, 1e-5)
    np.testing.assert_allclose(result, [0.1, 0.0, 0.2], atol=2e-5)
    # a scan of two steps looks at 0.25 and 0.5 alone, and is documented to pass it over
    coarse = smallest_eps(classifier, x[:1], y[:1], "inf", 0.5, 1e-5, steps=2)
    np.testing.assert_allclose(coarse, [0.4], atol=2e-5)


def test_smallest_eps_without_a_gradient_is_infinite() -> None:
    case = linear_case(20, scale=1e4)
    _, zero = FastGradient(case.classifier).directions(case.x, case.y)
    result = smallest_eps(case.classifier, case.x, case.y, "inf", 0.5, 1e-3)
    assert zero.any()
    assert np.isinf(result[zero]).all()


def test_trap_minimal_stops_early_and_moves_wrong_images() -> None:
    """ART adds 0.1 three times, has 0.30000000000000004 > 0.3, and never tries 0.3."""

    class Brighter(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            margin = x.mean(dim=(1, 2, 3)) - 0.75
            return torch.stack([torch.zeros_like(margin), margin], dim=1)

    classifier = Classifier(Brighter(), (1, 4, 4), 2)
    x = np.array([0.5, 0.8], dtype=np.float32).reshape(2, 1, 1, 1) * np.ones((1, 1, 4, 4), "f")
    y = np.zeros(2, dtype=np.int64)
    art = FastGradientMethod(classifier, eps=0.3, eps_step=0.1, minimal=True).generate(x, y)
    assert classifier.predict(art).argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(art.max(axis=(1, 2, 3)), [0.7, 0.9], atol=1e-6)
    result = smallest_eps(classifier, x, y, "inf", 0.3, 1e-6)
    np.testing.assert_allclose(result, [0.25, 0.0], atol=2e-6)


def test_trap_predicted_labels_are_never_used(seeded: nn.Module, digits: Images) -> None:
    with pytest.raises(InputError, match="true labels y are missing"):
        FastGradient(wrap(seeded)).generate(digits.x[:3])


X, Y = np.full((2, 1, 8, 8), 0.5, dtype=np.float32), np.array([0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": -0.1}, "expected eps to be finite and not negative, got -0.1"),
        ({"eps": math.nan}, "expected eps to be finite"),
        ({"eps": math.inf}, "expected eps to be finite"),
        ({"norm": 0.5}, "expected norm to be"),
        ({"norm": "two"}, "expected norm to be"),
        ({"norm": 0}, 'expected norm to be "inf" or at least 1, got 0'),
        ({"batch_size": 0}, "expected batch_size to be an integer of at least 1"),
        ({"batch_size": 2.5}, "expected batch_size to be an integer"),
        ({"targeted": 1}, "expected targeted to be True or False"),
    ],
    ids=str,
)
def test_bad_parameters(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FastGradient(linear_case(1).classifier, **options)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[0], Y, r"expected images \[N, C, H, W\]"),
        (X + 1, Y, r"pixels must lie in \[0, 1\]"),
        (X * np.nan, Y, r"pixels must lie in \[0, 1\]"),
        (X, Y[:1], "expected y to be 2 integers"),
        (X, Y + 0.5, "expected y to be 2 integers"),
        (X, Y + 9, "y must lie in 0 to 4"),
    ],
    ids=["shape", "range", "nan", "length", "type", "class"],
)
def test_bad_images_and_labels(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FastGradient(linear_case(1).classifier).generate(x, y)


@pytest.mark.parametrize(
    ("eps_max", "tolerance", "steps"),
    [(0.3, 0.0, 64), (0.3, -1.0, 64), (0.3, math.inf, 64), (-0.3, 1e-3, 64), (0.3, 1e-3, 0)],
)
def test_bad_searches(eps_max: float, tolerance: float, steps: int) -> None:
    with pytest.raises(InputError):
        smallest_eps(linear_case(1).classifier, X, Y, "inf", eps_max, tolerance, steps)


def test_needs_the_projects_classifier() -> None:
    with pytest.raises(InputError, match="expected a Classifier, got object"):
        FastGradient(object())


def test_the_l2_ball_on_a_device_is_the_same_ball() -> None:
    step = torch.randn(20, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    step[3] = 0
    own = torch.linspace(0.0, 12.0, 20).view(-1, 1, 1, 1)
    for eps in (0.0, 2.5, own):
        radius = eps.numpy() if isinstance(eps, torch.Tensor) else eps
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = projection(step.numpy(), radius, 2)
        assert np.allclose(project_l2(step, eps).numpy(), expected, rtol=1e-5, atol=1e-7)

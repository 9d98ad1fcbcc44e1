"""Projected gradient descent against ART's two implementations and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from art.attacks.evasion import ProjectedGradientDescent
from art.attacks.evasion.projected_gradient_descent.projected_gradient_descent_numpy import (
    ProjectedGradientDescentNumpy,
)
from closed_form import linear_case
from torch import nn

from benchmark.attacks.fast_gradient import FastGradient
from benchmark.attacks.lookup import all_params, check_attack, expected_passes
from benchmark.attacks.projected_gradient import ProjectedGradient
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.build import build_defence
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.spec import Spec

# norm, eps, step, iterations
BALLS = [
    (math.inf, 0.3, 0.02, 12),
    (math.inf, 0.05, 0.1, 3),
    (math.inf, 0.0, 0.1, 2),
    (2.0, 1.5, 0.3, 12),
    (2.0, 0.1, 0.5, 3),
]
DEFENCES = [
    Spec("none"),
    Spec("quantize"),
    Spec.of("jpeg", quality=50),
    Spec.of("art.defences.preprocessor.SpatialSmoothing"),
]


def wrap(network: nn.Module, defence: Spec = DEFENCES[0]) -> Classifier:
    return Classifier(network, (1, 28, 28), 10, build_defence(defence))


@pytest.mark.parametrize("defence", DEFENCES, ids=str)
@pytest.mark.parametrize("ball", BALLS, ids=str)
def test_equals_art_bit_for_bit(
    digits_lenet: nn.Module, digits: Images, ball: tuple[float, float, float, int], defence: Spec
) -> None:
    part = digits[:40]
    classifier = wrap(digits_lenet, defence)
    result = ProjectedGradient(classifier, *ball).generate(part.x, part.y)
    norm, eps, step, iterations = ball
    art = ProjectedGradientDescent(
        classifier, norm, eps, step, max_iter=iterations, batch_size=125, verbose=False
    )
    # with a defence ART goes through NumPy: two loops with other roundings, both met
    assert isinstance(art._attack, ProjectedGradientDescentNumpy) is (defence.name != "none")
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_array_equal(result, art.generate(part.x, part.y))
    assert result.dtype == np.float32


@pytest.mark.parametrize("norm", [math.inf, 2.0], ids=str)
def test_targets_and_batches_on_an_untrained_network(digits: Images, norm: float) -> None:
    torch.manual_seed(1)
    classifier = wrap(build_network(Spec("lenet"), (1, 28, 28), 10))
    part = digits[:70]
    options = {"eps": 0.5, "eps_step": 0.1, "max_iter": 5, "targeted": True, "batch_size": 32}
    result = ProjectedGradient(classifier, norm, **options).generate(part.x, (part.y + 1) % 10)
    art = ProjectedGradientDescent(classifier, norm, **options, verbose=False)
    np.testing.assert_array_equal(result, art.generate(part.x, (part.y + 1) % 10))


def test_budget_and_box_hold_with_random_starts(digits_lenet: nn.Module, digits: Images) -> None:
    part = digits[:30]
    for norm, eps in ((math.inf, 0.2), (2.0, 1.0)):
        attack = ProjectedGradient(wrap(digits_lenet), norm, eps, eps / 4, 5, num_random_init=2)
        result = attack.generate(part.x, part.y, np.random.default_rng(0))
        assert result.dtype == np.float32 and result.min() >= 0 and result.max() <= 1
        change = (result.astype(np.float64) - part.x).reshape(len(part), -1)
        # pixel plus step is rounded once more after the projection
        assert np.linalg.norm(change, norm, axis=1).max() <= eps + 1e-6


@pytest.mark.parametrize("norm", [math.inf, 2.0], ids=str)
def test_linear_network_ends_at_the_closed_form(norm: float) -> None:
    """Two classes: the loss is steepest towards the boundary, so PGD needs the least budget."""
    case = linear_case(40, classes=2)
    edge = (case.linf if norm == math.inf else case.l2).min(axis=1)
    for factor, broken in ((0.999, False), (1.001, True)):
        for n in (0, 7, 13):
            attack = ProjectedGradient(
                case.classifier, norm, eps=factor * edge[n], eps_step=edge[n] / 4, max_iter=10
            )
            result = attack.generate(case.x[n : n + 1], case.y[n : n + 1])
            assert (case.classifier.predict(result).argmax() != case.y[n]) == broken


def test_one_step_of_the_full_length_is_fgsm(digits_lenet: nn.Module, digits: Images) -> None:
    part, classifier = digits[:20], wrap(digits_lenet)
    one = ProjectedGradient(classifier, eps=0.2, eps_step=0.2, max_iter=1)
    np.testing.assert_array_equal(
        one.generate(part.x, part.y), FastGradient(classifier, eps=0.2).generate(part.x, part.y)
    )


def test_no_budget_and_no_steps_leave_the_image(digits_lenet: nn.Module, digits: Images) -> None:
    part, classifier = digits[:20], wrap(digits_lenet)
    for options in ({"eps": 0.0, "max_iter": 5}, {"eps": 0.3, "max_iter": 0}):
        result = ProjectedGradient(classifier, **options).generate(part.x, part.y)
        np.testing.assert_array_equal(result, part.x)
    still = ProjectedGradient(classifier, eps=0.0, max_iter=2, num_random_init=2)
    np.testing.assert_array_equal(still.generate(part.x, part.y, np.random.default_rng(0)), part.x)


def test_random_starts_come_from_the_generator_alone(
    digits_lenet: nn.Module, digits: Images
) -> None:
    part = digits[:40]
    attack = ProjectedGradient(wrap(digits_lenet), 2, 0.8, 0.2, 3, num_random_init=3)
    before = np.random.get_state()[1].copy()
    first, again, other = (
        attack.generate(part.x, part.y, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize("norm", [math.inf, 2.0], ids=str)
def test_starts_are_uniform_in_the_ball(norm: float) -> None:
    case = linear_case(1)
    attack = ProjectedGradient(case.classifier, norm, eps=0.2, num_random_init=1)
    noise = attack._noise(torch.zeros(4000, 1, 2, 2), np.random.default_rng(0)).flatten(1)
    radius = torch.linalg.vector_norm(noise, norm, dim=1)
    # the share of a d-dimensional ball within a radius r is (r / eps) ** d
    uniform = (radius / 0.2) ** 4
    assert radius.max() <= 0.2 * (1 + 1e-6)
    assert uniform.mean() == pytest.approx(0.5, abs=0.02)
    assert noise.mean(0).abs().max() < 0.01


def test_more_starts_break_no_fewer_images(digits_lenet: nn.Module, digits: Images) -> None:
    part, classifier = digits[:60], wrap(digits_lenet)
    standing = []
    for starts in (1, 4):
        attack = ProjectedGradient(
            classifier, eps=0.09, eps_step=0.03, max_iter=4, num_random_init=starts
        )
        result = attack.generate(part.x, part.y, np.random.default_rng(0))
        standing.append(classifier.predict(result).argmax(1) == part.y)
    assert standing[0].any() and not standing[0].all()
    # the first run is the same one, and what it broke stays broken
    assert not (standing[1] & ~standing[0]).any()
    assert standing[1].sum() <= standing[0].sum()


def test_counts_every_gradient(digits_lenet: nn.Module, digits: Images) -> None:
    classifier = wrap(digits_lenet)
    ProjectedGradient(classifier, max_iter=7).generate(digits.x[:10], digits.y[:10])
    assert (classifier.gradients, classifier.forwards) == (70, 0)


def test_trap_predicted_labels_are_never_used() -> None:
    case = linear_case(2)
    with pytest.raises(InputError, match="true labels y are missing"):
        ProjectedGradient(case.classifier).generate(case.x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": 1}, 'PGD expected the norm "inf" or 2'),
        ({"eps_step": 0.0}, "expected eps_step to be positive"),
        ({"eps": -1.0}, "expected eps to be finite and not negative"),
        ({"max_iter": -1}, "expected max_iter to be an integer of at least 0"),
        ({"max_iter": 2.0}, "expected max_iter to be an integer"),
        ({"num_random_init": -1}, "expected num_random_init to be an integer"),
    ],
    ids=str,
)
def test_bad_parameters(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ProjectedGradient(linear_case(1).classifier, **options)


def test_random_starts_need_a_generator() -> None:
    case = linear_case(2)
    with pytest.raises(InputError, match="expected a generator"):
        ProjectedGradient(case.classifier, num_random_init=1).generate(case.x, case.y)


@pytest.mark.parametrize(
    "params",
    [
        {"eps": 0.08},
        {"eps": 1.0, "norm": 2},
        {"eps": 0.2, "targeted": True},
        {"eps": 0.08, "num_random_init": 2},
    ],
    ids=lambda params: " ".join(params),
)
@pytest.mark.parametrize("defence", DEFENCES, ids=str)
def test_images_that_have_fallen_leave(
    digits_lenet: nn.Module, digits: Images, defence: Spec, params: dict[str, Any]
) -> None:
    """The accuracy is that of all steps, but for images that rise again in these.

    Such there are where a step has no true gradient, and where the goal is one class.
    """
    part, classifier, targeted = digits[:60], wrap(digits_lenet, defence), "targeted" in params
    y = (part.y + 1) % 10 if targeted else part.y
    stands, gradients = [], []
    for drop in (False, True):
        classifier.reset_counts()
        eps, steps = params["eps"], {"max_iter": 12, "drop_fallen": drop}
        attack = ProjectedGradient(classifier, eps_step=eps / 5, **steps, **params)
        x_adv = attack.generate(part.x, y, np.random.default_rng(0))
        gradients.append(classifier.gradients)
        stands.append((classifier.predict(x_adv).argmax(1) == y) != targeted)
        assert np.abs(x_adv - part.x).max() <= eps + 1e-6 and x_adv.min() >= 0
    assert 0 < stands[0].sum() < 60
    assert (stands[1] <= stands[0]).all()
    risen = stands[0].sum() - stands[1].sum()
    assert risen == 0 or (risen <= 3 and (targeted or defence.name != "none"))
    assert gradients[1] < 0.9 * gradients[0]


def test_behind_a_random_defence_nobody_leaves(digits_lenet: nn.Module, digits: Images) -> None:
    noise = build_defence(Spec.of("gaussian", sigma=0.1))
    classifier = Classifier(digits_lenet, (1, 28, 28), 10, DefenceWithBackward(noise, fresh=True))
    part = digits[:10]
    results = []
    for drop in (False, True):
        classifier.bind(part.ids, 0)
        classifier.reset_counts()
        attack = ProjectedGradient(classifier, eps=0.3, max_iter=4, drop_fallen=drop)
        results.append(attack.generate(part.x, part.y))
        assert classifier.gradients == 40
    assert np.array_equal(*results)


def test_the_row_says_that_images_leave() -> None:
    given = check_attack(Spec.of("pgd", eps=0.2, drop_fallen=True))
    assert '"drop_fallen":true' in all_params(given)
    plain = check_attack(Spec.of("pgd", eps=0.2))
    assert "drop_fallen" not in all_params(plain)
    assert expected_passes(given, 10) < expected_passes(plain, 10) == 3 * 40

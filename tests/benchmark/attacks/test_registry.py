"""Every row of the registry: its code, its cost, and what a plug-in's row can do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from closed_form import linear_case
from torch import nn

from benchmark.attacks.entry import AttackEntry, Passes
from benchmark.attacks.lookup import attack_entry, check_attack, expected_passes
from benchmark.attacks.registry import ATTACKS
from benchmark.attacks.steps.craft import craft
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.entries import load_object
from estimators.spec import Spec


def spec_of(name: str, **params: object) -> Spec:
    """The attack with its defaults, and an eps where it has one."""
    eps = {"eps": 0.1} if ATTACKS[name].bounded else {}
    return check_attack(Spec.of(name, {**eps, **params}))


@pytest.mark.parametrize("name", ATTACKS)
def test_every_row_names_code_that_is_there(name: str) -> None:
    entry = ATTACKS[name]
    assert callable(entry.load())
    for text in filter(None, (entry.stock, entry.resolve_defaults)):
        assert callable(load_object(text))
    assert entry.summary
    assert set(entry.stock_defaults) <= set(entry.defaults)
    assert set(entry.allowed) <= set(entry.params)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_states_what_it_costs(name: str) -> None:
    assert 0 < expected_passes(spec_of(name), 10) < 10_000


@pytest.mark.parametrize("name", ["fgsm", "fgm", "pgd", "bim"])
def test_attacks_that_lose_no_image_take_the_passes_that_they_state(name: str) -> None:
    case, spec = linear_case(4), spec_of(name)
    ((_, crafted),) = craft([spec], case.classifier, case.x, case.y, np.arange(4), 0)
    assert crafted.passes.forwards == 0
    assert expected_passes(spec, 5) == 3 * crafted.passes.gradients


# cheap parameters, an eps at which many images fall, and by which factor the passes may be off
COUNTED: dict[str, tuple[dict[str, Any], float]] = {
    "fgsm": ({"eps": 0.1}, 1.0),
    "fgm": ({"eps": 1.0}, 1.0),
    "pgd": ({"eps": 0.1, "drop_fallen": True}, 1.5),
    "bim": ({"eps": 0.1, "drop_fallen": True}, 1.5),
    "apgd": ({"eps": 0.1}, 2.0),
    "apgd-t": ({"eps": 0.1, "max_iter": 30}, 2.0),
    "autoattack": ({"eps": 0.1}, 3.0),
    "art-autoattack": ({"eps": 0.1}, 3.0),
    "strongest": ({"eps": 0.1, "budget": 500}, 1.5),
    "deepfool": ({}, 1.2),
    "fab": ({"max_iter": 10}, 1.1),
    "fab-t": ({"max_iter": 10, "targets": 3}, 1.1),
    "square": ({"eps": 0.1, "queries": 500}, 2.0),
    "hopskipjump": ({"queries": 300}, 1.1),
    "cw": ({"max_iter": 30}, 1.5),
    "cw-art": ({}, 1.2),
    "ddn": ({"steps": 30}, 1.1),
    "fmn": ({"steps": 30}, 1.1),
    "sigma-zero": ({"steps": 30}, 1.1),
    "noise": ({"eps": 0.1}, 1.0),
}


def test_the_cost_of_every_attack_is_compared() -> None:
    assert COUNTED.keys() == ATTACKS.keys()


@pytest.mark.parametrize("name", COUNTED)
def test_the_passes_stated_are_those_that_digits_take(
    name: str, digits: Images, digits_lenet: nn.Module
) -> None:
    params, factor = COUNTED[name]
    spec, images = check_attack(Spec.of(name, params)), digits[np.arange(20)]
    classifier = Classifier(digits_lenet, images.shape, 10)
    arrays = images.read().x, images.y, images.ids
    ((_, crafted),) = craft([spec], classifier, *arrays, 0)
    stated = ATTACKS[name].passes(ATTACKS[name].resolved(spec.kwargs), 10)
    costs = [3 * passes.gradients + passes.forwards for passes in (stated, crafted.passes)]
    assert max(costs) <= factor * min(costs)


def test_draws_beside_the_passes_take_time_and_are_no_passes() -> None:
    for name, share in (("square", 1.5), ("hopskipjump", 1.7)):
        spec = spec_of(name)
        passes = ATTACKS[name].passes(ATTACKS[name].resolved(spec.kwargs), 10)
        assert expected_passes(spec, 10) == pytest.approx(share * passes.forwards)


def test_parameters_decide_the_cost() -> None:
    def cost(name: str, **params: object) -> float:
        return expected_passes(spec_of(name, **params), 10)

    assert cost("pgd", max_iter=80) == 2 * cost("pgd")
    assert cost("square", queries=3000) == 3 * cost("square")
    assert cost("cw", max_iter=10) == pytest.approx(cost("cw") / 10)
    # images drop out as soon as they are adversarial
    assert cost("apgd", eps=0.3) < cost("apgd", eps=0.1) < cost("apgd", eps=0.01)
    # an attack that is not ours: one gradient per iteration
    newton = Spec.of("art.attacks.evasion.NewtonFool", max_iter=7)
    assert expected_passes(newton, 10) == 3 * 7
    # a bad value does not stop the estimate: the attack refuses it by itself
    assert expected_passes(Spec.of("apgd", eps=0.1, max_iter="many"), 10) == 3


def test_a_plug_in_may_be_a_row(module) -> None:
    """One file: the attack, and the row that names it."""
    module(
        "brighter",
        """
        from art.attacks.attack import EvasionAttack
        from benchmark.attacks.entry import AttackEntry, Passes

        class Brighter(EvasionAttack):
            _estimator_requirements = ()

            def __init__(self, estimator, eps, gain):
                super().__init__(estimator=estimator)
                self.shift = eps * gain

            def generate(self, x, y=None, **kwargs):
                return (x + self.shift).clip(0, 1)

        row = AttackEntry(
            name="brighter",
            label="brighter by eps",
            summary="every pixel becomes brighter",
            build="brighter:Brighter",
            uses_gradient=False,
            defaults={"gain": 0.5},
            passes=lambda params, classes: Passes(forwards=2),
        )
        """,
    )
    spec = check_attack(Spec.of("brighter:row", eps=0.2))
    entry = attack_entry(spec)
    assert isinstance(entry, AttackEntry) and entry.label == "brighter by eps"
    assert expected_passes(spec, 5) == 2
    case = linear_case(3)
    ((_, crafted),) = craft([spec], case.classifier, case.x, case.y, np.arange(3), 0)
    np.testing.assert_allclose(crafted.images.numpy(), np.clip(case.x + 0.1, 0, 1), atol=1e-6)
    assert not crafted.zero_gradient.any()
    assert crafted.passes == Passes(0, 0)

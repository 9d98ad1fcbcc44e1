"""The attacks of other libraries in a run: on digits, by threads, behind random defences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from closed_form import linear_case
from library_cases import Params, need

from benchmark.attacks.adapters.global_random import seeded
from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import plan
from benchmark.execution.threads import ThreadExecutor
from benchmark.grids.cell import Cell
from estimators.classifier import Classifier
from estimators.data.images import Images, subset
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.gaussian import GaussianNoise
from estimators.spec import Spec


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("foolbox:LinfPGD", {"rel_stepsize": 0.1, "random_start": False}),
        ("torchattacks:PGD", {"steps": 40, "alpha": 0.01, "random_start": False}),
        ("adv_lib:pgd_linf", {"relative_step_size": 0.1, "random_init": False}),
    ],
)
def test_pgd_is_as_strong_as_ours_on_digits(name, params, digits, digits_lenet) -> None:
    need(name)
    images = subset(digits, 60, 0)
    classifier = Classifier(digits_lenet, images.shape, 10)
    right = []
    for spec in (
        Spec.of("pgd", eps=0.1, max_iter=40, eps_step=0.01),
        Spec.of(name, params, eps=0.1),
    ):
        ((_, made),) = craft([check_attack(spec)], classifier, images.x, images.y, images.ids, 0)
        right.append(classifier.predict(made.images.numpy()).argmax(1) == images.y)
    assert 0 < right[0].mean() < 1
    # the same steps, but for the rounding of gradients near zero
    assert abs(right[0].mean() - right[1].mean()) <= 1 / 60


DRAWS: dict[str, Params] = {
    "foolbox:LinfPGD": {"eps": 0.1, "steps": 3},
    "torchattacks:APGD": {"eps": 0.1, "steps": 3},
    "adv_lib:apgd": {"eps": 0.1, "n_iter": 3},
    "art:SquareAttack": {"eps": 0.1, "max_iter": 3},
}


def test_order_and_threads_change_no_bit(digits: Images, digits_lenet) -> None:
    for name in DRAWS:
        need(name)
    images = subset(digits, 4, 0)
    attacks = [check_attack(Spec.of(name, params)) for name, params in DRAWS.items()]
    one = outcomes(digits_lenet, images, attacks, 1)
    other = outcomes(digits_lenet, images, attacks[::-1], 3)
    for attack, outcome in one.items():
        for part in ("ids", "adversarial", "l2", "linf", "gradients", "forwards"):
            mine, yours = getattr(outcome, part), getattr(other[attack], part)
            assert np.array_equal(mine, yours), (str(attack), part)
    # two chunks have two draws
    assert len({float(one[attacks[1]].l2[i]) for i in range(4)}) > 1


def outcomes(
    network: torch.nn.Module, images: Images, attacks: list[Spec], threads: int
) -> dict[Spec, Outcome]:
    """Attacks on the images in chunks of two."""
    rest = "adaptive", Spec.of("jpeg", quality=50), len(images), 0
    cells = [Cell("digits", Spec("lenet"), attack, *rest) for attack in attacks]
    result: dict[Spec, Outcome] = {}

    def done(task, parts, seconds):  # type: ignore[no-untyped-def]
        assert isinstance(parts, list), parts.trace
        for cell in task.cells:
            result[cell.attack] = Outcome.joined(part[cell] for part in parts)

    trained = TrainedNetwork(network, images.shape, 10, chunk=2)
    networks = {("digits", Spec("lenet")): trained}
    ThreadExecutor(threads).execute(
        plan(cells), lambda task: images, networks, lambda *_: None, done
    )
    return result


@pytest.mark.parametrize("name", ["foolbox:LinfPGD", "adv_lib:apgd", "art:AutoConjugateGradient"])
def test_behind_a_random_defence_images_keep_their_own_draws(name: str) -> None:
    """In any chunk; some classes of ART query the network when they are built."""
    need(name)
    case = linear_case(5)
    noise = DefenceWithBackward(GaussianNoise(sigma=0.05), "surrogate", fresh=True)
    classifier = Classifier(case.network, (1, 8, 8), 5, noise, draws=2)
    steps = {"foolbox": "steps", "adv_lib": "n_iter", "art": "max_iter"}[name.partition(":")[0]]
    spec = check_attack(Spec.of(name, {"eps": 0.1, steps: 3}))
    ids = np.arange(5)
    with seeded([0]):
        ((_, all_at_once),) = craft([spec], classifier, case.x, case.y, ids, 0)
    with seeded([0]):
        ((_, first),) = craft([spec], classifier, case.x[:1], case.y[:1], ids[:1], 0)
    assert torch.equal(all_at_once.images[:1], first.images)

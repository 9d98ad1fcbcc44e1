"""The attacks of other libraries, on a linear network whose answers are known, and on digits."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
import torch
from closed_form import LinearCase, linear_case
from scipy.special import softmax

from benchmark.attacks.adapters.global_random import seeded
from benchmark.attacks.adapters.library_attack import STEPS
from benchmark.attacks.entry import Passes
from benchmark.attacks.lookup import attack_norm, check_attack
from benchmark.attacks.registry import LIBRARIES
from benchmark.attacks.steps.craft import craft, targets
from benchmark.attacks.steps.trial import check_built
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import plan
from benchmark.execution.threads import ThreadExecutor
from benchmark.grids.cell import Cell
from estimators.classifier import Classifier
from estimators.data.images import Images, subset
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.gaussian import GaussianNoise
from estimators.errors import InputError
from estimators.spec import Spec, Value

Params = dict[str, Value]


def need(name: str) -> None:
    """Skip a test whose library is not installed."""
    library = LIBRARIES.get(name.partition(":")[0])
    if library is None:
        return
    try:
        version(library.distribution)
    except PackageNotFoundError:
        pytest.skip(f"{library.family} is not installed ({library.install})")


@dataclass(frozen=True)
class Found:
    """What an attack did to the images of a linear case.

    size: of the perturbations [N], in the attack's norm. success: bool [N]. passes: per image.
    nearer: bool [N], where the share of the label, or the target, in the softmax became larger.
    """

    size: np.ndarray
    success: np.ndarray
    nearer: np.ndarray
    passes: Passes


def found(name: str, case: LinearCase, **params: Value) -> Found:
    """Run an attack, and judge its images."""
    need(name)
    spec = check_attack(Spec.of(name, params))
    ids = np.arange(len(case.x))
    with seeded([0]):
        ((_, made),) = craft([spec], case.classifier, case.x, case.y, ids, 0)
    target = targets(spec, case.y, case.classifier.nb_classes)
    before, after = (case.classifier.predict(x) for x in (case.x, made.images.numpy()))
    predicted = after.argmax(1)
    shares = (softmax(logits, axis=1)[ids, target] for logits in (before, after))
    change = (made.images.numpy() - case.x).reshape(len(ids), -1).astype(np.float64)
    size = np.linalg.norm(change, float(attack_norm(spec)), axis=1)
    success = predicted == target if params.get("targeted") else predicted != case.y
    assert made.images.min() >= 0 and made.images.max() <= 1
    return Found(size, success, np.less(*shares), made.passes)


def thresholds(distances: np.ndarray) -> list[float]:
    """Bounds half way between neighbouring distances, apart by 1 % at least."""
    ordered = np.sort(distances)
    pairs = [(a, b) for a, b in itertools.pairwise(ordered) if b > 1.02 * a]
    return [(a + b) / 2 for a, b in (pairs[0], pairs[len(pairs) // 2], pairs[-1])]


# with two classes the gradient has one direction, in which these reach every point within eps;
# parameters and the passes that they take
WITHIN_EPS: dict[str, tuple[Params, Passes]] = {
    # foolbox asks for the result once more
    "foolbox:LinfPGD": ({"steps": 8, "rel_stepsize": 0.3, "random_start": False}, Passes(8, 1)),
    "foolbox:L2PGD": ({"steps": 8, "rel_stepsize": 0.3, "random_start": False}, Passes(8, 1)),
    "foolbox:FGSM": ({}, Passes(1, 1)),
    "foolbox:L2FastGradientAttack": ({}, Passes(1, 1)),
    "torchattacks:PGD": ({"steps": 8, "alpha": 0.1, "random_start": False}, Passes(8, 0)),
    "torchattacks:FGSM": ({}, Passes(1, 0)),
    "torchattacks:PGDL2": ({"steps": 8, "alpha": 1.0, "random_start": False}, Passes(8, 0)),
    "adv_lib:pgd_linf": (
        {"steps": 8, "relative_step_size": 0.3, "random_init": False},
        Passes(8, 0),
    ),
    "art:ProjectedGradientDescent": ({"max_iter": 8, "eps_step": 0.1}, Passes(8, 0)),
}


@pytest.mark.parametrize("name", WITHIN_EPS)
def test_robust_accuracy_is_that_of_the_closed_form(name: str) -> None:
    need(name)
    case = linear_case(24, classes=2)
    distance = (case.linf if attack_norm(Spec(name)) == "inf" else case.l2).min(1)
    params, passes = WITHIN_EPS[name]
    for eps in thresholds(distance):
        made = found(name, case, eps=eps, **params)
        assert np.array_equal(made.success, distance < eps), eps
        assert (made.size <= eps * (1 + 1e-5)).all()
        if name == "adv_lib:pgd_linf":
            # it stops once all images have fallen
            assert made.passes.gradients <= passes.gradients
        elif not name.startswith("art:"):
            assert made.passes == passes
        else:
            assert made.passes.gradients == passes.gradients


# Within this factor of the nearest adversarial image. DDN and Carlini and Wagner follow other
# directions where there are more than two classes.
SMALLEST: dict[str, tuple[Params, float]] = {
    "foolbox:L2DeepFoolAttack": ({"overshoot": 0.001}, 1.002),
    "foolbox:LinfDeepFoolAttack": ({"overshoot": 0.001}, 1.006),
    "foolbox:DDNAttack": ({"steps": 300, "gamma": 0.01}, 1.01),
    "foolbox:LInfFMNAttack": ({}, 1.01),
    "torchattacks:DeepFool": ({"overshoot": 0.001}, 1.002),
    "adv_lib:ddn": ({"steps": 300, "gamma": 0.01, "levels": None}, 1.01),
    "adv_lib:fmn": ({"norm": "inf", "steps": 100}, 1.01),
    "adv_lib:df": ({"overshoot": 0.001}, 1.002),
    "adv_lib:sdf": ({}, 1.002),
    "adv_lib:fab": ({"norm": 2, "restarts": 1}, 1.01),
    "adv_lib:carlini_wagner_linf": ({"max_iterations": 20}, 1.1),
    "art:DeepFool": ({"epsilon": 0.001, "nb_grads": 5}, 1.002),
}


@pytest.mark.parametrize("name", SMALLEST)
def test_distances_are_near_the_smallest(name: str) -> None:
    params, factor = SMALLEST[name]
    need(name)
    case = linear_case(12, classes=2 if "ddn" in name.lower() else 5)
    spec = Spec.of(name, params)
    nearest = (case.linf if attack_norm(check_attack(spec)) == "inf" else case.l2).min(1)
    made = found(name, case, **params)
    assert made.success.all()
    # float32 rounds at the boundary
    assert (made.size >= nearest * (1 - 1e-4)).all()
    assert np.median(made.size / nearest) <= factor


@pytest.mark.parametrize(
    ("name", "norm"),
    [("foolbox:L0FMNAttack", 0), ("adv_lib:sigma_zero", 0), ("foolbox:L1FMNAttack", 1)],
)
def test_sparse_distances_are_near_the_smallest(name: str, norm: int) -> None:
    """L1: the gap over the largest difference of weights; L0: pixels that reach the gap at most."""
    need(name)
    case = linear_case(12)
    weight = case.network[1].weight.detach().numpy().astype(np.float64)  # type: ignore[index,union-attr]
    away = np.abs(weight[case.y][:, None] - weight[None])
    away[np.arange(12), case.y] = 0
    gap = case.linf * np.where(away.sum(2) > 0, away.sum(2), np.inf)
    gap[np.arange(12), case.y] = np.inf
    made = found(name, case, **({"num_steps": 200} if "sigma" in name else {}))
    assert made.success.all()
    if norm == 1:
        with np.errstate(divide="ignore"):
            nearest = (gap / away.max(2)).min(1)
        assert (made.size >= nearest * (1 - 1e-4)).all()
        assert np.median(made.size / nearest) <= 1.6  # the box holds single pixels back
    else:
        assert (made.size >= 1).all() and np.median(made.size) <= 4


# attacks that get targets, with enough steps
TARGETED: dict[str, Params] = {
    "foolbox:LinfPGD": {"eps": 0.3, "steps": 40},
    "foolbox:LInfFMNAttack": {},
    "torchattacks:PGD": {"eps": 0.3, "steps": 40},
    "torchattacks:PGDL2": {"eps": 4.0, "steps": 40},
    "torchattacks:Square": {"eps": 0.4, "n_queries": 300},
    "adv_lib:fmn": {"steps": 50},
    "adv_lib:ddn": {"steps": 50},
    "adv_lib:apgd": {"eps": 0.3, "n_iter": 40},
    "art:AutoProjectedGradientDescent": {"eps": 0.3, "nb_random_init": 1},
}


@pytest.mark.parametrize("name", TARGETED)
def test_targets_are_reached(name: str) -> None:
    made = found(name, linear_case(6), targeted=True, **TARGETED[name])
    assert made.success.mean() >= 0.8


BAD = {
    "near name": ("foolbox:LinfPDG", {}, "did you mean 'LinfPGD'?"),
    "near parameter": ("foolbox:LinfPGD", {"eps": 0.1, "step": 3}, "did you mean 'steps'?"),
    "no bound": ("foolbox:L2DeepFoolAttack", {"eps": 0.1}, "unknown parameter"),
    "no eps": ("torchattacks:PIFGSM", {}, "expected eps to be a number from 0 up"),
    "hidden": ("torchattacks:APGD", {"eps": 0.1, "seed": 3}, "unknown parameter"),
    "count": ("torchattacks:PGD", {"eps": 0.1, "steps": 0}, "steps to be an integer of at least 1"),
    "number": ("torchattacks:PGD", {"eps": 0.1, "alpha": "x"}, "alpha to be a number, got 'x'"),
    "type": ("foolbox:LinfPGD", {"eps": 0.1, "abs_stepsize": "x"}, "Error: "),
    "choice": ("adv_lib:apgd", {"eps": 0.1, "loss_function": "cf"}, "KeyError: 'cf'"),
    "norm": ("adv_lib:tr", {"norm": 1}, "expected norm to be 2 or inf, got 1"),
    "big eps": ("adv_lib:pgd_linf", {"eps": 8}, "write 8/255 for 8 grey levels"),
    "no targets": ("foolbox:L2DeepFoolAttack", {"targeted": True}, "unknown parameter"),
    "needs targets": ("foolbox:GenAttack", {"eps": 0.1}, "unsupported criterion"),
    "required": ("foolbox:VirtualAdversarialAttack", {"eps": 0.1}, "TypeError: "),
    "greek": ("adv_lib:fmn", {"gamma": 0.1}, "did you mean 'gamma_"),
    "art": ("art:AutoConjugateGradient", {"eps": 0.1, "max_itr": 3}, "did you mean 'max_iter'?"),
    "no art": ("art:AutoConjugateGradiant", {}, "did you mean 'AutoConjugateGradient'?"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_parameters_are_one_line(case: str) -> None:
    name, params, message = BAD[case]
    need(name)
    with pytest.raises(InputError) as caught:
        check_built([check_attack(Spec.of(name, params))])
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("family", LIBRARIES)
def test_every_attack_says_norm_and_bound(family: str) -> None:
    """Every row can be built with its defaults, but for required parameters and channels."""
    need(f"{family}:")
    rows = LIBRARIES[family].attacks()
    assert len(rows) > 15
    refused = []
    for name, entry in rows.items():
        assert entry.name == f"{family}:{name}"
        assert entry.norm in ("0", "1", "2", "inf", "wasserstein")
        assert "eps" not in entry.params
        params: Params = {"eps": 0.5} if entry.bounded else {}
        try:
            check_built([check_attack(Spec.of(entry.name, params))])
        except InputError:
            refused.append(name)
    assert set(refused) <= {"GenAttack", "VirtualAdversarialAttack"}


def test_passes_that_arts_own_classifiers_take_are_counted() -> None:
    """AutoConjugateGradient attacks a classifier that it makes itself."""
    case = linear_case(6)
    params: Params = {"eps": 0.3, "max_iter": 7, "nb_random_init": 1}
    made = found("art:AutoConjugateGradient", case, **params)
    assert made.passes.gradients == 7
    hidden = found("art.attacks.evasion.AutoConjugateGradient", case, **params)
    assert hidden.passes.forwards < 7 < made.passes.forwards


def test_large_batches_of_a_library_pass_in_parts() -> None:
    """SPSA puts many neighbours of an image in one batch."""
    need("torchattacks:SPSA")
    case = linear_case(4)
    small = Classifier(case.network, (1, 8, 8), 5, batch=3)
    spec = check_attack(Spec.of("torchattacks:SPSA", eps=0.1, nb_sample=4))
    ((_, made),) = craft([spec], small, case.x, case.y, np.arange(4), 0)
    assert made.passes.forwards >= 4 and made.passes.gradients == 0


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


@pytest.mark.slow
@pytest.mark.parametrize("family", ["foolbox", "torchattacks", "adv_lib"])
def test_every_targeted_attack_moves_towards_its_targets(family: str) -> None:
    """At a large bound, and with few steps: no listed attack ignores its targets."""
    need(f"{family}:")
    case = linear_case(4)
    for name, entry in LIBRARIES[family].attacks().items():
        slow = "Brendel" in name or name == "str_attack"
        if "targeted" not in entry.params or slow:
            continue
        params: Params = {"targeted": True, **{n: 40 for n in STEPS if n in entry.params}}
        if entry.bounded:
            params["eps"] = {"inf": 0.4, "2": 4.0}.get(entry.norm, 12.0)
        try:
            made = found(entry.name, case, **params)
        except RuntimeError as error:
            # it takes colour images only
            assert "channels" in str(error)
        else:
            assert made.nearer.any(), name

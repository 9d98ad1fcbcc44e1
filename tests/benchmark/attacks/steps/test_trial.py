"""Attacks built on a small network: what their classes refuse is one line that names the attack."""

from __future__ import annotations

import pytest

from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps import checks
from benchmark.attacks.steps.trial import check_built
from estimators.errors import InputError
from estimators.spec import Spec


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (Spec.of("pgd", eps=0.0, eps_step=0), "attack pgd[eps=0.0,eps_step=0]: expected eps_step"),
        (Spec.of("pgd", eps=0.1, eps_step=0, engine="stock"), "engine=stock"),
        (Spec.of("cw-art", learning_rate="x"), "expected learning_rate to be finite"),
        (Spec.of("cw", engine="stock", initial_const=-1), "expected initial_const"),
        (Spec.of("art.attacks.evasion.NewtonFool", eta="x"), "expected eta to be a number, got"),
        (Spec.of("art.attacks.evasion.NewtonFool", batch_size=0), "ValueError: The batch size"),
    ],
)
def test_bad_parameters(spec: Spec, told: str) -> None:
    with pytest.raises(InputError) as raised:
        check_built([check_attack(spec)])
    assert told in str(raised.value) and "\n" not in str(raised.value)


def test_good_ones_are_built_for_any_images() -> None:
    good = [
        Spec.of("pgd", eps=0.0),
        Spec.of("noise", eps=0.1),
        Spec.of("fgsm", eps=0.1, engine="stock"),
        # ART insists on a float
        Spec.of("art.attacks.evasion.SaliencyMapMethod", gamma=1),
        Spec.of("art.attacks.evasion.Wasserstein", eps=0.1, eps_step=0.1, norm=2),
        Spec.of("art.attacks.evasion.FastGradientMethod", eps=0.1, eps_step=0.1, norm="Linf"),
    ]
    check_built([check_attack(spec) for spec in good])
    check_built([check_attack(good[-1])], (1, 28, 28), 1000)


def test_the_checks() -> None:
    assert checks.as_norm("L2") == checks.as_norm(2) == checks.as_norm("2.0") == 2
    assert checks.as_norm("Linf") == checks.as_norm(float("inf"))
    assert checks.as_norm(0) == checks.as_norm("L0") == checks.as_norm("0.0") == 0
    for bad in (0.5, -1, "L-0.5"):
        with pytest.raises(InputError):
            checks.as_norm(bad)
    for bad in (True, "x", None, (2,), 10**400):
        with pytest.raises(InputError):
            checks.as_norm(bad)  # type: ignore[arg-type]
    for bad in (True, "x", 0, None, (2,), 10**400):
        with pytest.raises(InputError):
            checks.as_positive(bad, "eps_step")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at most 1,000,000,000"):
        checks.as_count(2**70, "max_iter", 1)

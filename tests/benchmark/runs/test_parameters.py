"""Bad parameters of everything that a grid can name: one line before any data, or a valid build."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from benchmark.attacks.entry import AttackEntry
from benchmark.attacks.lookup import check_attack
from benchmark.attacks.registry import ATTACKS
from benchmark.attacks.steps.trial import check_built
from benchmark.grids.model import Grid, load_grid, shipped_grids
from benchmark.runs.loading import gather, networks
from benchmark.runs.options import RunOptions
from benchmark.runs.parameters import check_network, check_parameters
from estimators.defences.build import build_defence
from estimators.defences.registry import DEFENCES
from estimators.errors import InputError
from estimators.networks.registry import EVERY_NETWORK, NETWORKS
from estimators.spec import Spec, Value
from estimators.training_spec import TRAININGS

# no parameter takes all of these
BAD: tuple[Any, ...] = (0, -1, 1.5, math.nan, math.inf, 2**70, 10**400, "x", True, (), (1, 2), None)
# what no parameter that is a number takes
NEVER = ("x", True, (), math.nan, 10**400)
# a flag, which ART's class has not
FLAGS = ("drop_fallen",)
TEXTS = (
    "engine",
    "target",
    "targeted",
    "loss",
    "activation",
    "weights",
    "weights_key",
    "qualities",
    "norm",
    "version",
    "rescale",
)


def tried(check: Any, spec: Spec) -> bool:
    """Whether a spec is good; a bad one must be one short line."""
    try:
        check(spec)
    except InputError as error:
        assert "\n" not in str(error) and str(error)
        return False
    return True


def attacks() -> Iterator[Any]:
    for entry in ATTACKS.values():
        for engine in ("fast", "stock") if entry.stock else ("fast",):
            yield pytest.param(entry, engine, id=f"{entry.name}-{engine}")


def built(spec: Spec) -> None:
    check_built([check_attack(spec)])


@pytest.mark.parametrize(("entry", "engine"), list(attacks()))
def test_every_parameter_of_every_attack(entry: AttackEntry, engine: str) -> None:
    eps: dict[str, Value] = {"eps": 0.1} if entry.bounded else {}
    usual = {**eps, "engine": engine} if entry.stock else eps
    # ART's AutoAttack needs a package that is not installed everywhere
    if entry.name != "art-autoattack" or engine != "stock":
        built(Spec.of(entry.name, usual))
        if eps:
            built(Spec.of(entry.name, usual, eps=0))
    for name in [*entry.params, *eps]:
        for value in BAD:
            good = tried(built, Spec.of(entry.name, {**usual, name: value}))
            if name in FLAGS:
                assert good == (value is True and engine == "fast"), value
            elif name not in TEXTS and value in NEVER:
                assert not good, (name, value)
    for name in set(entry.params) & {"max_iter", "queries", "binary_search_steps", "init_eval"}:
        for value in (0, -1, 1.5, 2**70):
            assert not tried(built, Spec.of(entry.name, {**usual, name: value})), (name, value)


@pytest.mark.parametrize("name", DEFENCES)
def test_every_parameter_of_every_defence(name: str) -> None:
    for param in [*DEFENCES[name].defaults, *DEFENCES[name].values]:
        for value in BAD:
            good = tried(build_defence, Spec.of(name, {param: value}))
            assert not (good and value in (*NEVER, -1, 2**70, math.inf, None)), (param, value)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_of_every_network(name: str) -> None:
    rows = NETWORKS[name], EVERY_NETWORK
    for param in [p for row in rows for p in (*row.defaults, *row.values)]:
        for value in BAD:
            good = tried(check_network, Spec.of(name, {param: value}))
            if param not in TEXTS and value in NEVER:
                assert not good, (param, value)
    assert not tried(check_network, Spec.of(name, weights=1.5))
    assert not tried(check_network, Spec.of(name, std=0))


@pytest.mark.parametrize("name", TRAININGS)
def test_every_parameter_of_every_training(name: str) -> None:
    for param in TRAININGS[name].defaults:
        for value in BAD:
            good = tried(check_network, Spec.of("lenet", {"adversarial": name, param: value}))
            assert not (good and value in NEVER), (param, value)


@pytest.mark.parametrize(
    "name", ["FastGradientMethod", "ElasticNet", "NewtonFool", "SaliencyMapMethod", "Wasserstein"]
)
def test_parameters_of_an_attack_of_art(name: str) -> None:
    dotted = f"art.attacks.evasion.{name}"
    usual: dict[str, Value] = {"eps": 0.1, "eps_step": 0.1}
    first = {} if name in ("ElasticNet", "NewtonFool", "SaliencyMapMethod") else usual
    built(Spec.of(dotted, first))
    for param in ("max_iter", "learning_rate", "eta", "theta", "batch_size", "norm", "eps_step"):
        for value in BAD:
            tried(built, Spec.of(dotted, {**first, param: value}))
    assert not tried(built, Spec.of(dotted, {**first, "batch_size": 0}))
    assert not tried(built, Spec.of(dotted, {**first, "batch_size": "x"}))
    # 8.0 is an integer, 1 a float where ART insists on one
    built(Spec.of(dotted, {**first, "batch_size": 8}))


def test_an_eps_in_l0_is_a_whole_number(module: Any) -> None:
    module(
        "counted",
        """
        from benchmark.attacks.entry import AttackEntry

        row = AttackEntry(name="counted", label="", summary="", build="counted:row", norm="0")
        """,
    )
    assert check_attack(Spec.of("counted:row", eps=12)).get("eps") == 12.0
    assert check_attack(Spec.of("counted:row", eps=3.0)).get("eps") == 3.0
    with pytest.raises(InputError, match=r"a whole number \(L0 counts values that change\)"):
        check_attack(Spec.of("counted:row", eps=0.5))


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        ({"attacks": [{"name": "pgd", "eps": 0.1, "eps_step": 0}]}, "eps_step to be positive"),
        ({"attacks": [{"name": "cw", "confidence": -1}]}, "confidence"),
        ({"attacks": ["cw"], "defences": [{"name": "jpeg", "quality": 0}]}, "quality"),
        ({"attacks": ["cw"], "networks": [{"name": "lenet", "dropout": 1}]}, "dropout"),
        ({"attacks": ["cw"], "networks": [{"name": "cnn", "dropout": 1}]}, "four numbers"),
        ({"attacks": ["cw"], "networks": [{"name": "lenet", "std": 0}]}, "std"),
        ({"attacks": ["cw"], "threats": [{"name": "transfer", "from": "lenet:std=0"}]}, "std"),
        (
            {"attacks": ["cw"], "networks": [{"name": "lenet", "adversarial": "pgd", "eps": -1}]},
            "training pgd: eps",
        ),
    ],
)
def test_a_run_refuses_before_it_loads_data(
    grid: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("data were loaded")

    monkeypatch.setattr(gather, "load_images", never)
    monkeypatch.setattr(networks, "trained_network", never)
    with pytest.raises(InputError, match=told) as raised:
        gather.gather(Grid(name="g", **grid).cells(), RunOptions(), "cpu")
    assert "\n" not in str(raised.value)


def test_the_included_grids_pass() -> None:
    for name in shipped_grids():
        check_parameters(load_grid(name).cells())


def test_an_eps_in_l1_is_no_larger_than_any_change_of_an_image(bench) -> None:
    attack = "art.attacks.evasion.FastGradientMethod:norm=1,eps=785"
    code, out = bench("run", "--attack", attack, "--samples", "5", "--out", "r")
    assert code == 2 and out.strip().count("\n") == 0
    assert "expected eps to be at most 784: digits has images of 784 values (1 x 28 x 28)" in out


def test_attacks_of_art_are_built_for_the_images_of_the_run(bench) -> None:
    attack = "art.attacks.evasion.ElasticNet:max_iter=0.5"
    code, out = bench("run", "--attack", attack, "--samples", "5", "--out", "r")
    assert code == 2
    assert out.strip().count("\n") == 0 and "ElasticNet" in out

"""ART's own attack classes with this project's parameters: `engine: stock`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from art.attacks import evasion
from art.attacks.attack import EvasionAttack

from benchmark.attacks.adapters.inner_classifier import with_finite_gradients
from benchmark.attacks.auto_pgd import LOSSES
from benchmark.attacks.carlini_art import check_params
from benchmark.attacks.steps.checks import as_norm
from estimators.classifier import BATCH, Classifier
from estimators.errors import InputError

# parameters as a grid gives them
Params = dict[str, Any]
Build = Callable[..., EvasionAttack]


def _art(name: str, adapt: Callable[[Params], Params] = dict, **fixed: object) -> Build:
    """Return a builder of one of ART's classes.

    adapt: from our parameters to those of ART. fixed: parameters that are always the same.
    """

    def build(classifier: Classifier, **params: Any) -> EvasionAttack:
        params = {**fixed, **adapt(params)}
        if "norm" in params:
            params["norm"] = as_norm(params["norm"])
        attack = getattr(evasion, name)(classifier, batch_size=BATCH, **params)
        return with_finite_gradients(attack, classifier)

    return build


def _projected(params: Params) -> Params:
    _refuse(params, "drop_fallen")
    return params


def _apgd(params: Params) -> Params:
    _refuse(params, "eot_iter")
    loss = LOSSES[params.pop("loss")]
    return {"loss_type": loss, "eps_step": 2 * params["eps"], **params}


def _square(params: Params) -> Params:
    """Three queries per iteration; `check_attack` refuses targets."""
    _refuse(params, "rescale")
    params.pop("targeted", None)
    return {"max_iter": max(1, params.pop("queries") // 3), **params}


def _hop_skip_jump(params: Params) -> Params:
    """A number of steps: the t-th takes init_eval sqrt(t) queries, 2/3 init_eval T^1.5 in all."""
    steps = (1.5 * params.pop("queries") / params["init_eval"]) ** (2 / 3)
    return {"max_iter": max(1, int(steps)), **params}


def _carlini(params: Params) -> Params:
    check_params(params)
    return params


def _refuse(params: Params, name: str) -> None:
    """Raise InputError for a parameter that ART's class does not have."""
    if name in params:
        raise InputError(f"attack: ART's class has no {name}; leave out engine or {name}")


fgsm = _art("FastGradientMethod")
fgm = _art("FastGradientMethod", norm=2)
pgd = _art("ProjectedGradientDescent", _projected, verbose=False)
bim = _art("BasicIterativeMethod", _projected, verbose=False)
apgd = _art("AutoProjectedGradientDescent", _apgd, verbose=False)
deep_fool = _art("DeepFool", lambda p: {"epsilon": p.pop("overshoot"), **p}, verbose=False)
square = _art("SquareAttack", _square, verbose=False)
hop_skip_jump = _art("HopSkipJump", _hop_skip_jump, verbose=False)
carlini = _art("CarliniL2Method", _carlini, verbose=False)


def auto_attack(
    classifier: Classifier, queries: int, targeted: bool = False, **params: Any
) -> EvasionAttack:
    """Build ART's AutoAttack with the parts that it would make itself, and our parameters.

    `check_attack` refuses targets. Raises InputError without the package multiprocess.
    """
    if importlib.util.find_spec("multiprocess") is None:
        raise InputError(
            "attack art-autoattack: ART's class needs the package multiprocess, which ART does not"
            " declare: install it, or leave engine: stock out"
        )
    bounds = {"eps": params["eps"], "norm": as_norm(params["norm"])}
    parts = [
        *(apgd(classifier, loss=loss, **params) for loss in LOSSES),
        deep_fool(classifier, overshoot=1e-3, max_iter=100),
        square(classifier, queries=queries, **bounds),
    ]
    step = 2 * params["eps"]
    return evasion.AutoAttack(classifier, attacks=parts, eps_step=step, batch_size=BATCH, **bounds)

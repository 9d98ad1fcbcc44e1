"""From a classifier and parameters to an attack: the project's own, or ART's with `engine: stock`.

Parameters have the project's names; what ART calls otherwise is translated here.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

from estimators.errors import InputError

Params = dict[str, Any]
# ART's names of the losses of APGD
LOSSES = {"ce": "cross_entropy", "dlr": "difference_logits_ratio"}


def fast_gradient(norm: float) -> Callable[[Any, Params], Any]:
    """The fast gradient method in one norm."""

    def build(classifier: Any, params: Params) -> Any:
        from art.attacks.evasion import FastGradientMethod

        from benchmark.attacks.fast_gradient import FastGradient
        from estimators.classifier import BATCH

        stock, params = _engine(params)
        cls = FastGradientMethod if stock else FastGradient
        return cls(classifier, norm=norm, batch_size=BATCH, **params)

    return build


def pgd(classifier: Any, params: Params) -> Any:
    """Projected gradient descent."""
    params = {**params, **pgd_step(params), "norm": _norm(params.get("norm", "inf"))}
    return _projected(classifier, params, "ProjectedGradientDescent")


def pgd_step(params: Params) -> Params:
    """The step is 2.5 eps / iterations where a grid names none (Madry et al. 2018)."""
    step = params.get("eps_step")
    if step is None:
        step = min(2.5 * params["eps"] / params["max_iter"], params["eps"])
    return {"eps_step": step}


def bim(classifier: Any, params: Params) -> Any:
    """The basic iterative method: projected gradient descent with small steps."""
    return _projected(classifier, {**params, **bim_steps(params)}, "BasicIterativeMethod")


def bim_steps(params: Params) -> Params:
    """Steps of one grey level, and as many as Kurakin et al. 2017 take, where none are given."""
    levels = 255 * params["eps"]
    steps, size = params.get("max_iter"), params.get("eps_step")
    return {
        "max_iter": max(1, int(min(levels + 4, 1.25 * levels))) if steps is None else steps,
        "eps_step": min(1 / 255, params["eps"]) if size is None else size,
    }


def auto_pgd(classifier: Any, params: Params) -> Any:
    """APGD, by cross entropy or by the difference of logits ratio."""
    from art.attacks.evasion import AutoProjectedGradientDescent

    from benchmark.attacks.auto_pgd import AutoPGD
    from estimators.classifier import BATCH

    stock, params = _engine(params)
    params["norm"] = _norm(params["norm"])
    if not stock:
        return AutoPGD(classifier, **params)
    loss = LOSSES[params.pop("loss")]
    params["eps_step"] = 2 * params["eps"]
    return AutoProjectedGradientDescent(
        classifier, loss_type=loss, batch_size=BATCH, verbose=False, **params
    )


def deep_fool(classifier: Any, params: Params) -> Any:
    """DeepFool in L2."""
    from art.attacks.evasion import DeepFool as Stock

    from benchmark.attacks.deep_fool import DeepFool
    from estimators.classifier import BATCH

    stock, params = _engine(params)
    if not stock:
        return DeepFool(classifier, **params)
    overshoot = params.pop("overshoot")
    return Stock(classifier, epsilon=overshoot, batch_size=BATCH, verbose=False, **params)


def square(classifier: Any, params: Params) -> Any:
    """Square in Linf; ART's class asks three times an iteration."""
    from art.attacks.evasion import SquareAttack

    from benchmark.attacks.square import Square
    from estimators.classifier import BATCH

    stock, params = _engine(params)
    if not stock:
        return Square(classifier, **params)
    params.pop("targeted", None)  # false: `check_attack` refuses the other
    steps = max(1, params.pop("queries") // 3)
    return SquareAttack(classifier, max_iter=steps, batch_size=BATCH, verbose=False, **params)


def hop_skip_jump(classifier: Any, params: Params) -> Any:
    """HopSkipJump; ART's class has no budget, but a number of steps."""
    from art.attacks.evasion import HopSkipJump as Stock

    from benchmark.attacks.hop_skip_jump import HopSkipJump
    from estimators.classifier import BATCH

    stock, params = _engine(params)
    params["norm"] = _norm(params["norm"])
    if not stock:
        return HopSkipJump(classifier, **params)
    # the t-th step takes init_eval sqrt(t) queries: 2/3 init_eval T^1.5 in all
    steps = max(1, int((1.5 * params.pop("queries") / params["init_eval"]) ** (2 / 3)))
    return Stock(classifier, max_iter=steps, batch_size=BATCH, verbose=False, **params)


def auto_attack(classifier: Any, params: Params) -> Any:
    """AutoAttack; ART's class gets the parts that it would make itself, with our parameters."""
    from art.attacks.evasion import AutoAttack as Stock
    from art.attacks.evasion import DeepFool, SquareAttack

    from benchmark.attacks.auto_attack import AutoAttack
    from estimators.classifier import BATCH

    stock, params = _engine(params)
    params["norm"] = _norm(params["norm"])
    if not stock:
        return AutoAttack(classifier, **params)
    if importlib.util.find_spec("multiprocess") is None:
        raise InputError(
            "attack autoattack: ART's class needs the package multiprocess, which ART does not"
            " declare: install it, or leave engine: stock out"
        )
    params.pop("targeted", None)  # false: `check_attack` refuses the other
    steps = max(1, params.pop("queries") // 3)
    bounds = {name: params[name] for name in ("eps", "norm")}
    common = {"batch_size": BATCH, "verbose": False}
    parts = [
        *(auto_pgd(classifier, {**params, "engine": "stock", "loss": loss}) for loss in LOSSES),
        DeepFool(classifier, max_iter=100, epsilon=1e-3, **common),
        SquareAttack(classifier, max_iter=steps, **bounds, **common),
    ]
    return Stock(classifier, attacks=parts, eps_step=2 * params["eps"], batch_size=BATCH, **bounds)


def carlini(classifier: Any, params: Params) -> Any:
    """Carlini and Wagner's attack, ours; ART's is an attack of its own (`cw-art`)."""
    from benchmark.attacks.carlini import CarliniL2
    from estimators.classifier import BATCH

    return CarliniL2(classifier, batch_size=BATCH, **_engine(params)[1])


def carlini_art(classifier: Any, params: Params) -> Any:
    """ART's Carlini and Wagner attack."""
    from art.attacks.evasion import CarliniL2Method

    from benchmark.attacks.carlini_art import CarliniL2Exact
    from estimators.classifier import BATCH

    stock, params = _engine(params)
    cls = CarliniL2Method if stock else CarliniL2Exact
    return cls(classifier, batch_size=BATCH, verbose=False, **params)


def noise(classifier: Any, params: Params) -> Any:
    """The control looks at no classifier (`crafting.random_signs`)."""
    raise InputError("attack noise: is drawn by image, not built")


def _projected(classifier: Any, params: Params, stock_name: str) -> Any:
    from art.attacks import evasion

    from benchmark.attacks.projected_gradient import ProjectedGradient
    from estimators.classifier import BATCH

    stock, params = _engine(params)
    if stock:
        cls = getattr(evasion, stock_name)
        return cls(classifier, batch_size=BATCH, verbose=False, **params)
    return ProjectedGradient(classifier, batch_size=BATCH, **params)


def _engine(params: Params) -> tuple[bool, Params]:
    """Whether ART's class is wanted, and the parameters that an attack's class takes."""
    rest = {name: value for name, value in params.items() if name not in ("engine", "target")}
    return params.get("engine", "fast") == "stock", rest


def _norm(norm: Any) -> Any:
    return math.inf if str(norm) == "inf" else int(norm)

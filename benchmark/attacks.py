"""The attacks: ART's classes by short name, and what the planner must know of each."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmark import builders
from estimators.errors import InputError, unknown
from estimators.plugins import plugin
from estimators.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Builder = Callable[[Any, dict[str, Any]], Any]


@dataclass(frozen=True)
class AttackKind:
    """What the planner and the evaluation must know of an attack.

    build: makes the ART attack from a classifier and parameters.
    norm: the norm that bounds it, or that it minimises.
    bounded: takes `eps`.
    shares_gradient: attacks that differ in eps alone share one gradient.
    in_step: at every step the whole batch passes the defence; others let images drop out, and
        meet a randomised defence image by image, so that each image keeps its own chance.
    uses_gradient: looks at gradients.
    blind: looks at nothing at all, and so is the same for every threat.
    defaults: parameters and their values where a grid names none.
    optional: further parameters, recorded only where a grid names them.
    allowed: the values of parameters that have a few, as text.
    filled: what parameters that are None become, from all parameters and eps.
    stock_targets: ART's class takes targets, too.
    about: one line for `bench list`.
    """

    build: Builder
    norm: str
    about: str
    bounded: bool = True
    shares_gradient: bool = False
    in_step: bool = False
    uses_gradient: bool = True
    blind: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    filled: Callable[[dict[str, Any]], dict[str, Any]] = dict
    stock_targets: bool = True


def _fast_gradient(norm: float) -> Builder:
    def build(classifier: Any, params: dict[str, Any]) -> Any:
        from art.attacks.evasion import FastGradientMethod

        from benchmark.fast_gradient import FastGradient
        from estimators.classifier import BATCH

        params.pop("target", None)
        cls = FastGradientMethod if params.pop("engine", "fast") == "stock" else FastGradient
        return cls(classifier, norm=norm, batch_size=BATCH, **params)

    return build


def _pgd(classifier: Any, params: dict[str, Any]) -> Any:
    from art.attacks.evasion import ProjectedGradientDescent

    from benchmark.projected_gradient import ProjectedGradient
    from estimators.classifier import BATCH

    stock = params.pop("engine", "fast") == "stock"
    params.pop("target", None)
    params = {"batch_size": BATCH, **_pgd_params(params)}
    if stock:
        return ProjectedGradientDescent(classifier, verbose=False, **params)
    return ProjectedGradient(classifier, **params)


def _pgd_params(params: dict[str, Any]) -> dict[str, Any]:
    """The step is 2.5 eps / iterations where a grid names none (Madry et al. 2018)."""
    params = dict(params)
    norm = str(params.get("norm", "inf"))
    params["norm"] = math.inf if norm == "inf" else int(norm)
    if params.get("eps_step") is None:
        params["eps_step"] = min(2.5 * params["eps"] / params["max_iter"], params["eps"])
    return params


def _pgd_step(params: dict[str, Any]) -> dict[str, Any]:
    return {"eps_step": _pgd_params(params)["eps_step"]}


def _carlini(classifier: Any, params: dict[str, Any]) -> Any:
    from benchmark.carlini import CarliniL2
    from estimators.classifier import BATCH

    params.pop("target", None)
    params.pop("engine", None)
    return CarliniL2(classifier, batch_size=BATCH, **params)


def _carlini_art(classifier: Any, params: dict[str, Any]) -> Any:
    from art.attacks.evasion import CarliniL2Method

    from benchmark.carlini_exact import CarliniL2Exact
    from estimators.classifier import BATCH

    params.pop("target", None)
    stock = params.pop("engine", "fast") == "stock"
    cls = CarliniL2Method if stock else CarliniL2Exact
    return cls(classifier, batch_size=BATCH, verbose=False, **params)


def _noise(classifier: Any, params: dict[str, Any]) -> Any:
    raise InputError("attack noise: is drawn by image, not built")


# told a class to reach: `next`, or a number (see `targets`)
TARGETS = ("targeted", "target")
# the defaults of ART's class; None in ours: estimated for each image
CW_ART = {
    "confidence": 0.0,
    "targeted": False,
    "target": "next",
    "learning_rate": 0.01,
    "binary_search_steps": 10,
    "max_iter": 10,
    "initial_const": 0.01,
}
CW = {
    **CW_ART,
    "learning_rate": None,
    "binary_search_steps": 9,
    "max_iter": 100,
    "initial_const": None,
}
ATTACKS: dict[str, AttackKind] = {
    "fgsm": AttackKind(
        _fast_gradient(math.inf), "inf", "fast gradient sign (Goodfellow et al. 2015)",
        shares_gradient=True, defaults={"engine": "fast"}, optional=TARGETS,
    ),
    "fgm": AttackKind(
        _fast_gradient(2), "2", "fast gradient in L2 (Goodfellow et al. 2015)",
        shares_gradient=True, defaults={"engine": "fast"}, optional=TARGETS,
    ),
    "pgd": AttackKind(
        _pgd, "inf", "projected gradient descent from the image (Madry et al. 2018)",
        in_step=True, optional=TARGETS, filled=_pgd_step,
        defaults={"engine": "fast", "max_iter": 40, "eps_step": None, "norm": "inf"},
    ),
    "bim": AttackKind(
        builders.bim, "inf", "basic iterative method, steps of a grey level (Kurakin et al. 2017)",
        in_step=True, optional=TARGETS, filled=builders.bim_steps,
        defaults={"engine": "fast", "max_iter": None, "eps_step": None},
    ),
    "apgd": AttackKind(
        builders.auto_pgd, "inf", "Auto-PGD, loss ce or dlr (Croce and Hein 2020)",
        optional=TARGETS, allowed={"norm": ("inf", "2"), "loss": ("ce", "dlr")},
        defaults={
            "engine": "fast", "norm": "inf", "max_iter": 100, "loss": "ce", "nb_random_init": 1,
        },
    ),
    "autoattack": AttackKind(
        builders.auto_attack, "inf", "APGD-CE, APGD-DLR, DeepFool, Square: worst case by image",
        optional=TARGETS, allowed={"norm": ("inf", "2")}, stock_targets=False,
        defaults={
            "engine": "fast", "norm": "inf", "max_iter": 100, "queries": 1000, "nb_random_init": 1,
        },
    ),
    "deepfool": AttackKind(
        builders.deep_fool, "2", "DeepFool in L2 (Moosavi-Dezfooli et al. 2016)", bounded=False,
        defaults={"engine": "fast", "max_iter": 50, "overshoot": 0.02},
    ),
    "square": AttackKind(
        builders.square, "inf", "black box by scores: random squares (Andriushchenko et al. 2020)",
        uses_gradient=False, optional=TARGETS, stock_targets=False,
        defaults={"engine": "fast", "queries": 1000, "p_init": 0.8},
    ),
    "hopskipjump": AttackKind(
        builders.hop_skip_jump, "2", "black box by decisions (Chen et al. 2020)", bounded=False,
        uses_gradient=False, optional=TARGETS, allowed={"norm": ("inf", "2")},
        defaults={
            "engine": "fast", "norm": 2, "queries": 1000, "init_eval": 100, "init_size": 100,
        },
    ),
    "cw": AttackKind(
        _carlini, "2", "Carlini and Wagner L2 with ART's binary search mended", bounded=False,
        defaults={"engine": "fast", **CW},
    ),
    "cw-art": AttackKind(
        _carlini_art, "2", "Carlini and Wagner L2 as ART has it, fault included", bounded=False,
        defaults={"engine": "fast", **CW_ART},
    ),
    "noise": AttackKind(
        _noise, "inf", "the control: random signs of the same eps, no gradient",
        shares_gradient=True, uses_gradient=False, blind=True,
    ),
}  # fmt: skip


def attack_kind(spec: Spec) -> AttackKind:
    """The kind of an attack by short name, or of an evasion attack by dotted name or plug-in."""
    if spec.name == "cw" and spec.get("engine") == "stock":
        # ART's class with ART's defaults: ours would take hours there
        return ATTACKS["cw-art"]
    if spec.name in ATTACKS:
        return ATTACKS[spec.name]
    found = plugin("attacks", spec.name)
    if isinstance(found, AttackKind):
        return found
    if found is None and "." not in spec.name:
        others = ("art.attacks.evasion.NAME", "package.module:attack")
        raise unknown("attack", spec.name, [*ATTACKS, *others])
    from art.attacks.attack import EvasionAttack

    from estimators.defences import import_from_art

    cls = import_from_art(spec.name, EvasionAttack, "attack") if found is None else found
    if not (isinstance(cls, type) and issubclass(cls, EvasionAttack)):
        raise InputError(f"attack {spec.name}: wanted an AttackKind or a class of EvasionAttack")
    known = inspect.signature(cls).parameters
    defaults = {k: _plain(p.default) for k, p in list(known.items())[1:] if k != "eps"}
    for param, value in (("batch_size", 125), ("verbose", False)):
        if param in defaults:
            defaults[param] = value
    first = next(iter(known))

    def build(classifier: Any, params: dict[str, Any]) -> Any:
        chosen = {k: v for k, v in {**defaults, **params}.items() if v is not None}
        if str(chosen.get("norm")) == "inf":
            chosen["norm"] = math.inf
        return cls(**{first: classifier}, **chosen)

    norm = spec.get("norm", defaults.get("norm", ("L2" in spec.name and 2) or "inf"))
    return AttackKind(build, str(norm), "by dotted name", bounded="eps" in known, defaults=defaults)


def shares_gradient(spec: Spec) -> bool:
    """Whether this attack at several eps is computed from one gradient; ART's own class is not."""
    return attack_kind(spec).shares_gradient and spec.get("engine", "fast") == "fast"


def check_attack(spec: Spec) -> Spec:
    """The spec with eps as a float; InputError for unknown parameters or a bad eps."""
    kind = attack_kind(spec)
    params = spec.kwargs
    for name in params:
        known = [*kind.defaults, *kind.optional, *(["eps"] if kind.bounded else [])]
        if name not in known:
            raise unknown(f"parameter of the attack {spec.name}", name, known or ["(none)"])
    if kind.bounded:
        eps = params.get("eps")
        if isinstance(eps, bool) or not isinstance(eps, (int, float)) or not 0 <= eps < math.inf:
            raise InputError(f"attack {spec.name}: eps must be a number from 0 up, found {eps!r}")
        params["eps"] = float(eps)
    if params.get("engine", "fast") not in ("fast", "stock"):
        raise InputError(
            f"attack {spec.name}: engine must be fast or stock, found {params['engine']!r}"
        )
    for name, values in kind.allowed.items():
        if name in params and str(params[name]) not in values:
            raise InputError(
                f"attack {spec.name}: {name} must be {' or '.join(values)}, found {params[name]!r}"
            )
    queries = params.get("queries", 1)
    if isinstance(queries, bool) or not isinstance(queries, int) or queries < 1:
        raise InputError(f"attack {spec.name}: queries must be a number from 1 up: {queries!r}")
    _check_targets(spec, kind)
    return Spec.of(spec.name, params)


def _check_targets(spec: Spec, kind: AttackKind) -> None:
    """InputError for targets that would be left out of account."""
    targeted = spec.get("targeted", False)
    if not isinstance(targeted, bool):
        raise InputError(f"attack {spec.name}: targeted must be true or false, found {targeted!r}")
    if not targeted and spec.get("target", "next") != "next":
        raise InputError(f"attack {spec.name}: a target needs targeted=true beside it")
    if targeted and not kind.stock_targets and spec.get("engine") == "stock":
        raise InputError(
            f"attack {spec.name}: ART's class takes no targets; leave out engine or targeted"
        )


def all_params(spec: Spec) -> str:
    """Every parameter of an attack but eps, given or by default, as JSON."""
    params = {**attack_kind(spec).defaults, **spec.kwargs}
    eps = params.pop("eps", None)
    if eps:
        params.update(attack_kind(spec).filled({**params, "eps": eps}))
        params.pop("eps", None)
    return json.dumps(params, sort_keys=True, separators=(",", ":"), default=str)


def craft(
    attacks: Sequence[Spec], classifier: Any, x: FloatArray, y: IntArray, ids: IntArray, seed: int
) -> Iterator[tuple[Spec, Tensor, BoolArray | None]]:
    """The adversarial images [N, C, H, W] of each attack in turn, on the classifier's device.

    With them, for each image, whether its loss gradient is zero; None where the attack does not
    tell.

    attacks: one, or several of a kind that share a gradient.
    y: the true labels; they are always given to ART, which else attacks its own predictions.
    ids, seed: decide what is random, image by image, so that no chunk or order matters.
    """
    import torch

    from benchmark.fast_gradient import perturbed
    from benchmark.tensor_attack import TensorAttack

    kind = attack_kind(attacks[0])
    device = classifier.torch_device
    start = torch.from_numpy(x).to(device)
    if kind.blind:
        signs = torch.from_numpy(random_signs(x.shape[1:], ids, seed)).to(device)
        for spec in attacks:
            moved = (start + _eps(spec) * signs).clamp_(0.0, 1.0)
            yield spec, moved, np.zeros(len(x), dtype=np.bool_)
        return
    if shares_gradient(attacks[0]):
        left_out = ("eps", "engine", "target")
        params = {k: v for k, v in attacks[0].kwargs.items() if k not in left_out}
        attack = kind.build(classifier, params)
        direction, zero = attack.directions(x, targets(attacks[0], y, classifier.nb_classes))
        towards = torch.from_numpy(direction).to(device)
        for spec in attacks:
            yield spec, perturbed(start, towards, _eps(spec), attack.norm), zero
        return
    for spec in attacks:
        if spec.get("eps") == 0.0:
            yield spec, start, None
            continue
        params = {**kind.defaults, **spec.kwargs}
        try:
            attack = kind.build(classifier, params)
        except (TypeError, ValueError) as error:
            raise InputError(f"attack {spec}: {str(error).splitlines()[0]}") from error
        labels = targets(spec, y, classifier.nb_classes)
        parts = [slice(0, len(x))]
        if classifier.random and not (kind.in_step and spec.get("engine", "fast") == "fast"):
            parts = [slice(n, n + 1) for n in range(len(x))]
        found = []
        for part in parts:
            classifier.bind(ids[part], seed)
            chance = {"ids": ids[part], "seed": seed} if isinstance(attack, TensorAttack) else {}
            image = attack.generate(x[part], y=labels[part], **chance)
            found.append(np.asarray(image, dtype=np.float32))
        classifier.bind(ids, seed)
        yield spec, torch.from_numpy(np.concatenate(found)).to(device), None


def targets(spec: Spec, y: IntArray, classes: int) -> IntArray:
    """What the attack is told: the true labels, or the targets of a targeted one.

    `target: next` is the next class; a number is that class for every image.
    """
    if not spec.get("targeted", False):
        return y
    target = spec.get("target", "next")
    if target == "next":
        return (y + 1) % classes
    if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < classes:
        raise InputError(f"attack {spec}: target must be `next` or a class below {classes}")
    return np.full_like(y, target)


def random_signs(shape: tuple[int, ...], ids: IntArray, seed: int) -> FloatArray:
    """Random signs [N, ...shape], each image's own stream: the same in whatever chunk it comes."""
    signs = np.empty((len(ids), *shape), dtype=np.float32)
    for n, image in enumerate(ids):
        stream = np.random.Generator(np.random.Philox(key=[seed, int(image)]))
        signs[n] = stream.integers(0, 2, size=shape, dtype=np.int8) * 2 - 1
    return signs


def _eps(spec: Spec) -> float:
    """The eps of an attack that `check_attack` has passed."""
    eps = spec.get("eps")
    assert isinstance(eps, float)
    return eps


def _plain(value: Any) -> Any:
    """A default value as JSON knows it."""
    if value is inspect.Parameter.empty:
        return None
    return "inf" if isinstance(value, float) and math.isinf(value) else value

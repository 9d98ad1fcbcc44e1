"""Attacks of foolbox as `foolbox:NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import foolbox
from foolbox import attacks as room
from foolbox import distances
from foolbox.attacks.base import (
    AttackWithDistance,
    FixedEpsilonAttack,
    FlexibleDistanceMinimizationAttack,
)
from torch import Tensor

from benchmark.attacks.adapters.counted_network import CountedNetwork
from benchmark.attacks.adapters.library_attack import LibraryAttackEntry, signature_entry

DISTANCES = {0: distances.l0, 1: distances.l1, 2: distances.l2, float("inf"): distances.linf}
# they need images of other classes, or images that are adversarial already
WITHOUT = ("DatasetAttack", "BinarizationRefinementAttack")
# objects, paths, and what follows from the images
HIDDEN = {"distance", "constraint", "init_attack", "tensorboard", "channel_axis"}
# parts of the names of classes that take targets; GenAttack takes nothing else
TARGETED = {"ProjectedGradientDescent", "BasicIterative", "MomentumIterative", "SparseL1"}
TARGETED |= {"CarliniWagner", "DDN", "EAD", "FMN", "BrendelBethge", "Boundary", "HopSkipJump"}
TARGETED |= {"GenAttack", "Pointwise"}
# of those that compute no gradients
BLACK_BOX = {"Noise", "Contrast", "Blur", "Inversion", "BoundaryAttack", "HopSkipJump", "Pointwise"}
BLACK_BOX |= {"GenAttack"}


@cache
def attacks() -> Mapping[str, LibraryAttackEntry]:
    """Return the attacks that have a distance, by every name that foolbox gives them."""
    found = {name: getattr(room, name) for name in sorted(dir(room)) if name not in WITHOUT}
    return {
        name: _entry(name, cls)
        for name, cls in found.items()
        if isinstance(cls, type) and issubclass(cls, AttackWithDistance)
    }


def _entry(name: str, cls: type[Any]) -> LibraryAttackEntry:
    about: dict[str, Any] = {}
    flexible = issubclass(cls, FlexibleDistanceMinimizationAttack)
    if cls is room.PointwiseAttack:
        about = {"norm": "0"}
    elif flexible:
        about = {"norm": "2", "defaults": {"norm": 2}, "allowed": {"norm": ("0", "1", "2", "inf")}}
    elif cls is room.HopSkipJumpAttack:
        about = {"norm": "2", "defaults": {"norm": 2}, "allowed": {"norm": ("2", "inf")}}
    else:
        distance = cls.distance
        if isinstance(distance, property):
            distance = cls().distance
        about = {"norm": next(f"{p:g}" for p, known in DISTANCES.items() if known is distance)}
    return signature_entry(
        f"foolbox:{name}",
        cls,
        partial(_run, cls, flexible),
        hidden=HIDDEN,
        targeted=any(part in cls.__name__ for part in TARGETED),
        bounded=issubclass(cls, FixedEpsilonAttack),
        uses_gradient=not any(part in cls.__name__ for part in BLACK_BOX),
        **about,
    )


def _run(
    cls: type[Any],
    flexible: bool,
    network: CountedNetwork,
    x: Tensor,
    y: Tensor,
    params: dict[str, Any],
) -> Tensor:
    """Return the images of an attack, clipped by foolbox to eps where it has one."""
    eps, targeted = params.pop("eps", None), params.pop("targeted", False)
    norm = params.pop("norm", None)
    if norm is not None:
        own = {"distance": DISTANCES[norm]} if flexible else {"constraint": f"l{norm}"}
        params |= own
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device=x.device)
    kind = foolbox.criteria.TargetedMisclassification if targeted else None
    criterion = (kind or foolbox.criteria.Misclassification)(y)
    _, images, _ = cls(**params)(model, x, criterion, epsilons=eps)
    result: Tensor = images
    return result

"""Attacks of foolbox as `foolbox:NAME`; foolbox is imported by `attacks` alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from torch import Tensor

from benchmark.attacks.adapters.counted_network import CountedNetwork
from benchmark.attacks.adapters.library_attack import LibraryAttackEntry, signature_entry

NORMS = (0, 1, 2, "inf")
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
    import foolbox

    room, base = foolbox.attacks, foolbox.attacks.base
    found = {name: getattr(room, name) for name in sorted(dir(room)) if name not in WITHOUT}
    return {
        name: _entry(foolbox, name, cls)
        for name, cls in found.items()
        if isinstance(cls, type) and issubclass(cls, base.AttackWithDistance)
    }


def _entry(foolbox: Any, name: str, cls: type[Any]) -> LibraryAttackEntry:
    about: dict[str, Any] = {}
    room, base = foolbox.attacks, foolbox.attacks.base
    flexible = issubclass(cls, base.FlexibleDistanceMinimizationAttack)
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
        about = {"norm": next(str(p) for p in NORMS if _distance(foolbox, p) is distance)}
    return signature_entry(
        f"foolbox:{name}",
        cls,
        partial(_run, foolbox, cls, flexible),
        hidden=HIDDEN,
        targeted=any(part in cls.__name__ for part in TARGETED),
        bounded=issubclass(cls, base.FixedEpsilonAttack),
        uses_gradient=not any(part in cls.__name__ for part in BLACK_BOX),
        **about,
    )


def _distance(foolbox: Any, norm: object) -> Any:
    """Return foolbox's distance of a norm."""
    return getattr(foolbox.distances, f"l{norm}")


def _run(
    foolbox: Any,
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
        distance = {"distance": _distance(foolbox, norm)}
        params |= distance if flexible else {"constraint": f"l{norm}"}
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device=x.device)
    kind = foolbox.criteria.TargetedMisclassification if targeted else None
    criterion = (kind or foolbox.criteria.Misclassification)(y)
    _, images, _ = cls(**params)(model, x, criterion, epsilons=eps)
    result: Tensor = images
    return result

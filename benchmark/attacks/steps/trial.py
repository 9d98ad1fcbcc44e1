"""Build attacks on a small network: bad parameters are found before any data are loaded."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from benchmark.attacks.adapters.library_attack import LibraryAttack
from benchmark.attacks.lookup import attack_entry, shares_gradient
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.plugins import describe_error
from estimators.spec import Spec

SHAPE, CLASSES = (3, 32, 32), 10


def check_built(
    attacks: Iterable[Spec], shape: tuple[int, int, int] = SHAPE, classes: int = CLASSES
) -> None:
    """Raise InputError for the first attack that its class refuses.

    Nothing is attacked, but an attack of a library takes its first passes on noise.

    attacks: checked specs, as `lookup.check_attack` returns them.
    shape, classes: of the images [C, H, W] that the attacks are built for.
    """
    layers = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(shape[0], classes)
    classifier = Classifier(nn.Sequential(*layers), shape, classes)
    for spec in attacks:
        if spec.get("engine") == "stock":
            # the fast class checks more than ART's
            _build(spec, Spec.of(spec.name, spec.kwargs, engine="fast"), classifier)
        _build(spec, spec, classifier)


def _build(spec: Spec, variant: Spec, classifier: Classifier) -> None:
    """Build a variant of an attack; errors name the attack itself."""
    if shares_gradient(variant):
        variant = variant.without("eps")
    elif variant.get("eps") == 0:
        # an attack with the bound 0 is never built
        variant = Spec.of(variant.name, variant.kwargs, eps=0.1)
    try:
        attack = attack_entry(variant).built(classifier, variant.kwargs)
        if isinstance(attack, LibraryAttack):
            attack.rehearse()
    except Exception as error:
        # external code may raise anything
        why = str(error) if isinstance(error, InputError) else describe_error(error)
        why = " ".join(why.removeprefix("attack: ").split())
        raise InputError(f"attack {spec}: {why}") from error

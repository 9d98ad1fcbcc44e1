"""Build attacks on a small network: bad parameters are found before any data are loaded."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from benchmark.attacks.lookup import attack_entry
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.plugins import describe_error
from estimators.spec import Spec

SHAPE, CLASSES = (3, 32, 32), 10


def check_built(
    attacks: Iterable[Spec], shape: tuple[int, int, int] = SHAPE, classes: int = CLASSES
) -> None:
    """Raise InputError for the first attack that its class refuses; nothing is attacked.

    attacks: checked specs, as `lookup.check_attack` returns them.
    shape, classes: of the images [C, H, W] that the attacks are built for.
    """
    layers = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(shape[0], classes)
    classifier = Classifier(nn.Sequential(*layers), shape, classes)
    for spec in attacks:
        params = spec.kwargs
        if "eps" in params:
            # an attack with the bound 0 is never built
            params["eps"] = params["eps"] or 0.1
        engines = [{"engine": "fast"}, {}] if params.get("engine") == "stock" else [{}]
        for engine in engines:
            # the fast class checks more than ART's
            _build(spec, classifier, {**params, **engine})


def _build(spec: Spec, classifier: Classifier, params: dict[str, object]) -> None:
    try:
        attack_entry(spec).built(classifier, params)
    except Exception as error:
        # external code may raise anything
        why = str(error) if isinstance(error, InputError) else describe_error(error)
        why = " ".join(why.removeprefix("attack: ").split())
        raise InputError(f"attack {spec}: {why}") from error

"""Build the attacks of a task on a classifier and craft their adversarial images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.attacks.adapters.generate import Generate
from benchmark.attacks.lookup import attack_entry, shares_gradient
from benchmark.attacks.steps.checks import FloatArray, IntArray
from benchmark.attacks.steps.crafted import Attack, Batch, Crafted
from benchmark.attacks.steps.one_step import OneStep
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.spec import Spec


def craft(
    attacks: Sequence[Spec],
    classifier: Classifier,
    x: FloatArray,
    y: IntArray,
    ids: IntArray,
    seed: int,
) -> Iterator[tuple[Spec, Crafted]]:
    """Yield what each attack makes of images x [N, C, H, W] with true labels y [N], in turn.

    attacks: checked specs; several must differ in eps alone.
    ids, seed: decide what is random, image by image, so that no chunk or order matters.
    """
    labels = targets(attacks[0], y, classifier.nb_classes)
    batch = Batch(x, y, labels, ids, seed)
    families = [attacks] if shares_gradient(attacks[0]) else [[attack] for attack in attacks]
    for family in families:
        classifier.bind(ids, seed)
        # before the attack is built: some of ART's classes ask the classifier then
        classifier.reset_counts()
        budgets = [_eps(attack) for attack in family]
        yield from zip(family, _build(family[0], classifier).craft(batch, budgets), strict=True)


def _build(spec: Spec, classifier: Classifier) -> Attack:
    """Build an attack that crafts; InputError for parameters that its class refuses."""
    entry = attack_entry(spec)
    if shares_gradient(spec):
        spec = spec.without("eps")
    elif spec.get("eps") == 0.0:
        return Generate(None, classifier, entry.uses_gradient, one_by_one=False)
    try:
        attack = entry.built(classifier, spec.kwargs)
    except (TypeError, ValueError) as error:
        raise InputError(f"attack {spec}: {str(error).splitlines()[0]}") from error
    if isinstance(attack, OneStep):
        return attack
    whole_batch = entry.whole_batch and spec.get("engine", "fast") == "fast"
    one_by_one = classifier.random and not whole_batch
    return Generate(attack, classifier, entry.uses_gradient, one_by_one)


def targets(spec: Spec, y: IntArray, classes: int) -> IntArray:
    """Return the labels given to the attack: the true ones, or the targets of a targeted attack.

    `target: next` is the next class; a number is that class for every image (the run leaves
    images of that class unchanged). Raises InputError for another target.
    """
    if not spec.get("targeted", False):
        return y
    target = spec.get("target", "next")
    if target == "next":
        return (y + 1) % classes
    if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < classes:
        raise InputError(
            f"attack {spec}: expected target `next` or a class below {classes}, got {target!r}"
        )
    return np.full_like(y, target)


def _eps(spec: Spec) -> float | None:
    """Return the eps of an attack that `check_attack` has passed; None where it has none."""
    eps = spec.get("eps")
    assert eps is None or isinstance(eps, float)
    return eps

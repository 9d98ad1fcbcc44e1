"""Build the attacks of a task on a classifier and craft their adversarial images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from art.attacks.attack import EvasionAttack
from torch import Tensor

from benchmark.attacks.entry import Passes
from benchmark.attacks.lookup import attack_entry, shares_gradient
from benchmark.attacks.steps.checks import BoolArray, FloatArray, IntArray
from benchmark.attacks.steps.crafted import Batch, Crafted, OneStep
from benchmark.attacks.steps.tensor_attack import TensorAttack
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
    batch = Batch(x, y, targets(attacks[0], y, classifier.nb_classes), ids, seed)
    n, clean = len(x), torch.from_numpy(x).to(classifier.torch_device)
    families = [attacks] if shares_gradient(attacks[0]) else [[attack] for attack in attacks]
    for family in families:
        classifier.bind(ids, seed)
        # before the attack is built: some of ART's classes query the classifier then
        classifier.reset_counts()
        attack = _build(family[0], classifier)
        own = type(attack).__module__.startswith("benchmark.")
        given = batch if own else batch.copy()
        if isinstance(attack, OneStep):
            direction, zero_gradient = attack.direction(given)
            passes = Passes(classifier.gradients / n, classifier.forwards / n)
            for spec in family:
                eps = spec.get("eps")
                assert isinstance(eps, float)  # since `check_attack`
                images = attack.step(clean if own else clean.clone(), direction, eps)
                yield spec, Crafted(images, zero_gradient, passes)
            continue
        images = clean if attack is None else _generate(attack, family[0], classifier, given)
        passes = Passes(classifier.gradients / n, classifier.forwards / n)
        zero_gradient = _zero_gradient(family[0], classifier, clean, batch)
        yield family[0], Crafted(images, zero_gradient, passes)


def _build(spec: Spec, classifier: Classifier) -> OneStep | EvasionAttack | None:
    """Build an attack; None for eps 0. InputError for parameters that its class refuses."""
    entry = attack_entry(spec)
    if shares_gradient(spec):
        spec = spec.without("eps")
    elif spec.get("eps") == 0.0:
        return None
    try:
        return entry.built(classifier, spec.kwargs)
    except (TypeError, ValueError) as error:
        raise InputError(f"attack {spec}: {str(error).splitlines()[0]}") from error


def _generate(attack: EvasionAttack, spec: Spec, classifier: Classifier, batch: Batch) -> Tensor:
    """Return the images of an attack with ART's interface.

    Behind a random defence it gets one image at a time, so that each image keeps its own draws;
    attacks that pass the whole batch through the defence at every step get the whole batch.
    """
    n = len(batch.x)
    whole_batch = attack_entry(spec).whole_batch and spec.get("engine", "fast") == "fast"
    size = 1 if classifier.random and not whole_batch else n
    parts = []
    for at in range(0, n, size):
        part = slice(at, at + size)
        ids = batch.ids[part]
        classifier.bind(ids, batch.seed)
        own = {"ids": ids, "seed": batch.seed} if isinstance(attack, TensorAttack) else {}
        images = attack.generate(batch.x[part], y=batch.labels[part], **own)
        parts.append(np.asarray(images, dtype=np.float32))
    return torch.from_numpy(np.concatenate(parts)).to(classifier.torch_device)


def _zero_gradient(spec: Spec, classifier: Classifier, clean: Tensor, batch: Batch) -> BoolArray:
    """Return at which clean images [N] the loss gradient is zero in every pixel."""
    if not attack_entry(spec).uses_gradient:
        return np.zeros(len(clean), dtype=np.bool_)
    classifier.bind(batch.ids, batch.seed)
    gradient = classifier.input_gradient(clean, torch.from_numpy(batch.y).to(clean.device))
    return np.asarray((gradient == 0).flatten(1).all(1).cpu())


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

"""Build the attacks of a task on a classifier and craft their adversarial images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from art.attacks.attack import EvasionAttack
from torch import Tensor

from benchmark.attacks.entry import Passes
from benchmark.attacks.lookup import attack_entry, shares_gradient
from benchmark.attacks.steps.checks import FloatArray, IntArray
from benchmark.attacks.steps.crafted import Batch, Crafted, Found, OneStep
from benchmark.attacks.steps.faulty_gradients import clean_faults, faults
from benchmark.attacks.steps.projections import each
from benchmark.attacks.steps.second_loss import needs_second_loss, second_is_worse, standing
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
    clean = torch.from_numpy(x).to(classifier.torch_device)
    families = [attacks] if shares_gradient(attacks[0]) else [[attack] for attack in attacks]
    for family in families:
        # before the attack is built: some of ART's classes query the classifier then, by one image
        classifier.bind(ids[:1], seed)
        classifier.reset_counts()
        attack = _build(family[0], classifier)
        classifier.bind(ids, seed)
        if isinstance(attack, OneStep):
            yield from _one_step(attack, family, classifier, clean, batch)
        else:
            yield family[0], _searched(attack, family[0], classifier, clean, batch)


def _one_step(
    attack: OneStep, family: Sequence[Spec], classifier: Classifier, clean: Tensor, batch: Batch
) -> Iterator[tuple[Spec, Crafted]]:
    """Yield what an attack of one step makes of a batch, eps by eps."""
    n, other, given = len(batch.x), None, _given(attack, batch)
    direction, zero_gradient = attack.direction(given)
    if needs_second_loss(family[0], classifier):
        with classifier.margin_loss():
            other = attack.direction(given)[0]
    # each eps is judged once to choose between the two directions
    passes = Passes(classifier.gradients / n, classifier.forwards / n + (other is not None))
    nan_gradient = np.zeros(n, dtype=np.bool_)
    if classifier.backward_mode.broken:
        # the gradient of an image whose outputs are NaN is neither
        zero_gradient, nan_gradient = clean_faults(classifier, clean, batch)
    for spec in family:
        eps = spec.get("eps")
        assert isinstance(eps, float)  # since `check_attack`
        start = clean if given is batch else clean.clone()
        images = attack.step(start, direction, eps)
        if other is not None:
            left = each(standing(spec, classifier, images, batch.labels))
            images = torch.where(left, attack.step(start, other, eps), images)
        yield spec, Crafted(images, zero_gradient, nan_gradient, passes)


def _searched(
    attack: EvasionAttack | None, spec: Spec, classifier: Classifier, clean: Tensor, batch: Batch
) -> Crafted:
    """Return what an attack of many steps makes of a batch; None changes nothing."""
    n, images, found = len(batch.x), clean, None
    if attack is not None:
        images, found = _generate(attack, spec, classifier, _given(attack, batch))
        if needs_second_loss(spec, classifier):
            images, found = _by_margin_too(spec, classifier, clean, batch, images, found)
    passes = Passes(classifier.gradients / n, classifier.forwards / n)
    broken = classifier.backward_mode.broken
    if not attack_entry(spec).uses_gradient:
        none = np.zeros(n, dtype=np.bool_)
        return Crafted(images, none, none, passes, found)
    zero_gradient, nan_gradient = clean_faults(classifier, clean, batch)
    if broken:
        nan_gradient |= faults(classifier, images, batch)[1]
    return Crafted(images, zero_gradient, nan_gradient, passes, found)


def _given(attack: object, batch: Batch) -> Batch:
    """Return the batch as an attack gets it: a copy for one that may write into it."""
    return batch if type(attack).__module__.startswith("benchmark.") else batch.copy()


def _by_margin_too(
    spec: Spec,
    classifier: Classifier,
    clean: Tensor,
    batch: Batch,
    first: Tensor,
    found: Found | None,
) -> tuple[Tensor, Found | None]:
    """Attack again by the margin what still stands, and everything if the attack has no bound.

    first, found: what the first attack returned. Returns the same of both attacks.
    """
    # passes of both attacks: only the mean is known
    found = found and replace(found, spent=None)
    classifier.bind(batch.ids, batch.seed)
    left = standing(spec, classifier, first, batch.labels)
    again = left if attack_entry(spec).bounded else torch.ones_like(left)
    if not bool(again.any()):
        return first, found
    chosen = again.cpu().numpy()
    x, y, labels, ids = (a[chosen] for a in (batch.x, batch.y, batch.labels, batch.ids))
    part = Batch(x, y, labels, ids, batch.seed)
    second, also_left = first.clone(), left.clone()
    with classifier.margin_loss():
        attack = _build(spec, classifier)
        assert isinstance(attack, EvasionAttack)  # with an eps above 0, and many steps
        second[again], also_found = _generate(attack, spec, classifier, part)
    classifier.bind(part.ids, part.seed)
    also_left[again] = standing(spec, classifier, second[again], part.labels)
    better = second_is_worse(spec, clean, first, second, left, also_left)
    if found is not None and found.part is not None:
        assert also_found is not None and also_found.part is not None  # it is the same attack
        parts = found.part.copy()
        parts[chosen] = np.where(better[again].cpu(), also_found.part, parts[chosen])
        found = replace(found, part=parts)
    return torch.where(each(better), second, first), found


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


def _generate(
    attack: EvasionAttack, spec: Spec, classifier: Classifier, batch: Batch
) -> tuple[Tensor, Found | None]:
    """Return the images of an attack with ART's interface, and what it says beside them.

    Behind a random defence it gets one image at a time, so that each image keeps its own draws;
    attacks that pass the whole batch through the defence at every step get the whole batch.
    """
    n = len(batch.x)
    whole_batch = attack_entry(spec).whole_batch and spec.get("engine", "fast") == "fast"
    size = 1 if classifier.random and not whole_batch else n
    parts, found = [], []
    for at in range(0, n, size):
        part = slice(at, at + size)
        ids = batch.ids[part]
        classifier.bind(ids, batch.seed)
        own = {"ids": ids, "seed": batch.seed} if isinstance(attack, TensorAttack) else {}
        images = attack.generate(batch.x[part], y=batch.labels[part], **own)
        parts.append(np.asarray(images, dtype=np.float32))
        if isinstance(attack, TensorAttack) and attack.found is not None:
            found.append(attack.found)
    x_adv = torch.from_numpy(np.concatenate(parts)).to(classifier.torch_device)
    return x_adv, Found.joined(found)


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

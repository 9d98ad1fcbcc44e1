"""Adversarial images: the attacks of a task on a classifier, with all that they are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmark.attacks.lookup import attack_entry, shares_gradient
from estimators.errors import InputError
from estimators.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


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

    from benchmark.attacks.fast_gradient import perturbed
    from benchmark.attacks.steps.tensor_attack import TensorAttack

    kind = attack_entry(attacks[0])
    device = classifier.torch_device
    start = torch.from_numpy(x).to(device)
    if kind.ignores_model:
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
        if classifier.random and not (kind.whole_batch and spec.get("engine", "fast") == "fast"):
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

    `target: next` is the next class; a number is that class for every image (the run leaves
    images of that class as they are).
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

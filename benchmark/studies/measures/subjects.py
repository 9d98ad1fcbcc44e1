"""What studies start from: images, classifiers, predictions, images under attack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from benchmark.execution.chunk_size import need
from benchmark.execution.memory import keep_memory
from benchmark.execution.plan import BARE
from benchmark.studies.request import StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images, subset
from estimators.defences.build import build_defence
from estimators.errors import InputError, unknown
from estimators.networks.checks.squashed import squashed
from estimators.networks.given import is_given
from estimators.networks.running.cheaper_passes import CheaperPasses
from estimators.networks.running.frozen import Frozen
from estimators.outputs import NO_CLASS
from estimators.spec import Spec
from estimators.training.train_or_load import trained_network

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def test_images(request: StudyRequest, dataset: str, samples: int) -> Images:
    """Return a stratified, seeded subset of the test split; all of it where it is smaller.

    It is in memory. Images that cannot be read are left out.
    """
    images = request.images(dataset)
    return subset(images, min(samples, len(images)), request.seed).read()


def class_named(images: Images, name: str, param: str) -> int:
    """Return the class that a study's parameter gives by name or by number.

    Raises InputError for an unknown class.
    """
    if name in images.classes:
        return images.classes.index(name)
    if name.isdecimal() and int(name) < len(images.classes):
        return int(name)
    raise unknown(f"class in the study parameter {param}", name, images.classes)


def one_image(request: StudyRequest, dataset: str) -> Images:
    """Return the image at the position `image` of the split `split`, both study parameters."""
    split, at = request["split"], request["image"]
    if split not in ("train", "test"):
        raise InputError(f"study parameter split: expected train or test, got {split!r}")
    images = request.images(dataset, split)
    if not 0 <= at < len(images):
        raise InputError(
            f"study parameter image: expected 0 to {len(images) - 1}, the images of the {split}"
            f" split of {dataset}, got {at}"
        )
    return images[at : at + 1]


def network_of(request: StudyRequest, dataset: str, network: Spec) -> torch.nn.Module:
    """Return the trained network of a subject: shipped, cached, or trained now."""
    return _trained(dataset, network, request.data_dir, request.device)


@lru_cache(maxsize=8)
def _trained(dataset: str, network: Spec, data_dir: Path | None, device: str) -> torch.nn.Module:
    return trained_network(dataset, network, data_dir, device).network


def classifier_of(
    request: StudyRequest,
    dataset: str,
    network: Spec,
    images: Images,
    defence: Spec = BARE,
    layers: bool = False,
) -> Classifier:
    """Return the trained network of a subject behind a defence.

    layers: with its own layers, for what looks into them; large images take longer then.

    An external one whose outputs are squashed is attacked by their margin too, as in a run.
    """
    module = network_of(request, dataset, network)
    fault = None
    if is_given(network):
        fault = squashed(module.cpu(), images, need(module, images.shape).chunk)
        if fault is not None:
            request.message(f"warning: {network} on {dataset}: {fault}")
    runs: torch.nn.Module | Frozen = module
    if layers:
        runs = Frozen.of(module, images.shape, request.device, CheaperPasses())
    return wrapped(runs, images, defence, request.device, fault is not None)


def wrapped(
    network: torch.nn.Module | Frozen,
    images: Images,
    defence: Spec = BARE,
    device: str = "cpu",
    is_squashed: bool = False,
) -> Classifier:
    """Return any network for these images behind a defence."""
    keep_memory()
    chunk = need(network.network if isinstance(network, Frozen) else network, images.shape).chunk
    about = images.shape, len(images.classes), build_defence(defence), device
    return Classifier(network, *about, batch=chunk, squashed=is_squashed)


def batches(
    classifier: Classifier, *arrays: npt.NDArray[np.generic]
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield the rows of each array in batches of the classifier, as tensors on its device."""
    return batches_of(classifier.batch, classifier.torch_device, *arrays)


def batches_of(
    size: int, device: torch.device, *arrays: npt.NDArray[np.generic]
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield `size` rows of each array at a time, as tensors on a device."""
    for at in range(0, len(arrays[0]), size):
        yield tuple(torch.from_numpy(array[at : at + size]).to(device) for array in arrays)


def predictions(classifier: Classifier, x: FloatArray) -> IntArray:
    """Return the predicted classes [N] of images [N, C, H, W] behind the classifier's defence.

    NO_CLASS where the outputs are not all finite.
    """
    return _classes(logits(classifier, x))


def logits(classifier: Classifier, x: FloatArray) -> FloatArray:
    """Return the logits [N, classes] of images [N, C, H, W] behind the classifier's defence."""
    parts = (classifier.defended(part) for (part,) in batches(classifier, x))
    return np.concatenate([classifier.logits(part).cpu().numpy() for part in parts])


def confidences(classifier: Classifier, x: FloatArray) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Return the predicted classes [N] of images [N, C, H, W], and the softmax of each."""
    values = logits(classifier, x)
    return _classes(values), softmax(values.astype(np.float64), axis=1).max(1)


def _classes(values: FloatArray) -> IntArray:
    return np.where(np.isfinite(values).all(1), values.argmax(1), NO_CLASS)


def attacked(
    classifier: Classifier, images: Images, attacks: Sequence[Spec], seed: int = 0
) -> dict[Spec, FloatArray]:
    """Return adversarial images [N, C, H, W] by attack, crafted in batches of the classifier.

    attacks: of any kinds; those that differ in eps alone share their gradient.
    """
    x_adv: dict[Spec, list[FloatArray]] = {}
    families: dict[Spec, list[Spec]] = {}
    # the same attack may be written in several ways
    asked = {check_attack(attack): attack for attack in attacks}
    for checked in asked:
        families.setdefault(checked.without("eps"), []).append(checked)
    for start in range(0, len(images), classifier.batch):
        part = images[start : start + classifier.batch]
        for family in families.values():
            for spec, crafted in craft(family, classifier, part.x, part.y, part.ids, seed):
                x_adv.setdefault(asked[spec], []).append(crafted.images.detach().cpu().numpy())
    return {spec: np.concatenate(parts) for spec, parts in x_adv.items()}


def fast_gradients(request: StudyRequest, images: Images) -> tuple[Spec, Spec, Spec]:
    """Return FGSM, FGM and random signs with noise of the same L2 norm before clipping.

    The study's parameters `eps_grey` and `eps_colour` are FGSM's eps, by the number of channels;
    FGM's eps is the L2 norm of that noise, eps sqrt(C H W).
    """
    eps = float(request["eps_grey" if images.shape[0] == 1 else "eps_colour"])
    length = eps * float(np.sqrt(np.prod(images.shape)))
    return Spec.of("fgsm", eps=eps), Spec.of("fgm", eps=length), Spec.of("noise", eps=eps)

"""AutoAttack against its authors' code, from a checkout of github.com/fra31/auto-attack."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmark.anchors.anchor import FACTORIES, Anchor, File, load_anchors
from benchmark.anchors.exam import fault
from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from benchmark.attacks.steps.crafted import Crafted
from benchmark.speed.timing import Measured, alternate
from estimators.classifier import Classifier
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.networks.given import given_network
from estimators.outputs import predicted_classes
from estimators.spec import Spec, parse_spec

BoolArray = npt.NDArray[np.bool_]
Params = dict[str, float | str]
NORMS = {"inf": "Linf", "2": "L2", "1": "L1"}
NETWORK = "cifar-cnn-a-adv"
IMAGES = 200
GET = "git clone https://github.com/fra31/auto-attack"


def autoattack_line(checkout: Path | None, weights: Path | None, data: Path | None) -> Measured:
    """Time both once, on one thread: together they take minutes.

    checkout: the authors' code. weights: the folder of `bench anchors`. data: that of the images.
    Raises InputError where something is missing.
    """
    if weights is None:
        raise InputError("needs --weights-dir FOLDER, as bench anchors has it")
    if checkout is None:
        raise InputError(f"needs the authors' code: {GET}, then --original auto-attack")
    use_checkout(checkout)
    anchor = next(anchor for anchor in load_anchors() if anchor.name == NETWORK)
    network, images = anchor_network(anchor, weights, data)
    images = subset(images, IMAGES, 0)
    eps = anchor_eps(anchor)
    torch.set_num_threads(1)
    params: Params = {"eps": eps, "norm": "inf", "version": "standard"}
    classifier = Classifier(network, images.shape, len(images.classes))
    pair = alternate(
        lambda: standing(classifier, our_crafted(classifier, images, params).images, images),
        lambda: standing(classifier, their_images(network, images, params), images),
        repeat=1,
        warm=False,
    )
    apart = int((pair.our_result != pair.their_result).sum())
    kept = f"{pair.our_result.sum()} and {pair.their_result.sum()} of {len(images)} images stand"
    name = f"AutoAttack standard, CIFAR CNN-A-Adv, {len(images)} images, one thread"
    return pair.line(name, "the authors' code, one run each", None, f"{kept}, {apart} differ")


def use_checkout(checkout: Path) -> None:
    """Make the authors' package importable; InputError for a folder without it."""
    if not (checkout / "autoattack" / "autoattack.py").is_file():
        raise InputError(f"--original {checkout}: no autoattack/autoattack.py; name a checkout")
    sys.path.insert(0, str(checkout))


def anchor_network(
    anchor: Anchor, weights: Path, data_dir: Path | None
) -> tuple[torch.nn.Module, Images]:
    """Return the network of an anchor and its test images; InputError where a file is missing."""
    for file in (anchor.weights, anchor.data):
        found = fault(file, weights) if isinstance(file, File) else None
        if found is not None:
            raise InputError(found[-1])
    data = anchor.data
    source = data if isinstance(data, str) else f"npz:{weights / data.file}"
    images = load_images(source, "test", data_dir)
    spec = Spec.of(f"{FACTORIES}:{anchor.network}", weights=str(weights / anchor.weights.file))
    network = given_network(spec, images.shape, len(images.classes)).network.eval()
    return network, images


def anchor_eps(anchor: Anchor) -> float:
    """Return the bound that an anchor is known for."""
    found = (parse_spec(check.attack).get("eps") for check in anchor.checks if check.attack)
    return next(eps for eps in found if isinstance(eps, float))


def their_images(
    network: torch.nn.Module, images: Images, params: Params, seed: int = 0
) -> torch.Tensor:
    """Return the images of the authors' code."""
    from autoattack import AutoAttack

    x, y = torch.from_numpy(images.x), torch.from_numpy(images.y)
    norm, eps, version = NORMS[str(params["norm"])], params["eps"], params["version"]
    attack = AutoAttack(network, norm, eps, seed, False, device="cpu", version=version)
    moved: torch.Tensor = attack.run_standard_evaluation(x, y, bs=len(x))
    return moved


def our_crafted(classifier: Classifier, images: Images, params: Params, seed: int = 0) -> Crafted:
    """Return what our AutoAttack crafts."""
    spec = check_attack(Spec.of("autoattack", params))
    ((_, crafted),) = craft([spec], classifier, images.x, images.y, images.ids, seed)
    return crafted


def standing(classifier: Classifier, moved: torch.Tensor, images: Images) -> BoolArray:
    """Return which images [N] are still right."""
    right: BoolArray = predicted_classes(classifier.logits(moved)).numpy() == images.y
    return right

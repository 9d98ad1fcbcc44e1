"""Compare AutoAttack with its authors' code, on networks that others trained.

Run as `python tests/tools/original_autoattack.py CHECKOUT --data-dir DATA`. CHECKOUT is a folder of
github.com/fra31/auto-attack; DATA has `networks/` with the files of `bench anchors`, and MNIST.
Images are attacked in blocks, by the original and by ours in turn, so that both meet the same load
of the machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.anchors.anchor import FACTORIES, Anchor, load_anchors
from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from estimators.classifier import Classifier
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.networks.given import given_network
from estimators.outputs import predicted_classes
from estimators.spec import Spec, parse_spec

BoolArray = npt.NDArray[np.bool_]
NORMS = {"inf": "Linf", "2": "L2", "1": "L1"}


@dataclass
class Side:
    """One of the two. right: which images stand, bool [N]. cpu, wall: seconds so far."""

    right: BoolArray
    cpu: float = 0.0
    wall: float = 0.0

    def run(self, block: slice, attack: Callable[[], BoolArray]) -> None:
        """Attack one block of images and add up the time."""
        cpu, wall = time.process_time(), time.perf_counter()
        self.right[block] = attack()
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall


def eps_of(anchor: Anchor) -> float:
    """Return the bound that an anchor is known for."""
    found = (parse_spec(check.attack).get("eps") for check in anchor.checks if check.attack)
    return next(eps for eps in found if isinstance(eps, float))


def compare(weights: Path, anchor: Anchor, images: Images, options: argparse.Namespace) -> str:
    """Return a row of the table: both accuracies, the images apart, both times."""
    shape, classes = images.shape, len(images.classes)
    spec = Spec.of(f"{FACTORIES}:{anchor.network}", weights=str(weights))
    network = given_network(spec, shape, classes).network.eval()
    ours, original = (Side(np.zeros(len(images), np.bool_)) for _ in range(2))
    classifier = Classifier(network, shape, classes)
    eps = options.eps or eps_of(anchor)
    for at in range(0, len(images), options.block):
        block = slice(at, at + options.block)
        x, y = images.x[block], images.y[block]
        original.run(block, lambda x=x, y=y: _original(network, x, y, eps, options))
        ids = images.ids[block]
        ours.run(block, lambda x=x, y=y, ids=ids: _ours(classifier, x, y, ids, eps, options))
    apart = original.right != ours.right
    only = ours.right[apart].sum(), original.right[apart].sum()
    cells = [anchor.name, f"{eps:.4g}", str(len(images))]
    cells += [f"{100 * side.right.mean():.2f}" for side in (original, ours)]
    cells += [f"{apart.sum()} ({only[0]} stand here alone, {only[1]} there)"]
    cells += [f"{side.cpu:.1f} / {side.wall:.1f}" for side in (original, ours)]
    cells += [f"{original.cpu / ours.cpu:.2f} / {original.wall / ours.wall:.2f}"]
    return f"| {' | '.join(cells)} |"


def _original(
    network: torch.nn.Module, x: Any, y: Any, eps: float, options: argparse.Namespace
) -> BoolArray:
    """Return which images [N] the authors' code leaves standing."""
    from autoattack import AutoAttack

    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    attack = AutoAttack(
        network, NORMS[options.norm], eps, options.seed, False, device="cpu",
        version=options.version,
    )  # fmt: skip
    x_adv = attack.run_standard_evaluation(images, labels, bs=options.block)
    with torch.no_grad():
        right: BoolArray = (network(x_adv).argmax(1) == labels).numpy()
    return right


def _ours(
    classifier: Classifier, x: Any, y: Any, ids: Any, eps: float, options: argparse.Namespace
) -> BoolArray:
    """Return which images [N] ours leaves standing."""
    params = {"eps": eps, "norm": options.norm, "version": options.version}
    spec = check_attack(Spec.of("autoattack", params))
    ((_, crafted),) = craft([spec], classifier, x, y, ids, options.seed)
    right: BoolArray = predicted_classes(classifier.logits(crafted.images)).numpy() == y
    found = crafted.found
    if options.parts and found is not None and found.part is not None:
        print(f"  ours, images by part: {np.bincount(found.part + 1).tolist()} (none first)")
    return right


def main() -> None:
    """Print a table, one row a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, help="folder of the authors' code")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--images", type=int, default=200, help="images of each network")
    parser.add_argument("--block", type=int, default=200, help="images attacked at once")
    parser.add_argument("--only", default="", help="networks with this in their name")
    parser.add_argument("--norm", choices=NORMS, default="inf")
    parser.add_argument("--eps", type=float, help="in the place of each network's own")
    parser.add_argument("--version", default="standard")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", action="store_true", help="show which part broke how many")
    options = parser.parse_args()
    if not (options.checkout / "autoattack" / "autoattack.py").is_file():
        parser.error(f"{options.checkout}: no autoattack/autoattack.py; name a checkout")
    sys.path.insert(0, str(options.checkout))
    torch.set_num_threads(options.threads)
    head = ["network", "eps", "images", "original, %", "ours, %", "images apart"]
    head += ["original CPU / wall, s", "ours CPU / wall, s", "times as fast"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}", flush=True)
    for anchor in load_anchors():
        weights = options.data_dir / "networks" / anchor.weights.file
        if options.only not in anchor.name or not weights.is_file():
            continue
        data = anchor.data
        if not isinstance(data, str):
            data = f"npz:{weights.with_name(data.file)}"
        images = load_images(data, "test", options.data_dir)
        images = subset(images, min(options.images, len(images)), 0)
        print(compare(weights, anchor, images, options), flush=True)


if __name__ == "__main__":
    main()

"""Compare AutoAttack with its authors' code, on networks that others trained.

Run as `python tests/tools/original_autoattack.py CHECKOUT --data-dir DATA`. CHECKOUT is a folder of
github.com/fra31/auto-attack; DATA has `networks/` with the files of `bench anchors`, and MNIST.
Images are attacked in blocks, by the original and by ours in turn, so that both meet the same load
of the machine. Both keep freed memory for the next tensor, as `bench run` does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmark.anchors.anchor import Anchor, load_anchors
from benchmark.execution.memory import keep_memory
from benchmark.speed.original import (
    NORMS,
    BoolArray,
    anchor_eps,
    anchor_network,
    our_crafted,
    standing,
    their_images,
    use_checkout,
)
from estimators.classifier import Classifier
from estimators.data.images import Images, subset
from estimators.errors import InputError


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


def compare(
    anchor: Anchor, network: torch.nn.Module, images: Images, options: argparse.Namespace
) -> str:
    """Return a row of the table: both accuracies, the images apart, both times."""
    ours, theirs = (Side(np.zeros(len(images), np.bool_)) for _ in range(2))
    classifier = Classifier(network, images.shape, len(images.classes))
    eps = options.eps or anchor_eps(anchor)
    params = {"eps": eps, "norm": options.norm, "version": options.version}

    def original(part: Images) -> BoolArray:
        return standing(classifier, their_images(network, part, params, options.seed), part)

    def here(part: Images) -> BoolArray:
        crafted = our_crafted(classifier, part, params, options.seed)
        found = crafted.found
        if options.parts and found is not None and found.part is not None:
            print(f"  ours, images by part: {np.bincount(found.part + 1).tolist()} (none first)")
        return standing(classifier, crafted.images, part)

    for at in range(0, len(images), options.block):
        block = slice(at, at + options.block)
        part = images[block]
        theirs.run(block, partial(original, part))
        ours.run(block, partial(here, part))
    apart = theirs.right != ours.right
    only = ours.right[apart].sum(), theirs.right[apart].sum()
    cells = [anchor.name, f"{eps:.4g}", str(len(images))]
    cells += [f"{100 * side.right.mean():.2f}" for side in (theirs, ours)]
    cells += [f"{apart.sum()} ({only[0]} stand here alone, {only[1]} there)"]
    cells += [f"{side.cpu:.1f} / {side.wall:.1f}" for side in (theirs, ours)]
    cells += [f"{theirs.cpu / ours.cpu:.2f} / {theirs.wall / ours.wall:.2f}"]
    return f"| {' | '.join(cells)} |"


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
    parser.add_argument(
        "--keep-memory",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep freed memory for the next tensor on both sides, as `bench run` does",
    )
    parser.add_argument("--parts", action="store_true", help="show which part broke how many")
    options = parser.parse_args()
    try:
        use_checkout(options.checkout)
    except InputError as error:
        parser.error(str(error))
    torch.set_num_threads(options.threads)
    if options.keep_memory:
        keep_memory()
    head = ["network", "eps", "images", "original, %", "ours, %", "images apart"]
    head += ["original CPU / wall, s", "ours CPU / wall, s", "times as fast"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}", flush=True)
    for anchor in load_anchors():
        weights = options.data_dir / "networks" / anchor.weights.file
        if options.only not in anchor.name or not weights.is_file():
            continue
        network, images = anchor_network(anchor, weights.parent, options.data_dir)
        images = subset(images, min(options.images, len(images)), 0)
        print(compare(anchor, network, images, options), flush=True)


if __name__ == "__main__":
    main()

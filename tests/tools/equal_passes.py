"""Compare `strongest` with AutoAttack at equal passes, on networks that others trained.

Run as `python tests/tools/equal_passes.py WEIGHTS --data-dir DATA`. WEIGHTS is the folder of
`bench anchors`. AutoAttack runs once: the passes that each image took until it was broken say how
many images stand wherever it would have been stopped. `strongest` runs once for each budget.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmark.anchors.anchor import load_anchors
from benchmark.attacks.lookup import check_attack
from benchmark.attacks.steps.craft import craft
from benchmark.runs.curve import PASSES
from benchmark.speed.original import BoolArray, anchor_eps, anchor_network, standing
from estimators.classifier import Classifier
from estimators.data.images import Images, subset
from estimators.spec import Spec

BUDGETS = (50, 100, 200, 500, 1000, 2000, 5000, 9700)
HEAD = ("budget", "strongest", "its mean", "AutoAttack, cap", "AutoAttack, mean", "worse")


@dataclass(frozen=True)
class Attacked:
    """What an attack did to images. right: bool [N], at its end. spent: passes of each, [N]."""

    right: BoolArray
    spent: npt.NDArray[np.float64]

    def at_cap(self, most: float) -> int:
        """Return how many images stand after so many passes each."""
        return int((self.right | (self.spent > most)).sum())

    def at_mean(self, mean: float) -> int:
        """Return how many images stand when the mean image has taken so many passes."""
        most = np.unique(self.spent)
        means = np.array([np.minimum(self.spent, cap).mean() for cap in most])
        return self.at_cap(float(np.interp(mean, means, most)))


def attacked(classifier: Classifier, images: Images, spec: Spec, seed: int) -> Attacked:
    """Attack the images by an attack that counts the passes of each."""
    ((_, crafted),) = craft([check_attack(spec)], classifier, images.x, images.y, images.ids, seed)
    assert crafted.found is not None and crafted.found.spent is not None
    spent = crafted.found.spent @ np.array(list(PASSES.values()), dtype=np.float64)
    assert np.isclose(spent.mean(), crafted.passes.gradients * 2 + crafted.passes.forwards)
    return Attacked(standing(classifier, crafted.images, images), spent)


def main() -> None:
    """Print a table of images that stand, one for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="folder of the networks' weights")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--images", type=int, default=200, help="images of each network")
    parser.add_argument("--only", default="", help="networks with this in their name")
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for anchor in load_anchors():
        if options.only not in anchor.name or not (options.weights / anchor.weights.file).is_file():
            continue
        network, images = anchor_network(anchor, options.weights, options.data_dir)
        images = subset(images, min(options.images, len(images)), 0)
        classifier = Classifier(network, images.shape, len(images.classes))
        eps = anchor_eps(anchor)
        whole = attacked(classifier, images, Spec.of("autoattack", eps=eps), options.seed)
        print(f"\n{anchor.name}, eps {eps:.4g}, {len(images)} images")
        print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}", flush=True)
        for budget in options.budgets:
            spec = Spec.of("strongest", eps=eps, budget=budget)
            ours = attacked(classifier, images, spec, options.seed)
            right, mean = int(ours.right.sum()), float(ours.spent.mean())
            theirs = whole.at_cap(budget), whole.at_mean(budget)
            worse = "yes" if right > min(theirs) else ""
            cells = budget, right, f"{mean:.0f}", *theirs, worse
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()

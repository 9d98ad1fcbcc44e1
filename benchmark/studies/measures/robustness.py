"""How robust one network is: accuracy under attack, smallest eps, generalisation gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from benchmark.attacks.fast_gradient import perturbed, smallest_eps
from benchmark.studies.measures.subjects import attacked, batches, predictions, wrapped
from benchmark.studies.measures.tables import Row, Rows, limits
from benchmark.studies.request import StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.outputs import logit_margin, predicted_classes
from estimators.spec import Spec
from estimators.training.train import evaluate
from reports.statistics.intervals import area_under_curve, median_smallest_eps, wilson

Bools = npt.NDArray[np.bool_]

# the largest eps in Linf and in L2, where a plain network is (nearly) always wrong
LARGEST = {"cifar10": (8 / 255, 1.0)}
LARGEST_ELSEWHERE = (0.3, 4.0)
# the control's name: FGSM on the margin between two logits, which cannot saturate
MARGIN = "fgsm-margin"


@dataclass(frozen=True)
class Probe:
    """How `measure` measures networks; the same images for each of them.

    samples: test images for the attacks of one gradient.
    iterated_samples: test images for PGD.
    gap_images: test images, and as many training images, for accuracy and loss without attack.
    points: number of eps, from 0 to the largest of the data set.
    pgd_steps: iterations of PGD.
    seed: of the subsets.
    data_dir, device: as in `StudyRequest`.
    """

    samples: int
    iterated_samples: int
    gap_images: int
    points: int
    pgd_steps: int
    seed: int = 0
    data_dir: Path | None = None
    device: str = "cpu"

    @classmethod
    def of(cls, request: StudyRequest) -> Probe:
        """Return the probe that a study's parameters describe; InputError for bad ones."""
        names = ("samples", "iterated_samples", "gap_images", "points", "pgd_steps")
        for name in names:
            least = 7 if name == "points" else 1
            if request[name] < least:
                got = f"must be at least {least}, got {request[name]}"
                raise InputError(f"study parameter {name}: {got}")
        chosen = {name: request[name] for name in names}
        return cls(**chosen, seed=request.seed, data_dir=request.data_dir, device=request.device)


def measure(network: nn.Module, dataset: str, probe: Probe) -> dict[str, Rows]:
    """Return the rows about one network by table.

    `accuracy`: attack, norm, eps, threat, n, correct, accuracy with Wilson limits, relative (to
        the accuracy at eps 0 on the same images). The attacker sees the whole network.
    `area`: attack, norm, eps_max, points, n; area under the accuracy-eps curve over its width,
        with a bootstrap interval over images; relative to the accuracy at eps 0.
    `smallest`: attack, norm, n (images that are right), held (those right at every eps); median
        smallest eps of the fast gradient method with its interval, inf where it is not reached.
    `gap`: parameters; accuracy and loss without attack on as many training as test images; the
        share of the attacked test images whose loss gradient is zero (zero_gradient), and of those
        whose label has probability 1 in float32 (saturated), where the gradient lacks the label's
        part.
    """
    test = load_images(dataset, "test", probe.data_dir)
    images = subset(test, min(probe.samples, len(test)), probe.seed).read()
    classifier = wrapped(network, images, device=probe.device)
    accuracy, area, smallest = [], [], []
    for attack, norm, eps, right in _attacks(classifier, images, dataset, probe):
        names = {"attack": attack, "norm": norm}
        accuracy += [{**names, **row} for row in _accuracies(eps, right)]
        area.append({**names, **_area(eps, right)})
    for attack, norm, top in zip(("fgsm", "fgm"), ("inf", "2"), largest(dataset), strict=True):
        eps_found = smallest_eps(classifier, images.x, images.y, norm, top, top / 1000)
        smallest.append({"attack": attack, "norm": norm, **_median(eps_found, top)})
    train = load_images(dataset, "train", probe.data_dir)
    gap = {**_gap(network, train, test, probe), **_saturation(classifier, images)}
    return {"accuracy": accuracy, "area": area, "smallest": smallest, "gap": [gap]}


def largest(dataset: str) -> tuple[float, float]:
    """Return the largest eps that is tried on a data set: Linf and L2, pixels in [0, 1]."""
    return LARGEST.get(dataset, LARGEST_ELSEWHERE)


def _attacks(
    classifier: Classifier, images: Images, dataset: str, probe: Probe
) -> Iterator[tuple[str, str, list[float], Bools]]:
    """Yield attack, norm, its eps [E], and whether each image is right at each eps [E, N]."""
    few = images[: min(probe.iterated_samples, len(images))]
    for norm, top in zip(("inf", "2"), largest(dataset), strict=True):
        grid = [round(float(e), 8) for e in np.linspace(0, top, probe.points)]
        # PGD leaves nothing of a plain network from half of the largest eps on
        sixths = [grid[round(k * (probe.points - 1) / 6)] for k in range(4)]
        fast = "fgsm" if norm == "inf" else "fgm"
        yield fast, norm, grid, _right(classifier, images, [Spec.of(fast, eps=e) for e in grid])
        if norm == "inf":
            yield MARGIN, norm, grid, _right_on_margin(classifier, images, grid)
        pgd = [Spec.of("pgd", norm=norm, eps=e, max_iter=probe.pgd_steps) for e in sixths]
        yield "pgd", norm, sixths, _right(classifier, few, pgd)


def _right(classifier: Classifier, images: Images, attacks: list[Spec]) -> Bools:
    # at eps 0 no attack moves an image, and its steps would be for nothing
    moved = attacked(classifier, images, [a for a in attacks if a.kwargs["eps"]])
    return np.stack([predictions(classifier, moved.get(a, images.x)) == images.y for a in attacks])


def _right_on_margin(classifier: Classifier, images: Images, grid: list[float]) -> Bools:
    """Whether images are right under FGSM on the margin of logits.

    The gradient of cross entropy lacks the label's part where its probability rounds to 1, which
    can pass for robustness; the gradient of the margin does not.
    """
    parts = []
    for x, y in batches(classifier, images.x, images.y):
        direction = _margin_gradient(classifier, x, y).sign_()
        moved = (perturbed(x, direction, eps, np.inf) for eps in grid)
        right = [predicted_classes(classifier.logits(x_adv)) == y for x_adv in moved]
        parts.append(torch.stack(right).cpu().numpy())
    return np.concatenate(parts, axis=1)


def _margin_gradient(classifier: Classifier, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the gradient [N, C, H, W] of the largest other logit minus the label's."""
    label = functional.one_hot(y, classifier.nb_classes).bool()
    return classifier.mean_gradient(
        x, lambda logits: logit_margin(logits, label, targeted=True).sum()
    )


def _accuracies(eps: list[float], right: Bools) -> Iterator[Row]:
    n, clean = right.shape[1], int(right[0].sum())
    for size, hits in zip(eps, right.sum(1).tolist(), strict=True):
        row = Row(eps=size, threat="white-box", n=n, correct=hits)
        row |= limits("accuracy", hits / n, *map(float, wilson(hits, n)))
        yield row | {"relative": hits / clean if clean else float("nan")}


def _area(eps: list[float], right: Bools) -> Row:
    area, clean = area_under_curve(eps, right), float(right[0].mean())
    row = Row(eps_max=max(eps), points=len(eps), n=right.shape[1], **limits("area", *area))
    return row | {"relative": area.value / clean if clean else float("nan")}


def _median(smallest: npt.NDArray[np.float64], top: float) -> Row:
    """Return the median smallest eps of the images that are right without an attack."""
    smallest = smallest[smallest > 0]
    held = ~np.isfinite(smallest)
    median = median_smallest_eps(np.where(held, top, smallest), held)
    row = Row(eps_max=top, n=len(smallest), held=int(held.sum()))
    return row | limits("median", *median)


def _gap(network: nn.Module, train: Images, test: Images, probe: Probe) -> Row:
    n = min(probe.gap_images, len(train), len(test))
    row: Row = {"parameters": sum(p.numel() for p in network.parameters()), "images": n}
    network = network.to(probe.device)
    for name, split in (("train", train), ("test", test)):
        loss, accuracy = evaluate(network, subset(split, n, probe.seed), probe.device)
        row |= {f"{name}_accuracy": accuracy, f"{name}_loss": loss}
    return row


def _saturation(classifier: Classifier, images: Images) -> Row:
    zero = saturated = 0
    for x, y in batches(classifier, images.x, images.y):
        zero += int((classifier.input_gradient(x, y) == 0).flatten(1).all(1).sum())
        probability = classifier.logits(x).softmax(1).gather(1, y[:, None])
        saturated += int((probability == 1).sum())
    return {"zero_gradient": zero / len(images), "saturated": saturated / len(images)}

"""What a sweep measures of one network: with and without attack, from the images themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.attacks.fast_gradient import perturbed, smallest_eps
from benchmark.studies.measures.subjects import attacked, predictions, wrapped
from benchmark.studies.measures.training_sweep import Probe, Tables
from estimators.classifier import BATCH, Classifier, channels_last
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.spec import Spec
from estimators.training.train import evaluate
from reports.statistics.intervals import area_under_curve, median_smallest_eps, wilson

Bools = npt.NDArray[np.bool_]

# the largest eps in Linf and in L2, where a plain network is (nearly) always wrong
LARGEST = {"cifar10": (8 / 255, 1.0)}
LARGEST_ELSEWHERE = (0.3, 4.0)
# the control's name: FGSM on the margin between two logits, which cannot saturate
MARGIN = "fgsm-margin"


def measure(network: torch.nn.Module, dataset: str, probe: Probe) -> Tables:
    """The rows about one network, by table.

    `accuracy`: attack, norm, eps, threat, n, correct, accuracy with Wilson limits, relative (to
        the accuracy at eps 0 on the same images). The attacker sees the whole network.
    `area`: attack, norm, eps_max, points, n; area under the accuracy-eps curve over its width,
        with a bootstrap interval over images; relative to the accuracy at eps 0.
    `smallest`: attack, norm, n (images that are right), held (of them, right at every eps);
        median smallest eps of the fast gradient method with its interval, inf where not reached.
    `gap`: parameters; accuracy and loss of as many training as test images, without attack; share
        of the attacked test images whose loss gradient is zero (zero_gradient), or whose label
        has probability 1 in float32 (saturated), so that the gradient has lost the label's part.
    """
    test = load_images(dataset, "test", probe.data_dir)
    images = subset(test, min(probe.samples, len(test)), probe.seed)
    classifier = wrapped(network, images, device=probe.device)
    tables: Tables = {"accuracy": [], "area": [], "smallest": [], "gap": []}
    for attack, norm, eps, right in _attacks(classifier, images, dataset, probe):
        about = {"attack": attack, "norm": norm}
        tables["accuracy"] += [{**about, **row} for row in _accuracies(eps, right)]
        tables["area"].append({**about, **_area(eps, right)})
    for attack, norm, top in zip(("fgsm", "fgm"), ("inf", "2"), largest(dataset), strict=True):
        found = smallest_eps(classifier, images.x, images.y, norm, top, top / 1000)
        tables["smallest"].append({"attack": attack, "norm": norm, **_median(found, top)})
    train = load_images(dataset, "train", probe.data_dir)
    tables["gap"].append({**_gap(network, train, test, probe), **_saturation(classifier, images)})
    return tables


def largest(dataset: str) -> tuple[float, float]:
    """The largest eps that a sweep tries on a data set: Linf and L2, pixels in [0, 1]."""
    return LARGEST.get(dataset, LARGEST_ELSEWHERE)


def _attacks(
    classifier: Classifier, images: Images, dataset: str, probe: Probe
) -> Iterator[tuple[str, str, list[float], Bools]]:
    """Attack, norm, its eps [E], and which image [E, N] is still right at which."""
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
    moved = attacked(classifier, images, attacks)
    return np.stack([predictions(classifier, moved[a]) == images.y for a in attacks])


def _right_on_margin(classifier: Classifier, images: Images, grid: list[float]) -> Bools:
    """FGSM on the largest other logit less the label's: cross entropy's gradient loses the
    label's part where its probability rounds to 1, which can pass for robustness."""
    parts = []
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        x = torch.from_numpy(part.x).to(classifier.torch_device)
        y = torch.from_numpy(part.y).to(classifier.torch_device)
        at = channels_last(x).detach().requires_grad_(True)
        logits = classifier.network(at)
        own = logits.gather(1, y[:, None])[:, 0]
        other = logits.scatter(1, y[:, None], -torch.inf).amax(1)
        (gradient,) = torch.autograd.grad((other - own).sum(), at)
        direction = gradient.contiguous().sign_()
        moved = (perturbed(x, direction, e, np.inf) for e in grid)
        parts.append(np.stack([_hits(classifier, m, part.y) for m in moved]))
    return np.concatenate(parts, axis=1)


def _hits(classifier: Classifier, x: torch.Tensor, y: npt.NDArray[np.int64]) -> Bools:
    found: Bools = classifier.logits(x).argmax(1).cpu().numpy() == y
    return found


def _accuracies(eps: list[float], right: Bools) -> Iterator[dict[str, Any]]:
    n, clean = right.shape[1], int(right[0].sum())
    for size, hits in zip(eps, right.sum(1).tolist(), strict=True):
        low, high = wilson(hits, n)
        yield {
            "eps": size,
            "threat": "white-box",
            "n": n,
            "correct": hits,
            "accuracy": hits / n,
            "accuracy_low": float(low),
            "accuracy_high": float(high),
            "relative": hits / clean if clean else float("nan"),
        }


def _area(eps: list[float], right: Bools) -> dict[str, Any]:
    area, clean = area_under_curve(eps, right), float(right[0].mean())
    return {
        "eps_max": max(eps),
        "points": len(eps),
        "n": right.shape[1],
        "area": area.value,
        "area_low": area.low,
        "area_high": area.high,
        "relative": area.value / clean if clean else float("nan"),
    }


def _median(found: npt.NDArray[np.float64], top: float) -> dict[str, Any]:
    """Images that are wrong without attack say nothing of a distance: they are left out."""
    found = found[found > 0]
    held = ~np.isfinite(found)
    median = median_smallest_eps(np.where(held, top, found), held)
    return {
        "eps_max": top,
        "n": len(found),
        "held": int(held.sum()),
        "median": median.value,
        "median_low": median.low,
        "median_high": median.high,
    }


def _gap(network: torch.nn.Module, train: Images, test: Images, probe: Probe) -> dict[str, Any]:
    n = min(probe.gap_images, len(train), len(test))
    row: dict[str, Any] = {"parameters": sum(p.numel() for p in network.parameters()), "images": n}
    network = network.to(probe.device)
    for name, split in (("train", train), ("test", test)):
        loss, accuracy = evaluate(network, subset(split, n, probe.seed), probe.device)
        row |= {f"{name}_accuracy": accuracy, f"{name}_loss": loss}
    return row


def _saturation(classifier: Classifier, images: Images) -> dict[str, Any]:
    zero = saturated = 0
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        x = torch.from_numpy(part.x).to(classifier.torch_device)
        y = torch.from_numpy(part.y).to(classifier.torch_device)
        zero += int((classifier.input_gradient(x, y) == 0).flatten(1).all(1).sum())
        share = classifier.logits(x).softmax(1).gather(1, y[:, None])
        saturated += int((share == 1).sum())
    return {"zero_gradient": zero / len(images), "saturated": saturated / len(images)}

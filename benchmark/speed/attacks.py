"""PGD and C&W against the same attacks of ART and of other libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from art.attacks.evasion import CarliniL2Method, ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier

from benchmark.attacks.carlini import CarliniL2
from benchmark.attacks.carlini_art import CarliniL2Exact
from benchmark.attacks.projected_gradient import ProjectedGradient
from benchmark.speed.floor import floor_of
from benchmark.speed.peers import CARLINI, EPS, ITERATIONS, PGD, STEP, installed
from benchmark.speed.rivals import Attack, Bench, art_classifier
from benchmark.speed.timing import Measured, alternate
from estimators.classifier import BATCH, Classifier
from estimators.outputs import predicted_classes

# called with one line of text for what is left out
Skipped = Callable[[str], object]


def pgd_lines(bench: Bench, skipped: Skipped) -> Iterator[Measured]:
    """Time PGD-40 against ART and the other libraries that are installed."""
    torch.set_num_threads(1)
    x, y = bench.images.x, bench.images.y
    ours = ProjectedGradient(
        _classifier(bench), eps=EPS, eps_step=STEP, max_iter=ITERATIONS, batch_size=BATCH
    )

    def art(classifier: PyTorchClassifier, size: int) -> npt.NDArray[np.float32]:
        attack = ProjectedGradientDescent(
            classifier, eps=EPS, eps_step=STEP, max_iter=ITERATIONS, batch_size=size, verbose=False
        )
        return np.asarray(attack.generate(x, y=y))

    rivals: dict[str, Attack] = {
        f"ART, batches of {size}": partial(lambda n: art(art_classifier(bench), n), size)
        for size in (32, 125)
    }
    # ART's class on our classifier: in ART's own classifier the convolutions round differently
    expected = art(_classifier(bench), BATCH)
    floor = floor_of(bench, threads=1, forwards=0, gradients=ITERATIONS)
    for name, rival in (rivals | dict(installed(PGD, bench, skipped))).items():
        pair = alternate(lambda: ours.generate(x, y=y), rival, bench.repeat)
        same = np.array_equal(pair.our_result, expected) if name.startswith("ART") else None
        difference = np.abs(pair.our_result - pair.their_result).max()
        note = f"largest difference to its images {difference:.1e}"
        yield pair.line(f"PGD-40, LeNet, {len(x)} images, one thread", name, same, note, floor)


def carlini_lines(bench: Bench, skipped: Skipped) -> Iterator[Measured]:
    """Time C&W: stock settings for identical images; the default settings against foolbox."""
    torch.set_num_threads(1)
    x, y = bench.images.x, bench.images.y
    name = f"C&W, LeNet, {len(x)} images, one thread"
    exact = CarliniL2Exact(_classifier(bench), batch_size=BATCH)
    stock = CarliniL2Method(art_classifier(bench), batch_size=BATCH, verbose=False)
    pair = alternate(lambda: exact.generate(x, y=y), lambda: stock.generate(x, y=y), bench.repeat)
    # ART's class on our classifier: in ART's own classifier the convolutions round differently
    expected = CarliniL2Method(_classifier(bench), batch_size=BATCH, verbose=False).generate(x, y=y)
    same = (pair.our_result == expected).reshape(len(x), -1).all(1)
    yield pair.line(
        f"{name}, stock settings",
        "ART's CarliniL2Method",
        bool(same.all()),
        f"{same.sum()} of {len(x)} images identical; ours {_strength(bench, pair.our_result)};"
        f" ART {_strength(bench, pair.their_result)}",
    )
    default = CarliniL2(_classifier(bench))
    for rival, attack in installed(CARLINI, bench, skipped):
        pair = alternate(lambda: default.generate(x, y=y), attack, bench.repeat)
        ours, theirs = (_strength(bench, r) for r in (pair.our_result, pair.their_result))
        yield pair.line(f"{name}, default", rival, None, f"ours {ours}; {rival} {theirs}")


def _classifier(bench: Bench) -> Classifier:
    return Classifier(bench.network, bench.images.shape, bench.classes)


def _strength(bench: Bench, x_adv: npt.NDArray[np.float32]) -> str:
    """Return the success rate among the images that are right, and the mean L2 of successes."""
    classifier = _classifier(bench)
    x, y = torch.from_numpy(bench.images.x), torch.from_numpy(bench.images.y)
    moved = torch.from_numpy(np.asarray(x_adv, dtype=np.float32))
    right = predicted_classes(classifier.logits(x)) == y
    broken = right & (predicted_classes(classifier.logits(moved)) != y)
    distance = (moved - x).flatten(1).norm(dim=1)[broken].mean()
    return f"success {float(broken.sum() / right.sum()):.3f}, mean L2 {float(distance):.3f}"

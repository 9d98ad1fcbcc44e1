"""C1 to C4: the gain and cost of JPEG, from the grid's predictions per image."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from reports.claims.intervals import between_samples, mean_over_images, over_images
from reports.claims.rule import Claim, Effect, Part, Rule
from reports.claims.sources import Curves, Missing, Sources

Floats = npt.NDArray[np.float64]
ATTACKERS = ("oblivious", "adaptive")
# networks of one kind on MNIST and CIFAR-10, which C3 and C4 compare
COUNTERPARTS = (("lenet", "lenet"), ("resnet", "cnn"))

GAIN = Rule("accuracy gained by JPEG, mean over eps > 0 and qualities", "above", 0)
FALLING = Rule("gain at the lower half of the qualities minus that at the upper half", "above", 0)
NOT_MUCH = Rule(
    "share of the accuracy that FGSM took which the best quality gives back", "below", 0.5
)
FASTER = Rule("accuracy of LeNet minus that of ResNet, mean over eps > 0", "above", 0)
COST = Rule("clean accuracy lost at the lower half of the qualities", "above", 0)
COST_MORE = Rule("the same loss on CIFAR-10 minus that on MNIST", "above", 0)
HELPS_MORE = Rule(
    "share given back by the best quality on CIFAR-10 minus that on MNIST", "above", 0
)


def _jpeg(sources: Sources, dataset: str, network: str, attacker: str) -> list[Curves]:
    """Return the curves behind JPEG, from the lowest quality to the highest."""
    qualities = sources.qualities(dataset, network)
    if len(qualities) < 2:
        raise Missing(f"the grid has fewer than two qualities of {network} on {dataset}")
    return [sources.curves(dataset, network, attacker, q) for q in qualities]


def _under_attack(curves: Curves) -> Floats:
    """Return for each image the share of the eps > 0 at which it is right."""
    share: Floats = curves.right[curves.eps > 0].mean(axis=0)
    return share


def _bare(sources: Sources, dataset: str, network: str) -> Curves:
    return sources.curves(dataset, network, "oblivious", None)


def gain(sources: Sources, dataset: str, network: str, attacker: str) -> Effect:
    """Return right behind JPEG minus right without, mean over eps > 0, qualities and images."""
    bare = _under_attack(_bare(sources, dataset, network))
    behind = [_under_attack(c) for c in _jpeg(sources, dataset, network, attacker)]
    return mean_over_images(np.mean(behind, axis=0) - bare)


def gain_as_quality_falls(sources: Sources, dataset: str, network: str, attacker: str) -> Effect:
    """Return right behind the lower half of the qualities minus right behind the upper half."""
    behind = [_under_attack(c) for c in _jpeg(sources, dataset, network, attacker)]
    half = len(behind) // 2
    return mean_over_images(np.mean(behind[:half], axis=0) - np.mean(behind[-half:], axis=0))


def _given_back(
    sources: Sources, dataset: str, network: str, attacker: str
) -> tuple[Floats, Floats]:
    """Return for each image the gain by the best quality and the loss by FGSM, means over eps > 0.

    The best quality is chosen on these images, so the share is slightly too high.
    """
    bare = _bare(sources, dataset, network)
    under = _under_attack(bare)
    behind = [_under_attack(c) for c in _jpeg(sources, dataset, network, attacker)]
    best = max(behind, key=lambda shares: float(shares.mean()))
    return best - under, bare.clean - under


def _ratio(given: Floats, taken: Floats, axis: int = -1) -> Floats:
    return np.asarray(np.sum(given, axis=axis) / np.sum(taken, axis=axis))


def share_given_back(sources: Sources, dataset: str, network: str, attacker: str) -> Effect:
    """Return the gain by the best quality as a share of the loss by FGSM, both summed."""
    return over_images(_ratio, *_given_back(sources, dataset, network, attacker))


def helps_more(sources: Sources, grey: str, colour: str, attacker: str) -> Effect:
    """Return the share given back on CIFAR-10 minus that on MNIST."""
    return between_samples(
        _ratio,
        list(_given_back(sources, "cifar10", colour, attacker)),
        list(_given_back(sources, "mnist", grey, attacker)),
    )


def falls_faster(sources: Sources) -> Effect:
    """Return LeNet right minus ResNet right on the same MNIST images, mean over eps > 0."""
    lenet, resnet = (_bare(sources, "mnist", n) for n in ("lenet", "resnet"))
    if not np.array_equal(lenet.ids, resnet.ids):
        raise Missing("LeNet and ResNet were not attacked on the same images")
    return mean_over_images(_under_attack(lenet) - _under_attack(resnet))


def _cost(sources: Sources, dataset: str, network: str) -> Floats:
    bare = _bare(sources, dataset, network).clean.astype(float)
    behind = [c.clean for c in _jpeg(sources, dataset, network, "oblivious")]
    cost: Floats = bare - np.mean(behind[: len(behind) // 2], axis=0)
    return cost


def clean_cost(sources: Sources, dataset: str, network: str) -> Effect:
    """Return right without JPEG minus right behind the lower half of the qualities, no attack."""
    return mean_over_images(_cost(sources, dataset, network))


def cost_more(sources: Sources, grey: str, colour: str) -> Effect:
    """Return that cost on CIFAR-10 minus that on MNIST."""
    sides = [_cost(sources, "cifar10", colour)], [_cost(sources, "mnist", grey)]
    return between_samples(np.mean, *sides)


def _c1(attacker: str, network: str) -> tuple[Part, ...]:
    subject = (("mnist", network),)
    measures = (
        (GAIN, "raises the accuracy", gain),
        (FALLING, "more as the quality falls", gain_as_quality_falls),
        (NOT_MUCH, "but not by much", share_given_back),
    )
    return tuple(
        Part(
            name,
            subject,
            attacker,
            rule,
            partial(of, dataset="mnist", network=network, attacker=attacker),
        )
        for rule, name, of in measures
    )


GRID_CLAIMS = (
    Claim(
        "C1",
        "JPEG raises the accuracy under FGSM on MNIST, more as the quality falls, but not by much",
        tuple(p for a in ATTACKERS for n in ("lenet", "resnet") for p in _c1(a, n)),
    ),
    Claim(
        "C2",
        "Under FGSM on MNIST, ResNet's accuracy falls faster with eps than LeNet's",
        (Part("falls faster", "LeNet and ResNet, MNIST", "", FASTER, falls_faster),),
    ),
    Claim(
        "C3",
        "JPEG costs clean accuracy as the quality falls, and more so on CIFAR-10",
        (
            *(
                Part(
                    "costs clean accuracy",
                    ((d, n),),
                    "",
                    COST,
                    partial(clean_cost, dataset=d, network=n),
                )
                for d, n in (
                    ("mnist", "lenet"),
                    ("mnist", "resnet"),
                    ("cifar10", "lenet"),
                    ("cifar10", "cnn"),
                )
            ),
            *(
                Part(
                    "more on CIFAR-10",
                    (("cifar10", c), ("mnist", g)),
                    "",
                    COST_MORE,
                    partial(cost_more, grey=g, colour=c),
                )
                for g, c in COUNTERPARTS
            ),
        ),
    ),
    Claim(
        "C4",
        "JPEG helps more on CIFAR-10 than on MNIST",
        tuple(
            Part(
                "helps more",
                (("cifar10", c), ("mnist", g)),
                a,
                HELPS_MORE,
                partial(helps_more, grey=g, colour=c, attacker=a),
            )
            for a in ATTACKERS
            for g, c in COUNTERPARTS
        ),
    ),
)

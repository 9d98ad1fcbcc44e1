"""C1 to C4: the gain and cost of JPEG, from the grid's predictions per image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from reports.claims.intervals import between_samples, mean_over_images, over_images
from reports.claims.rule import FOUR, Claim, Effect, Part, Rule, each
from reports.claims.sources import Curves, Missing, Sources

Floats = npt.NDArray[np.float64]
Place = tuple[str, str]  # a data set and a network
ATTACKERS = ("oblivious", "adaptive")
# networks of one kind on MNIST and CIFAR-10, which C3 and C4 compare
COUNTERPARTS = (("lenet", "lenet"), ("resnet", "cnn"))

GAIN = Rule("accuracy gained by JPEG, mean over eps > 0 and qualities", "above", 0)
FALLING = Rule("gain at the lower half of the qualities minus that at the upper half", "above", 0)
_BACK = "share of the accuracy that FGSM took which the best quality gives back"
NOT_MUCH = Rule(_BACK, "below", 0.5)
FASTER = Rule("accuracy of LeNet minus that of ResNet, mean over eps > 0", "above", 0)
COST = Rule("clean accuracy lost at the lower half of the qualities", "above", 0)
COST_MORE = Rule("the same loss on CIFAR-10 minus that on MNIST", "above", 0)
_MORE_BACK = "share given back by the best quality on CIFAR-10 minus that on MNIST"
HELPS_MORE = Rule(_MORE_BACK, "above", 0)


def _jpeg(
    sources: Sources, dataset: str, network: str, attacker: str, attack: str = "fgsm"
) -> list[Curves]:
    """Return the curves behind JPEG, from the lowest quality to the highest."""
    qualities = sources.qualities(dataset, network, attacker, attack)
    if len(qualities) < 2:
        raise Missing(f"the grid has fewer than two qualities of {network} on {dataset}")
    return [sources.curves(dataset, network, attacker, q, attack) for q in qualities]


def _under_attack(curves: Curves) -> Floats:
    """Return for each image the share of the eps > 0 at which it is right."""
    return np.asarray(curves.right[curves.eps > 0].mean(axis=0))


def _bare(sources: Sources, dataset: str, network: str, attack: str = "fgsm") -> Curves:
    return sources.curves(dataset, network, "oblivious", None, attack)


def gain(
    sources: Sources, dataset: str, network: str, attacker: str, attack: str = "fgsm"
) -> Effect:
    """Return right behind JPEG minus right without, mean over eps > 0, qualities and images."""
    bare = _under_attack(_bare(sources, dataset, network, attack))
    behind = [_under_attack(c) for c in _jpeg(sources, dataset, network, attacker, attack)]
    return mean_over_images(np.mean(behind, axis=0) - bare)


def gain_as_quality_falls(sources: Sources, dataset: str, network: str, attacker: str) -> Effect:
    """Return right behind the lower half of the qualities minus right behind the upper half."""
    behind = [_under_attack(c) for c in _jpeg(sources, dataset, network, attacker)]
    half = len(behind) // 2
    return mean_over_images(np.mean(behind[:half], axis=0) - np.mean(behind[-half:], axis=0))


def _given_back(
    sources: Sources, dataset: str, network: str, attacker: str, attack: str = "fgsm"
) -> tuple[Floats, Floats]:
    """Return for each image the gain by the best quality and the loss by the attack.

    Both are means over eps > 0.

    The best quality is chosen on these images, so the share is slightly too high.
    """
    bare = _bare(sources, dataset, network, attack)
    under = _under_attack(bare)
    behind = [_under_attack(c) for c in _jpeg(sources, dataset, network, attacker, attack)]
    best = max(behind, key=lambda shares: float(shares.mean()))
    return best - under, bare.clean - under


def _ratio(given: Floats, taken: Floats, axis: int = -1) -> Floats:
    whole = np.sum(taken, axis=axis)
    # of nothing taken, no share was given back
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, np.sum(given, axis=axis) / whole, np.nan)


def share_given_back(
    sources: Sources, dataset: str, network: str, attacker: str, attack: str = "fgsm"
) -> Effect:
    """Return the gain by the best quality as a share of the loss by the attack, both summed."""
    return over_images(_ratio, *_given_back(sources, dataset, network, attacker, attack))


def gives_back_more(
    sources: Sources, place: Place, than: Place, attacker: str, attack: str = "fgsm"
) -> Effect:
    """Return the share given back at one data set and network minus that at another."""
    sides = (_given_back(sources, *at, attacker, attack) for at in (place, than))
    return between_samples(_ratio, *sides)


def helps_more(sources: Sources, grey: str, colour: str, attacker: str) -> Effect:
    """Return the share given back on CIFAR-10 minus that on MNIST."""
    return gives_back_more(sources, ("cifar10", colour), ("mnist", grey), attacker)


def falls_faster(sources: Sources) -> Effect:
    """Return LeNet right minus ResNet right on the same MNIST images, mean over eps > 0."""
    lenet, resnet = (_bare(sources, "mnist", n) for n in ("lenet", "resnet"))
    if not np.array_equal(lenet.ids, resnet.ids):
        raise Missing("LeNet and ResNet were not attacked on the same images")
    return mean_over_images(_under_attack(lenet) - _under_attack(resnet))


def _cost(sources: Sources, dataset: str, network: str) -> Floats:
    bare = _bare(sources, dataset, network).clean.astype(float)
    behind = [c.clean for c in _jpeg(sources, dataset, network, "oblivious")]
    return np.asarray(bare - np.mean(behind[: len(behind) // 2], axis=0))


def clean_cost(sources: Sources, dataset: str, network: str) -> Effect:
    """Return right without JPEG minus right behind the lower half of the qualities, no attack."""
    return mean_over_images(_cost(sources, dataset, network))


def costs_more(sources: Sources, place: Place, than: Place) -> Effect:
    """Return that cost at one data set and network minus that at another."""
    return between_samples(np.mean, [_cost(sources, *place)], [_cost(sources, *than)])


def cost_more(sources: Sources, grey: str, colour: str) -> Effect:
    """Return that cost on CIFAR-10 minus that on MNIST."""
    return costs_more(sources, ("cifar10", colour), ("mnist", grey))


def _counterparts(
    name: str, rule: Rule, of: Callable[..., Effect], **arguments: str
) -> Iterator[Part]:
    """Yield a part for each two networks of one kind, CIFAR-10 compared with MNIST."""
    for grey, colour in COUNTERPARTS:
        on = (("cifar10", colour), ("mnist", grey))
        measure = partial(of, grey=grey, colour=colour, **arguments)
        yield Part(name, on, arguments.get("attacker", ""), rule, measure)


_C1 = (
    ("raises the accuracy", GAIN, gain),
    ("more as the quality falls", FALLING, gain_as_quality_falls),
    ("but not by much", NOT_MUCH, share_given_back),
)
GRID_CLAIMS = (
    Claim(
        "C1",
        "JPEG raises the accuracy under FGSM on MNIST, more as the quality falls, but not by much",
        tuple(
            part
            for attacker in ATTACKERS
            for place in FOUR[:2]
            for measured in _C1
            for part in each([place], *measured, attacker=attacker)
        ),
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
            *each(FOUR, "costs clean accuracy", COST, clean_cost),
            *_counterparts("more on CIFAR-10", COST_MORE, cost_more),
        ),
    ),
    Claim(
        "C4",
        "JPEG helps more on CIFAR-10 than on MNIST",
        tuple(
            part
            for attacker in ATTACKERS
            for part in _counterparts("helps more", HELPS_MORE, helps_more, attacker=attacker)
        ),
    ),
)

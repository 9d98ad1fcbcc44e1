"""How images should be scaled, from their range and from what a network gets right."""

from __future__ import annotations

from collections.abc import Callable

import torch

from estimators.networks.advice.repair import Repair
from estimators.networks.input_layers import Normalise

# (mean, std) by name, as recipes of the field normalise outside their networks
USUAL: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ImageNet's normalisation": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10's normalisation": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    "MNIST's normalisation": ((0.1307,), (0.3081,)),
    "pixels from -1 to 1": ((0.5,), (0.5,)),
    "pixels from 0 to 255": ((0.0,), (1 / 255,)),
}
# images that use [0, 1] have brighter pixels than this
DARKEST = 0.02


def range_fault(x: torch.Tensor) -> str | None:
    """Return what is wrong with the range of images [N, C, H, W] in [0, 1]; None for nothing."""
    low, high = float(x.min()), float(x.max())
    if low == high:
        return f"every pixel of {len(x)} images of the data is {low:g}; are they read correctly?"
    if high > DARKEST:
        return None
    seen = f"the largest pixel of {len(x)} images of the data is {high:.3g}"
    if high * 255 <= 1 + 1e-3:
        return f"{seen}, at most 1/255: were they divided by 255 twice? Multiply them by 255"
    return f"{seen}, expected images that use [0, 1]: were they scaled twice? Scale them to [0, 1]"


def better_pixels(
    x: torch.Tensor,
    hits: int,
    gain: float,
    hits_of: Callable[[torch.Tensor], int],
    may_normalise: bool,
) -> Repair | None:
    """Return how other pixels make more images right; None where none do.

    x: images [N, C, H, W], `hits` of which are right. gain: the least share of more right ones.
    hits_of: returns how many are right with other pixels. may_normalise: False leaves the usual
        normalisations out.
    """
    n = len(x)
    if hits + gain * n > n:
        return None
    seen, best, most = f"{hits} of {n} images are right as they come, in [0, 1], and", "", hits
    for name, (mean, std) in USUAL.items() if may_normalise else ():
        if len(mean) in (1, x.shape[1]):
            now = hits_of(Normalise(mean, std)(x))
            best, most = (name, now) if now > most else (best, most)
    if most - hits >= gain * n:
        means, stds = ([float(f"{v:.5g}") for v in values] for values in USUAL[best])
        return Repair(
            most,
            f"{seen} {most} with {best}: add the parameters mean={means},std={stds}, which make it"
            " the first layer, so that eps stays in pixels",
        )
    inverted = hits_of(1 - x)
    if inverted - hits >= gain * n:
        return Repair(
            inverted,
            f"{seen} {inverted} inverted: swap dark and light in the data, or begin the network's"
            " forward with 1 - x",
        )
    return None

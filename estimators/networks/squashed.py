"""Detect outputs that are probabilities or otherwise squashed, on clean and on attacked images.

Cross entropy on top of them saturates: attacks that follow its gradient stop early, and the network
looks more robust than it is. It is attacked by the margin of its outputs, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.data.images import Images, stratified_order
from estimators.outputs import MarginLoss, finite_rows

SAMPLE = 16
# attacked images are moved along the sign of the gradient by this much
SIZES = (0.0, 0.1, 0.3)
# float32 rounds a sum of a thousand probabilities in the sixth digit
ROUNDING = 1e-4


@dataclass(frozen=True)
class _Seen:
    """Outputs [N, classes] of images, clean and attacked; those with no finite outputs left out.

    vanished: at how many the gradient of cross entropy is zero in every pixel, and of the images
    alone, without the attacked ones, at how many (`clean`).
    """

    outputs: Tensor
    vanished: int
    clean: int


def squashed(network: nn.Module, images: Images) -> str | None:
    """Return what is wrong with a network's outputs, in one sentence; None for logits.

    network: in evaluation mode, on the CPU. It takes three passes with SAMPLE images at most: as
    they are, and moved by 0.1 and 0.3 along the sign of the gradient of the margin.
    """
    part = images[stratified_order(images.y, seed=0)].beginning(SAMPLE)
    seen = _look(network, torch.from_numpy(part.x), torch.from_numpy(part.y))
    if not len(seen.outputs):
        return None
    fault = _range_of(seen.outputs.double())
    if fault is None and seen.vanished:
        attacked = f" ({seen.clean} of them clean)" if seen.clean else " (attacked ones)"
        fault = (
            f"the gradient of cross entropy is zero in every pixel for {seen.vanished} of"
            f" {len(seen.outputs)} images{attacked}, since its outputs are large"
        )
    if fault is None:
        return None
    return (
        f"{fault}: cross entropy saturates on them, so every attack with gradients is repeated with"
        " the margin of the outputs, and the worse result counts; give the logits if you can"
    )


def _look(network: nn.Module, x: Tensor, y: Tensor) -> _Seen:
    """Return the outputs of images clean and attacked, and how often the gradient vanishes."""
    outputs, vanished = [], []
    direction = torch.zeros_like(x)
    for size in SIZES:
        leaf = (x + size * direction).clamp_(0, 1).requires_grad_(True)
        try:
            with torch.enable_grad():
                # a copy: some networks change their input in place
                out = network(leaf.clone())
        except Exception:
            # external code may raise anything; a run reports it where it attacks such images
            break
        with torch.enable_grad():
            of_loss = _gradient(functional.cross_entropy(out, y, reduction="sum"), leaf)
            if size == SIZES[0]:
                margin = MarginLoss()
                margin.reduction = "sum"
                direction = _gradient(margin(out, y), leaf).nan_to_num().sign()
        finite = finite_rows(out.detach())
        outputs.append(out.detach()[finite])
        vanished.append(int((of_loss == 0).flatten(1).all(1)[finite].sum()))
    if not outputs:
        return _Seen(torch.empty(0, 0), 0, 0)
    return _Seen(torch.cat(outputs), sum(vanished), vanished[0])


def _gradient(value: Tensor, leaf: Tensor) -> Tensor:
    """Return the gradient of a value that is kept, NaN where nothing leads to the images."""
    if not value.requires_grad:
        return torch.full_like(leaf, torch.nan)
    (gradient,) = torch.autograd.grad(value, leaf, retain_graph=True, allow_unused=True)
    return torch.full_like(leaf, torch.nan) if gradient is None else gradient


def _range_of(outputs: Tensor) -> str | None:
    """Return in which bounds outputs [N, classes] lie; None where there are none."""
    low, high = float(outputs.min()), float(outputs.max())
    sums = outputs.sum(dim=1)
    total = float(sums.mean())
    equal = bool(((sums - total).abs() <= ROUNDING * total).all())
    if equal and outputs.shape[1] > 1 and low >= -ROUNDING * total:
        what = "probabilities" if abs(total - 1) <= ROUNDING else "probabilities times a factor"
        return f"its outputs are {what} (each image's sum to {total:.4g})"
    for bound in (0.0, -1.0):
        if low >= bound - ROUNDING and high <= 1 + ROUNDING:
            return f"its outputs lie in [{bound:g}, 1], as those of a sigmoid or tanh do"
    return None

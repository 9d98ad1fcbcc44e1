"""Detect outputs that are probabilities or otherwise squashed, on clean and on attacked images.

Cross entropy on top of them saturates: attacks that follow its gradient stop early, and the network
looks more robust than it is. Of outputs that hardly differ it is nearly linear: its gradient leads
away from the label, but to the mean of all classes and not to the nearest one. Such networks are
attacked by the margin of their outputs, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.autograd import ends_squashed
from estimators.data.choice import stratified_order
from estimators.data.images import Images
from estimators.interrupts import contained
from estimators.networks.running.image_gradients import frozen_weights, image_gradients
from estimators.outputs import MarginLoss, finite_rows

SAMPLE = 16
# attacked images are moved along the sign of the gradient by this much
SIZES = (0.0, 0.1, 0.3)
# float32 rounds a sum of a thousand probabilities in the sixth digit
ROUNDING = 1e-4
# share of the range that counts as close to its end
NEAR = 0.05
# share of outputs that equal the least or the largest one
CUT = 0.1
# logits of a trained network make the softmax surer than this for some image
SURE = 0.5


@dataclass(frozen=True)
class _Seen:
    """Outputs [N, classes] of images, clean and attacked; those with no finite outputs left out.

    layer: the squashing function that the network ends with; "" for another end.
    vanished: at how many the gradient of cross entropy is zero, in its L2 norm at a clean image and
    in every output of an attacked one; of the clean ones alone, at how many (`clean`).
    hits: how many of the clean ones are right.
    """

    outputs: Tensor
    layer: str
    vanished: int
    clean: int
    hits: int


def squashed(network: nn.Module, images: Images, batch: int = SAMPLE) -> str | None:
    """Return what is wrong with a network's outputs, in one sentence; None for logits.

    network: in evaluation mode, on the CPU. It takes three passes with SAMPLE images at most: as
    they are, and moved by 0.1 and 0.3 along the sign of the gradient of the margin.
    batch: images per pass at most.
    """
    part = images[stratified_order(images.y, seed=0)].beginning(SAMPLE)
    split = (torch.from_numpy(array).split(batch) for array in (part.x, part.y))
    looks = [_look(network, *pair) for pair in zip(*split, strict=True)]
    outputs = [look.outputs for look in looks if len(look.outputs)]
    if not outputs:
        return None
    counts = (sum(getattr(look, name) for look in looks) for name in ("vanished", "clean", "hits"))
    seen = _Seen(torch.cat(outputs), looks[0].layer, *counts)
    fault = _range_of(seen.outputs.double())
    if fault is None and seen.layer:
        article = "an" if seen.layer[0] in "aeiou" else "a"
        fault = f"its outputs come from {article} {seen.layer}"
    if fault is None and seen.vanished:
        attacked = f" ({seen.clean} of them clean)" if seen.clean else " (attacked ones)"
        fault = (
            f"the gradient of cross entropy is zero for {seen.vanished} of"
            f" {len(seen.outputs)} images{attacked}, since its outputs are large"
        )
    why = "cross entropy saturates on them"
    if fault is None and (most := _unsure(seen, len(part.y))) is not None:
        fault = f"the softmax of its outputs gives no class more than {most:.2g}"
        why = "cross entropy follows the mean of all other classes and not the nearest one"
    if fault is None:
        return None
    return (
        f"{fault}: {why}, so every attack with gradients is repeated with"
        " the margin of the outputs, and the worse result counts; give the logits if you can"
    )


def _unsure(seen: _Seen, count: int) -> float | None:
    """Return the largest value of the softmax of all outputs seen, if it is below SURE.

    count: number of clean images. None for a network that is at chance, untrained perhaps, and for
    two classes, of which the other one is the nearest.
    """
    chance = 1 / seen.outputs.shape[1]
    most = float(seen.outputs.double().softmax(dim=1).max())
    trained = seen.hits / count > chance + 2 * math.sqrt(chance * (1 - chance) / count)
    return most if trained and most < SURE and seen.outputs.shape[1] > 2 else None


def _look(network: nn.Module, x: Tensor, y: Tensor) -> _Seen:
    """Return the outputs of images clean and attacked, and how often the gradient vanishes."""
    outputs, vanished, layer, hits = [], [], "", 0
    direction = torch.zeros_like(x)
    for size in SIZES:
        clean = size == SIZES[0]
        leaf = (x + size * direction).clamp_(0, 1).requires_grad_(clean)
        try:
            with contained(), torch.set_grad_enabled(clean):
                with frozen_weights(network), image_gradients(x):
                    # a copy: some networks change their input in place
                    out = network(leaf.clone())
                if clean:
                    layer, margin = ends_squashed(out), MarginLoss()
                    margin.reduction = "sum"
                    direction = _gradient(margin(out, y), leaf, keep=True).nan_to_num().sign()
                    of_loss = _gradient(functional.cross_entropy(out, y, reduction="sum"), leaf)
        except Exception:
            # external code may raise anything; a run reports it where it attacks such images
            break
        out = out.detach()
        finite = finite_rows(out)
        if clean:
            hits = int((out.argmax(1) == y)[finite].sum())
            # in float32 the squares of small values are zero: such an image does not move in L2
            zero = of_loss.flatten(1).norm(dim=1, keepdim=True) == 0
        else:
            # of the loss at the outputs, which needs no pass backward
            zero = out.softmax(1) == functional.one_hot(y, out.shape[1])
        outputs.append(out[finite])
        vanished.append(int(zero.all(1)[finite].sum()))
    if not outputs:
        return _Seen(torch.empty(0, 0), "", 0, 0, 0)
    return _Seen(torch.cat(outputs), layer, sum(vanished), vanished[0], hits)


def _gradient(value: Tensor, leaf: Tensor, keep: bool = False) -> Tensor:
    """Return the gradient of a value, NaN where nothing leads to the images.

    keep: whether another gradient through the same pass follows. Without it the activations are
    freed: those of two passes at once were the peak memory of a run at 224 pixels.
    """
    if not value.requires_grad:
        return torch.full_like(leaf, torch.nan)
    (gradient,) = torch.autograd.grad(value, leaf, retain_graph=keep, allow_unused=True)
    return torch.full_like(leaf, torch.nan) if gradient is None else gradient


def _range_of(outputs: Tensor) -> str | None:
    """Return in which bounds outputs [N, classes] lie; None where there are none."""
    low, high = float(outputs.min()), float(outputs.max())
    if low == high:
        return None
    sums = outputs.sum(dim=1)
    total = float(sums.mean())
    equal = bool(((sums - total).abs() <= ROUNDING * total).all())
    if equal and outputs.shape[1] > 1 and low >= -ROUNDING * total:
        what = "probabilities" if abs(total - 1) <= ROUNDING else "probabilities times a factor"
        return f"its outputs are {what} (each image's sum to {total:.4g})"
    for bound in (0.0, -1.0):
        near = NEAR * (1 - bound)
        # logits may be small; what is squashed comes close to both ends
        if bound - ROUNDING <= low <= bound + near and 1 - near <= high <= 1 + ROUNDING:
            return f"its outputs lie in [{bound:g}, 1], as those of a sigmoid or tanh do"
    for bound in (low, high):
        # logits of several images are never equal
        if float((outputs == bound).double().mean()) > CUT:
            return f"many of its outputs are exactly {bound:.4g}, as those of a clamp or ReLU are"
    return None

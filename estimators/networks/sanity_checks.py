"""Checks on an external network: the usual faults, and how to fix them.

A fault that makes every number meaningless raises InputError; one that may be intended is a
warning. Users of attack libraries report most of them (foolbox 74; ART 75 and 484; torchattacks
75).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import nn
from torch.nn import functional

from estimators.data.images import Images, stratified_order
from estimators.errors import InputError
from estimators.networks.input_layers import Normalise, normalised
from estimators.plugins import describe_error

SAMPLE = 125
GRADIENT_SAMPLE = 16
# batches of another size may round differently, in the sixth digit
ROUNDING = 1e-3
# an untrained network gains up to a sixth by luck
GAIN, GAIN_OVER_CHANCE = 0.1, 0.25
SIZES = (28, 32, 64, 96, 128, 224, 299)
# (mean, std) by name, as recipes of the field normalise outside their networks
USUAL: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ImageNet's normalisation": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CIFAR-10's normalisation": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    "MNIST's normalisation": ((0.1307,), (0.3081,)),
    "pixels from -1 to 1": ((0.5,), (0.5,)),
    "pixels from 0 to 255": ((0.0,), (1 / 255,)),
}


@dataclass(frozen=True)
class ProbedModel:
    """A network and its outputs for some images.

    network: in evaluation mode, as it is attacked.
    name: for messages.
    x: images [N, C, H, W].
    y: their classes [N].
    out: the outputs [N, classes].
    """

    network: nn.Module
    name: str
    x: torch.Tensor
    y: torch.Tensor
    out: torch.Tensor

    def off(self, n: int) -> float:
        """Return how far the first n outputs are off when computed again; 0.0 for rounding."""
        off = float((_outputs(self.network, self.x[:n]) - self.out[:n]).abs().max())
        return off if off > ROUNDING * (float(self.out.std()) + 1e-12) else 0.0

    def fault(self, text: str) -> InputError:
        """Return the error that names this network."""
        return InputError(f"network {self.name}: {text}")


def probe(network: nn.Module, images: Images, name: str) -> ProbedModel:
    """Run a network on images of every class; InputError where it does not take them."""
    check_fit(network, images.shape, len(images.classes), name)
    part = images[stratified_order(images.y, seed=0)].beginning(SAMPLE)
    x, y = torch.from_numpy(part.x), torch.from_numpy(part.y)
    return ProbedModel(network, name, x, y, _outputs(network, x))


def check_wrapped(network: nn.Module, images: Images, name: str) -> list[str]:
    """Run every check on an external network; return the warnings, one line each.

    Raises InputError for the first fault that makes numbers meaningless.
    """
    still_training(network, name)
    probed = probe(network, images, name)
    return [text for check in CHECKS if (text := check(probed)) is not None]


def check_fit(network: nn.Module, shape: tuple[int, int, int], classes: int, name: str) -> None:
    """Raise InputError unless a network takes such images and returns logits of these classes."""
    try:
        out = _outputs(network, torch.full((2, *shape), 0.5))
    except Exception as error:
        # external code may raise anything
        raise InputError(
            f"network {name}: does not take images of shape {list(shape)}"
            f" ({describe_error(error)}){_what_fits(network, shape)}"
        ) from error
    if not isinstance(out, torch.Tensor):
        expected = "expected one tensor of logits [images, classes] from it"
        raise InputError(f"network {name}: {expected}, got {type(out).__name__}")
    if tuple(out.shape) != (2, classes):
        raise InputError(
            f"network {name}: returns an output of shape {list(out.shape[1:])},"
            f" the data have {classes} classes; its last layer must have one logit per class"
        )


def still_training(network: nn.Module, name: str) -> None:
    """Raise InputError for batch norm or dropout that stays in training mode after `eval()`."""
    network.eval()
    kinds = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
    left = [at for at, m in network.named_modules() if isinstance(m, kinds) and m.training]
    if left:
        raise InputError(
            f"network {name}: {left[0] or 'its layer'} stays in training mode after eval();"
            " does a module override train() or eval()? Call super's"
        )


def finite(probed: ProbedModel) -> None:
    """Refuse NaN and infinite outputs."""
    bad = int((~torch.isfinite(probed.out)).any(dim=1).sum())
    if bad:
        raise probed.fault(
            f"returns NaN or infinite outputs for {bad} of {len(probed.out)} images; are its"
            " weights whole, and does it take pixels in [0, 1]?"
        )


def logits(probed: ProbedModel) -> str | None:
    """Refuse probabilities in place of logits, warn of log-probabilities."""
    out = probed.out.double()
    inside = bool(out.min() >= -1e-4) and bool(out.max() <= 1 + 1e-4)
    if inside and bool(((out.sum(dim=1) - 1).abs() <= 1e-3).all()):
        raise probed.fault(
            "returns probabilities (each image's sum to 1), expected logits: a loss on top of a"
            " softmax flattens the gradient and flatters the network; leave the softmax out"
        )
    if bool((out.logsumexp(dim=1).abs() <= 1e-3).all()):
        return (
            "returns log-probabilities: cross entropy and margins are the same as on logits, but"
            " what log_softmax rounds away is gone; leave it out if you can"
        )
    return None


def repeatable(probed: ProbedModel) -> None:
    """Refuse outputs that differ from call to call."""
    if off := probed.off(len(probed.x)):
        raise probed.fault(
            f"returns other outputs when it is called again (they differ by up to {off:.2g}):"
            " functional.dropout needs training=self.training; what is random on purpose"
            " belongs into a defence"
        )


def one_by_one(probed: ProbedModel) -> None:
    """Refuse outputs of an image that depend on the other images of its batch."""
    few = min(4, len(probed.x) - 1)
    if few > 0 and (off := probed.off(few)):
        raise probed.fault(
            f"an image's output depends on its batch (it differs by up to {off:.2g}): batch norm"
            " works with batch statistics; it needs track_running_stats=True, or training=False"
            " in functional.batch_norm"
        )


def gradients(probed: ProbedModel) -> str | None:
    """Refuse gradients that are cut off, all zero or not finite; warn of single zeros."""
    x = probed.x[:GRADIENT_SAMPLE].clone().requires_grad_(True)
    y = probed.y[:GRADIENT_SAMPLE]
    with torch.enable_grad():
        out = probed.network(x)
        of_loss = _gradient(functional.cross_entropy(out, y, reduction="sum"), x)
        if of_loss is None:
            raise probed.fault(
                "no gradient reaches the image: look in forward for detach(), no_grad(), .data,"
                " numpy or argmax"
            )
        # weights that no sum cancels, so that a saturated loss differs from a cut gradient
        weights = torch.linspace(1.0, 2.0, out.shape[1])
        of_logits = _gradient((probed.network(x) * weights).sum(), x)
    if not bool(torch.isfinite(of_loss).all()):
        raise probed.fault("its gradient has NaN or infinite values; is a sqrt or log taken at 0?")
    zero = int((of_loss == 0).flatten(1).all(dim=1).sum())
    if zero == len(x) and (of_logits is None or not bool(of_logits.any())):
        raise probed.fault(
            "its gradient is zero in every pixel: look in forward for rounding, sign or a"
            " comparison; an attack that follows gradients cannot move such an image"
        )
    if zero:
        return (
            f"the loss gradient is zero in every pixel for {zero} of {len(x)} images: the loss"
            " saturates, which flatters the network; scale its logits down"
        )
    return None


def pixels(probed: ProbedModel) -> str | None:
    """Warn of accuracy at chance, and of a missing normalisation; refuse both together."""
    n, hits = len(probed.y), _hits(probed.out, probed.y)
    chance = 1 / probed.out.shape[1]
    near = hits / n <= chance + 2 * math.sqrt(chance * (1 - chance) / n)
    best, better = "", hits
    # one that the network has as a layer already was chosen by its user
    if not any(isinstance(m, Normalise) for m in probed.network.modules()):
        best, better = _best_normalisation(probed, hits)
    if better - hits >= (GAIN_OVER_CHANCE if near else GAIN) * n:
        mean, std = ([float(f"{v:.5g}") for v in values] for values in USUAL[best])
        text = (
            f"{hits} of {n} images are right as they come, in [0, 1], and {better} with {best}:"
            f" add the parameters mean={mean},std={std}, which make it the first layer, so that"
            " eps stays in pixels"
        )
        if near:
            raise probed.fault(text)
        return text
    if near:
        return (
            f"{hits} of {n} images are right, which is chance: is it trained, and are its classes"
            " in the order of the data's?"
        )
    return None


Check = Callable[[ProbedModel], str | None]
CHECKS: tuple[Check, ...] = (finite, logits, repeatable, one_by_one, gradients, pixels)


def _outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    # not inference_mode: what a network keeps from a call must work with gradients later
    with torch.no_grad():
        out: torch.Tensor = network(x)
    return out


def _gradient(value: torch.Tensor, x: torch.Tensor) -> torch.Tensor | None:
    if not value.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(value, x, allow_unused=True)
    return gradient


def _hits(out: torch.Tensor, y: torch.Tensor) -> int:
    return int((out.argmax(dim=1) == y).sum())


def _best_normalisation(probed: ProbedModel, hits: int) -> tuple[str, int]:
    best, most = "", hits
    channels = probed.x.shape[1]
    for name, (mean, std) in USUAL.items():
        if len(mean) in (1, channels):
            layered = normalised(probed.network, mean, std, channels, probed.name)
            now = _hits(_outputs(layered, probed.x), probed.y)
            best, most = (name, now) if now > most else (best, most)
    return best, most


def _what_fits(network: nn.Module, shape: tuple[int, int, int]) -> str:
    """Return a hint on another number of channels or another size that the network takes."""
    channels = shape[0]
    sizes = [shape[1:], *((side, side) for side in SIZES)]
    for (height, width), count in product(sizes, (channels, 3 if channels == 1 else 1)):
        if (count, height, width) == shape:
            continue
        try:
            _outputs(network, torch.full((2, count, height, width), 0.5))
        except Exception:
            continue
        what = f"it takes {count} x {height} x {width}"
        if count != channels:
            needed = "1 channel" if channels == 1 else f"{channels} channels"
            return f"; {what}: build it for {needed}, or give it such images"
        return f"; {what}: build it for this size, or let it resize in its forward"
    return ""

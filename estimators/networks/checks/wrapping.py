"""Checks on an external network: the usual faults, and how to fix them.

A fault that makes every number meaningless raises InputError; one that may be intended is a
warning. Users of attack libraries report most of them (foolbox 74; ART 75 and 484; torchattacks
75).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor, nn

from estimators.data.choice import stratified_order
from estimators.data.images import Images
from estimators.errors import InputError, NetworkError
from estimators.networks.advice.class_order import order_hint
from estimators.networks.advice.mismatch import is_mismatch
from estimators.networks.advice.pixels import better_pixels, range_fault
from estimators.networks.advice.shapes import what_fits, what_is_inside, what_is_over
from estimators.networks.checks.misleading import misleading
from estimators.networks.checks.probed import LEAST, SAMPLE, ProbedModel, hits_of, outputs_of
from estimators.networks.input_layers import Normalise
from estimators.outputs import finite_rows
from estimators.plugins import describe_error

# share of images with NaN outputs up to which the others are worth a number
FEW = 0.1
# least share of more right images that shows how pixels should be; over chance it is above what an
# untrained network gains by luck, which for few images is so many standard deviations
GAIN, GAIN_OVER_CHANCE, DEVIATIONS = 0.1, 0.25, 3.0


class Unusable(NetworkError):
    """A network whose own code raises for every image that it is given."""


def probe(
    network: nn.Module, images: Images, name: str, sample: int = SAMPLE, batch: int = SAMPLE
) -> ProbedModel:
    """Run a network on images of every class; InputError where it does not take them, or has one.

    sample: number of images. batch: images per pass at most.
    """
    _check_fit_of_some(network, images, name)
    check_choice(len(images.classes), name)
    part = images[stratified_order(images.y, seed=0)].beginning(sample)
    x, y = torch.from_numpy(part.x), torch.from_numpy(part.y)
    out = outputs_of(network, x, batch)
    return ProbedModel(network, name, x, y, out, images.classes, batch)


def check_wrapped(
    network: nn.Module, images: Images, name: str, sample: int = SAMPLE, batch: int = SAMPLE
) -> dict[str, str]:
    """Run every check on an external network; return the warnings, a line by name of the check.

    A sound network is run twice on `sample` images, and on LEAST forward and backward and once
    more forward.

    sample: number of images. batch: images per pass at most.

    Raises InputError for the first fault that makes numbers meaningless, NetworkError for a network
    that raises for some of the images, and Unusable for one that raises for all.
    """
    still_training(network, name)
    probed = probe(network, images, name, sample, batch)
    told = {check.__name__: check(probed) for check in CHECKS}
    return {name: text for name, text in told.items() if text is not None}


def check_fit(network: nn.Module, shape: tuple[int, int, int], classes: int, name: str) -> None:
    """Raise InputError unless a network takes such images and returns logits of these classes.

    It is Unusable where the network's own code raised, whatever the shape of the images; an error
    of torch about shapes is none of its own code.
    """
    try:
        out = outputs_of(network, torch.full((2, *shape), 0.5))
    except Exception as error:
        # external code may raise anything
        advice = what_fits(network, shape, error)
        if isinstance(error, NetworkError) and not advice and not is_mismatch(error):
            raise Unusable(name, error.reason) from error
        raise InputError(
            f"network {name}: does not take images of shape {list(shape)}"
            f" ({describe_error(error)}){advice}"
        ) from error
    if not isinstance(out, torch.Tensor):
        expected = "expected one tensor of logits [images, classes] from it"
        raise InputError(
            f"network {name}: {expected}, got {type(out).__name__}{what_is_inside(out)}"
        )
    if tuple(out.shape) != (2, classes):
        raise InputError(
            f"network {name}: returns an output of shape {list(out.shape[1:])},"
            f" the data have {classes} classes; its last layer must have one logit per class"
            f"{what_is_over(out.shape, classes)}"
        )


def check_choice(classes: int, name: str) -> None:
    """Raise InputError for a network that has one output: there is nothing that it could mistake.

    Data of one class may be attacked on a network of more.
    """
    if classes == 1:
        raise InputError(
            f"network {name}: has one output, and the data have one class, so that no attack can"
            " change its answer; give images of several classes, or a network of several outputs"
        )


def _check_fit_of_some(network: nn.Module, images: Images, name: str) -> None:
    """Raise InputError as `check_fit`, but let a network pass that takes one of the images."""
    try:
        check_fit(network, images.shape, len(images.classes), name)
    except InputError:
        for at in range(min(LEAST, len(images))):
            with suppress(Exception):
                out = outputs_of(network, torch.from_numpy(images[at : at + 1].x))
                if tuple(out.shape) == (1, len(images.classes)):
                    return
        raise


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


def finite(probed: ProbedModel) -> str | None:
    """Refuse NaN and infinite outputs of more than a few images, warn of those of a few."""
    bad, n = int((~finite_rows(probed.out)).sum()), len(probed.out)
    text = f"returns NaN or infinite outputs for {bad} of {n} images"
    if bad > FEW * n:
        raise probed.fault(f"{text}; are its weights whole, and does it take pixels in [0, 1]?")
    return f"{text}: they count as wrong" if bad else None


def logits(probed: ProbedModel) -> str | None:
    """Warn of log-probabilities; `networks.checks.squashed` finds probabilities."""
    if bool((probed.out.double().logsumexp(dim=1).abs() <= 1e-3).all()):
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
            f"an image's output depends on its batch (it differs by up to {off:.2g}): look in"
            " forward for batch norm with batch statistics (it needs track_running_stats=True, or"
            " training=False in functional.batch_norm), a mean or maximum over all images,"
            " dynamic quantisation, or noise with a seed of its own"
        )


def gradients(probed: ProbedModel) -> str | None:
    """Refuse gradients that are cut off, all zero or never finite; warn of NaN in some.

    `networks.checks.squashed` warns of single zeros.
    """
    of_loss = probed.loss_gradient
    if of_loss is None:
        raise probed.fault(
            "no gradient reaches the image: look in forward for detach(), no_grad(), .data,"
            " numpy or argmax"
        )
    bad, n = int((~torch.isfinite(of_loss)).flatten(1).any(dim=1).sum()), len(of_loss)
    if bad:
        text = f"its gradient has NaN or infinite values for {bad} of {n} images; is a sqrt or"
        text += " log taken at 0?"
        if bad == n:
            raise probed.fault(text)
        return text
    if bool(of_loss.any()):
        return None
    # a saturated loss differs from a cut gradient in the outputs themselves
    of_outputs = probed.gradient(_no_sum_cancels)
    if of_outputs is None or not bool(of_outputs.any()):
        raise probed.fault(
            "its gradient is zero in every pixel: look in forward for rounding, sign or a"
            " comparison; an attack that follows gradients cannot move such an image"
        )
    return None


def _no_sum_cancels(out: Tensor, y: Tensor) -> Tensor:
    return (out * torch.linspace(1.0, 2.0, out.shape[1])).sum()


def pixels(probed: ProbedModel) -> str | None:
    """Warn of accuracy at chance, of data that are scaled or ordered otherwise than expected.

    Refuse data or a normalisation that leave the network at chance; of fewer images than LEAST,
    which may be so by luck, warn. Of other pixels and another order, tell what makes more right.
    """
    n, hits = len(probed.y), hits_of(probed.out, probed.y)
    chance = 1 / probed.out.shape[1]
    deviation = math.sqrt(chance * (1 - chance) / n)
    near = hits / n <= chance + 2 * deviation
    text = range_fault(probed.x)
    order = order_hint(probed.out.argmax(dim=1).numpy(), probed.y.numpy(), probed.classes)
    if text is None:
        # one that the network has as a layer already was chosen by its user
        layer = any(isinstance(m, Normalise) for m in probed.network.modules())
        luck = max(GAIN_OVER_CHANCE, DEVIATIONS * math.sqrt(2) * deviation)
        # other pixels that swap two classes bring what is below chance above it
        gain = luck + max(0.0, chance - hits / n) if near else GAIN
        better = better_pixels(probed.x, hits, gain, probed.hits, may_normalise=not layer)
        # other pixels change some answers by luck where the order of the classes is the fault
        if better is not None and (order is None or better.right >= order.right):
            text = better.text
    if text is not None and near and n >= LEAST:
        raise probed.fault(text)
    if text is not None:
        return text
    right = "images are right, which is chance" if near else "images are right"
    if order is not None:
        return f"{hits} of {n} {right}; {order.text}; reorder the data's classes"
    if near:
        return f"{hits} of {n} {right}: is it trained, and are its classes in the data's order?"
    return None


Check = Callable[[ProbedModel], str | None]
CHECKS: tuple[Check, ...] = (
    finite, logits, repeatable, one_by_one, gradients, misleading, pixels,
)  # fmt: skip

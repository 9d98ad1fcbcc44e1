"""Whether a network takes images of a shape and returns logits of their classes; what it takes."""

from __future__ import annotations

import re
from itertools import product

import torch
from torch import nn

from estimators.errors import InputError
from estimators.plugins import describe_error

SIZES = (28, 32, 64, 96, 128, 224, 299)
# how a program of torch.export refuses another number of images
_FIXED = re.compile(r"Guard failed: \w+\.size\(\)\[0\]|\.shape\[0\] to be")


def outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what a network returns for images [N, C, H, W], without gradients."""
    # not inference_mode: what a network keeps from a call must work with gradients later
    with torch.no_grad():
        out: torch.Tensor = network(x)
    return out


def check_fit(network: nn.Module, shape: tuple[int, int, int], classes: int, name: str) -> None:
    """Raise InputError unless a network takes such images and returns logits of these classes."""
    try:
        out = outputs(network, torch.full((2, *shape), 0.5))
    except Exception as error:
        # external code may raise anything
        raise InputError(
            f"network {name}: does not take images of shape {list(shape)}"
            f" ({describe_error(error)}){_what_fits(network, shape, error)}"
        ) from error
    if not isinstance(out, torch.Tensor):
        expected = "expected one tensor of logits [images, classes] from it"
        raise InputError(f"network {name}: {expected}, got {type(out).__name__}")
    if tuple(out.shape) != (2, classes):
        raise InputError(
            f"network {name}: returns an output of shape {list(out.shape[1:])},"
            f" the data have {classes} classes; its last layer must have one logit per class"
            f"{_what_is_over(out, classes)}"
        )


def _what_is_over(out: torch.Tensor, classes: int) -> str:
    """Return a hint on more outputs than classes."""
    count = out.shape[1] if out.dim() == 2 else 0
    if count == classes + 1:
        return "; is the first of its outputs a background class? Return out[:, 1:] then"
    return ""


def _what_fits(network: nn.Module, shape: tuple[int, int, int], error: Exception) -> str:
    """Return a hint on another number of channels or another size that the network takes."""
    if _FIXED.search(str(error)):
        return (
            "; it was exported for one number of images: give torch.export.export"
            " dynamic_shapes=({0: torch.export.Dim.AUTO},)"
        )
    channels = shape[0]
    sizes = [shape[1:], *((side, side) for side in SIZES)]
    for (height, width), count in product(sizes, (channels, 3 if channels == 1 else 1)):
        if (count, height, width) == shape:
            continue
        try:
            outputs(network, torch.full((2, count, height, width), 0.5))
        except Exception:
            continue
        what = f"it takes {count} x {height} x {width}"
        if count != channels:
            needed = "1 channel" if channels == 1 else f"{channels} channels"
            return f"; {what}: build it for {needed}, or give it such images"
        return f"; {what}: build it for this size, or let it resize in its forward"
    return ""

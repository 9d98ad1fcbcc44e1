"""What a network takes and returns that does not fit the data, and what it would take."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import torch
from torch import nn

from estimators.networks.advice.mismatch import scaled_size

SIZES = (8, 16, 28, 32, 48, 64, 96, 128, 224, 256, 299)
# outputs of a dict or tuple that a message names, at most
NAMED = 4
# how a program of torch.export refuses another number of images
_FIXED = re.compile(r"Guard failed: \w+\.size\(\)\[0\]|\.shape\[0\] to be")


def what_is_over(shape: tuple[int, ...], classes: int) -> str:
    """Return a hint on outputs [N, classes] with one more than the classes; "" for others."""
    if len(shape) == 2 and shape[1] == classes + 1:
        return "; is the first of its outputs a background class? Return out[:, 1:] then"
    return ""


def what_is_inside(out: Any) -> str:
    """Return a hint on the tensors of a dict, tuple or list of outputs; "" for anything else."""
    if isinstance(out, dict):
        named = [(ascii(name), value) for name, value in out.items()]
    elif isinstance(out, (tuple, list)):
        named = [(f"[{at}]", value) for at, value in enumerate(out)]
    else:
        return ""
    shapes = [
        f"{name} of shape {list(value.shape)}"
        for name, value in named[:NAMED]
        if isinstance(value, torch.Tensor)
    ]
    return f" with {', '.join(shapes)}; return the logits alone" if shapes else ""


def what_fits(network: nn.Module, shape: tuple[int, int, int], error: Exception) -> str:
    """Return a hint on another number of channels or another size that the network takes."""
    if _FIXED.search(str(error)):
        return (
            "; it was exported for one number of images: give torch.export.export"
            " dynamic_shapes=({0: torch.export.Dim.AUTO},)"
        )
    channels = shape[0]
    usual = [(side, side) for side in SIZES]
    found = scaled_size(shape, error)
    sizes = [shape[1:], *usual] if found is None else [shape[1:], found, *usual]
    for (height, width), count in product(sizes, (channels, 3 if channels == 1 else 1)):
        if (count, height, width) == shape:
            continue
        try:
            with torch.no_grad():
                network(torch.full((2, count, height, width), 0.5))
        except Exception:
            continue
        what = f"it takes {count} x {height} x {width}"
        if count != channels:
            needed = "1 channel" if channels == 1 else f"{channels} channels"
            return f"; {what}: build it for {needed}, or give it such images"
        return f"; {what}: build it for this size, or let it resize in its forward"
    return ""

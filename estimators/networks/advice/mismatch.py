"""Errors of layers that do not take images of a shape, and the size that follows from them."""

from __future__ import annotations

import math
import re

from estimators.plugins import describe_error

# the largest size that is tried, in pixels
LARGEST = 299
# how torch, torchvision and timm say that a layer does not take this size or number of channels
_MISMATCH = re.compile(
    r"shapes cannot be multiplied"
    r"|[Ss]izes? of tensors? .*must match"
    r"|is invalid for input of size"
    r"|expected input.* to have \d+ channels"
    r"|normalized_shape=.*expected input with shape"
    r"|running_mean should contain"
    r"|size equal to the number of channels in input"
    r"|match num_features"
    r"|Kernel size can't be greater than actual input size"
    r"|Output size is too small"
    r"|Padding size should be less than"
    r"|size of the tensor .*must match the existing size"
    r"|doesn't match the broadcast shape"
    r"|Expected size for first two dimensions of batch2"
    r"|does not broadcast with previously seen size"
    r"|don't multiply up to the size of dim"
    r"|size mismatch, got input"
    r"|Wrong image (height|width)!"
    r"|Input (height|width|image size) \(.*doesn't match model"
)
# features of an image that a layer got and takes: of a product, and of a reshape of two images
_PRODUCT = re.compile(r"multiplied \(2x(?P<got>\d+) and (?P<wanted>\d+)x\d+\)")
_RESHAPE = re.compile(
    r"shape '\[-1, (?P<wanted>[\d, ]+)\]' is invalid for input of size (?P<got>\d+)"
)


def is_mismatch(error: Exception) -> bool:
    """Return whether an error says that a layer does not take images of this shape."""
    return bool(_MISMATCH.search(describe_error(error)))


def scaled_size(shape: tuple[int, int, int], error: Exception) -> tuple[int, int] | None:
    """Return height and width at which a dense layer gets as many features as it takes.

    It holds for padded convolutions. None where the error does not tell.

    shape: of the images that were refused, [C, H, W], two at a time.
    """
    text = describe_error(error)
    if found := _PRODUCT.search(text):
        got, wanted = float(found["got"]), float(found["wanted"])
    elif found := _RESHAPE.search(text):
        got = int(found["got"]) / 2
        wanted = float(math.prod(int(n) for n in found["wanted"].split(",")))
    else:
        return None
    if got == 0:
        return None
    height, width = (round(side * math.sqrt(wanted / got)) for side in shape[1:])
    fits = min(height, width) > 0 and max(height, width) <= LARGEST
    return (height, width) if fits else None

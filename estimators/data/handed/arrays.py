"""Images from arrays and tensors of a caller: layouts, grey levels and labels as they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from estimators.data.images import Images, as_levels, checked_images
from estimators.data.labels import AnyArray
from estimators.errors import InputError
from estimators.plugins import describe_error

# what a normalised float image is brought to
REMEDY = (
    "divide by 255, or leave the normalisation out of the data and pass its numbers as mean= and"
    " std="
)


def from_arrays(
    x: Any,
    y: Any,
    classes: Sequence[str] | None,
    where: str,
    span: tuple[float, float] = (0.0, 1.0),
) -> Images:
    """Return images and labels as they stand in arrays, tensors or lists.

    x: [N, H, W], [N, C, H, W] or [N, H, W, C] with 1 or 3 channels: uint8, other integers from 0 to
        255, or floats within `span`; or a list of PIL images. y: as `labels.checked_labels` reads
        it, or texts that are among the classes.
    classes: the names of the classes in the order of the network's outputs; None to number them.
    span: the smallest and the largest value of a float pixel.

    Raises InputError that begins with `where` for other values.
    """
    names = None if classes is None else class_names(classes, where)
    pixels = _pixels(x, where, span)
    labels = as_array(y, f"{where}: y")
    counts = [array.shape[0] if array.shape else 0 for array in (pixels, labels)]
    if counts[0] != counts[1]:
        raise InputError(f"{where}: x has {counts[0]} images, y has {counts[1]} labels")
    return checked_images(pixels, _numbers(labels, names, where), _ids(labels), names, where)


def with_class_names(images: Images, classes: Sequence[str] | None, where: str) -> Images:
    """Return images with other names of their classes; as they are where none are given."""
    if classes is None:
        return images
    names = class_names(classes, where)
    named = checked_images(images.pixels, images.y, images.ids, names, where)
    return Images(images.pixels, images.y, images.ids, names, named.class_source, images.notes)


def class_names(classes: Sequence[str], where: str) -> tuple[str, ...]:
    """Return names of classes; InputError for a text, for no name, and for a name that is twice."""
    if isinstance(classes, str) or not classes:
        raise InputError(f"{where}: expected classes to be a list of names, got {classes!r}")
    names = tuple(map(str, classes))
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise InputError(f"{where}: two classes have the name {twice!r}")
    return names


def as_array(value: Any, what: str) -> AnyArray:
    """Return a tensor, an array or a list as an array; InputError for anything else.

    A list may hold tensors, arrays and PIL images of one shape. A tensor may be on any device.
    """
    if value is None:
        raise InputError(f"{what} is missing")
    try:
        array = _array(value)
    except Exception as error:
        # lists of unequal length, and objects of other libraries, raise many kinds
        text = f"cannot be read as one array ({describe_error(error)})"
        raise InputError(f"{what} {text}; are all of one size?") from error
    if array.dtype.kind == "O":
        raise InputError(f"{what} is of {type(value).__name__}, expected numbers in an array")
    return array


def _array(value: Any) -> AnyArray:
    if hasattr(value, "detach"):
        tensor = value.detach().cpu()
        # NumPy has no bfloat16
        return np.asarray(tensor.float() if tensor.is_floating_point() else tensor)
    if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float, str)):
        return np.stack([_photo(v) if isinstance(v, Image.Image) else _array(v) for v in value])
    return np.asarray(value)


def _photo(image: Image.Image) -> AnyArray:
    grey = image.mode in ("1", "L", "I;16", "I", "F")
    return np.asarray(image.convert("L" if grey else "RGB"))


def _pixels(x: Any, where: str, span: tuple[float, float]) -> AnyArray:
    """Return pixels as uint8 where they are grey levels, else as float32 in [0, 1]."""
    pixels = as_array(x, f"{where}: x")
    low, high = span
    if pixels.dtype.kind in "iu" and pixels.dtype != np.uint8 and pixels.size:
        if pixels.min() < 0 or pixels.max() > 255:
            raise InputError(
                f"{where}: x has integers from {pixels.min()} to {pixels.max()}, expected grey"
                " levels from 0 to 255, or floats in [0, 1]"
            )
        return pixels.astype(np.uint8)
    if pixels.dtype.kind != "f" or not pixels.size:
        return pixels
    values = pixels
    if span != (0.0, 1.0):
        values = (pixels.astype(np.float64) - low) / (high - low)
    floats = values.astype(np.float32)
    if floats.min() < 0 or floats.max() > 1:
        raise InputError(
            f"{where}: x has values from {pixels.min():g} to {pixels.max():g}, expected [{low:g},"
            f" {high:g}]: {REMEDY}"
        )
    return as_levels(floats)


def _numbers(labels: AnyArray, names: tuple[str, ...] | None, where: str) -> AnyArray:
    """Return labels that are texts by their place among the names; others as they are."""
    if labels.dtype.kind != "U":
        return labels
    if names is None:
        raise InputError(
            f"{where}: y is text; pass classes=[...], the names in the order of the network's"
            " outputs"
        )
    unknown = sorted(set(labels.ravel().tolist()) - set(names))
    if unknown:
        raise InputError(f"{where}: y has {unknown[0]!r}, which is not among the classes")
    place = {name: at for at, name in enumerate(names)}
    return np.array([place[label] for label in labels.ravel().tolist()], dtype=np.int64)


def _ids(labels: AnyArray) -> AnyArray:
    return np.arange(labels.shape[0] if labels.shape else 1, dtype=np.int64)

"""From external arrays to images, with every check."""

from __future__ import annotations

import numpy as np

from estimators.data.images import AnyArray, Images
from estimators.errors import InputError


def checked_images(
    pixels: AnyArray, labels: AnyArray, ids: AnyArray, classes: tuple[str, ...] | None, where: str
) -> Images:
    """Return arrays as Images; InputError that begins with `where` for arrays that are none."""
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{where}: y must be one integer per image, got {labels.dtype}")
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer) or ids.dtype == np.uint64:
        raise InputError(f"{where}: idx must be one integer per image, got {ids.dtype}")
    if pixels.ndim == 0 or not pixels.size:
        raise InputError(f"{where}: x has no pixels, got {list(pixels.shape)}; name another file")
    if not len(pixels) == len(labels) == len(ids) or len(labels) == 0:
        raise InputError(
            f"{where}: x, y and idx differ in length: {len(pixels)}, {len(labels)}, {len(ids)}"
        )
    if labels.min() < 0:
        raise InputError(f"{where}: y has the negative class {labels.min()}")
    if classes is None:
        classes = tuple(str(c) for c in range(int(labels.max()) + 1))
    if labels.max() >= len(classes):
        raise InputError(f"{where}: y has class {labels.max()}, but {len(classes)} are named")
    x = nchw(pixels, where)
    return Images(x, labels.astype(np.int64), ids.astype(np.int64), classes)


def nchw(pixels: AnyArray, where: str) -> AnyArray:
    """Return pixels [N,H,W], [N,H,W,C] or [N,C,H,W] as [N,C,H,W].

    Grey levels stay uint8, floats in [0, 1] become float32. Raises InputError for other arrays.
    """
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.ndim == 4 and pixels.shape[-1] in (1, 3) and pixels.shape[1] not in (1, 3):
        pixels = pixels.transpose(0, 3, 1, 2)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        raise InputError(
            f"{where}: x must be [N,H,W], NHWC or NCHW with 1 or 3 channels,"
            f" got {list(pixels.shape)}"
        )
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise InputError(f"{where}: x must be uint8 or float in [0, 1], got {pixels.dtype}")
    x = np.ascontiguousarray(pixels, dtype=np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{where}: x has NaN or infinite pixels")
    if x.min() < 0 or x.max() > 1:
        raise InputError(
            f"{where}: pixels from {x.min():g} to {x.max():g}, must lie in [0, 1]"
            " (divide by 255, leave out any normalisation)"
        )
    return x

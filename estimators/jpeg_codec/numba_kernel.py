"""The JPEG round trip as a kernel for the CPU, compiled by numba at its first call."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from estimators.compiling import njit
from estimators.jpeg_codec.blocks import code
from estimators.jpeg_codec.chroma import MARGIN, double, halve
from estimators.jpeg_codec.colours import LARGE, SMALL, from_levels, to_levels, to_rgb, to_ycc
from estimators.jpeg_codec.tables import IntArray

__all__ = ["code_images", "njit"]

# samples coded together: enough to hide the calls, few enough for the cache
GROUP = 1 << 18
# for each type of images: by what they are multiplied, and the bits of the largest
_READ = {
    np.dtype(np.uint8): (np.int32(1), np.uint8(255)),
    np.dtype(np.float32): (np.float32(255), np.float32(1).view(np.uint32)),
    np.dtype(np.float64): (np.float64(255), np.float64(1).view(np.uint64)),
}


def code_images(
    source: npt.NDArray[Any], target: npt.NDArray[Any], luma: IntArray, chroma: IntArray
) -> bool:
    """Code images [N, C, H, W]; return whether all floats were in [0, 1], and none was -0.

    source: uint8 levels, or floats, of which 255 times the value is truncated.
    target: gets the coded levels if it is uint8, the levels / 255 if it is float32.
    """
    read = _READ[source.dtype]
    write = (np.float32(1), np.float32(0)) if target.dtype == np.uint8 else (LARGE, SMALL)
    channels, height, width = source.shape[1:]
    size = max(1, GROUP // (channels * height * width))
    valid = True
    for first in range(0, len(source), size):
        images = np.ascontiguousarray(source[first : first + size])
        count = len(images)
        images = images.reshape(count, channels, -1)
        coded = target[first : first + size].reshape(count, channels, -1)
        y = np.empty((count, height * width), np.uint8)
        planes = y.reshape(count, height, width)
        if channels == 1:
            valid &= to_levels(images.reshape(-1), *read, y.reshape(-1))
            code(planes, luma)
            from_levels(y.reshape(-1), *write, coded.reshape(-1))
            continue
        rows, columns = -(-height // 2), -(-width // 2)
        samples = 2 * count * height * width
        full = np.empty(samples + MARGIN + width, np.uint8)
        both = full[:samples].reshape(count, 2, -1)
        shape = 2 * count, rows, -(-columns // 8) * 8
        half = np.empty(shape[0] * rows * shape[2] + 2 * MARGIN, np.uint8)
        valid &= to_ycc(images, *read, y, both)
        halve(full, height, width, half, shape)
        code(planes, luma)
        code(half[MARGIN:-MARGIN].reshape(shape), chroma)
        double(half, shape, full, height, width)
        to_rgb(y, both, *write, coded)
    return bool(valid)

"""Values between pixels: zoom, displacement, and photographs of another size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmark.attacks.corruptions.images import Floats

Index = npt.NDArray[np.int64]
# bits of the weights with which OpenCV resizes bytes
BITS = 11
# of the cubic kernel, as OpenCV has it
CUBIC = -0.75


def centre_zoomed(x: Floats, factor: float) -> Floats:
    """Return images [N, H, W, ...] magnified about their centre, linearly; at least H x W.

    The first and the last pixel of the part that is magnified stay where they are, as in SciPy's
    `zoom` of order 1.
    """
    for axis in (1, 2):
        length = x.shape[axis]
        part = int(np.ceil(length / factor))
        first = (length - part) // 2
        x = x[(slice(None),) * axis + (slice(first, first + part),)]
        x = _stretched(x, axis, round(part * factor))
    return x


def _stretched(x: Floats, axis: int, length: int) -> Floats:
    old = x.shape[axis]
    at = np.arange(length) * ((old - 1) / max(length - 1, 1))
    low = np.minimum(at.astype(np.int64), max(old - 2, 0))
    high = np.minimum(low + 1, old - 1)
    share = np.clip(at - low, 0, 1).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    out = np.take(x, low, axis) * (1 - share)
    out += np.take(x, high, axis) * share
    return np.asarray(out)


def displaced(x: Floats, rows: Floats, columns: Floats, repeat_edge: bool) -> Floats:
    """Return images [N, H, W, C] read at rows and columns [N, H, W], linearly.

    Outside, the image is mirrored: about the edge of the last pixel if it is repeated, else about
    its centre.
    """
    images = np.arange(len(x))[:, None, None]
    out = np.zeros(x.shape)
    corners = []
    for at, length in zip((rows, columns), x.shape[1:3], strict=True):
        low = np.floor(at)
        share = at - low
        first = low.astype(np.int64)
        places = [_mirrored(first + step, length, repeat_edge) for step in (0, 1)]
        corners.append(list(zip(places, (1 - share, share), strict=True)))
    for row, by_row in corners[0]:
        for column, by_column in corners[1]:
            out += (by_row * by_column)[..., None] * x[images, row, column]
    return out


def _mirrored(index: Index, length: int, repeat_edge: bool) -> Index:
    """Return indices outside 0 to length - 1 mirrored into it."""
    if length == 1:
        return np.zeros_like(index)
    period = 2 * length if repeat_edge else 2 * length - 2
    folded = np.abs(index % period) if not repeat_edge else index % period
    last = period - 1 if repeat_edge else period
    return np.asarray(np.where(folded < length, folded, last - folded))


def resized(photo: npt.NDArray[np.uint8], factor: float, cubic: bool) -> npt.NDArray[np.uint8]:
    """Return a photograph [H, W, C] of another size as OpenCV makes it: without antialiasing.

    cubic: four neighbours along each axis, else two. Weights have 11 bits; the sum is rounded once,
    but in the linear case each term is truncated first.
    """
    new = [int(np.ceil(old * factor)) if cubic else round(old * factor) for old in photo.shape[:2]]
    steps = [old / n if cubic else 1 / factor for old, n in zip(photo.shape[:2], new, strict=True)]
    rows, columns = (_neighbours(photo.shape[a], new[a], steps[a], cubic) for a in (0, 1))
    wide = np.sum([photo[:, at] * weight[:, None] for at, weight in columns], axis=0)
    if cubic:
        high = np.sum([wide[at] * weight[:, None, None] for at, weight in rows], axis=0)
        whole = (high + (1 << (2 * BITS - 1))) >> (2 * BITS)
        return np.asarray(np.clip(whole, 0, 255).astype(np.uint8))
    terms = [((wide[at] >> 4) * weight[:, None, None]) >> 16 for at, weight in rows]
    return np.asarray(((np.sum(terms, axis=0) + 2) >> 2).astype(np.uint8))


def _neighbours(old: int, new: int, step: float, cubic: bool) -> list[tuple[Index, Index]]:
    """Return places and integer weights of the neighbours of each new pixel along an axis."""
    at = ((np.arange(new) + 0.5) * step - 0.5).astype(np.float32)
    low = np.floor(at)
    share = (at - low).astype(np.float32)
    offsets = (-1, 0, 1, 2) if cubic else (0, 1)
    weights = _cubic(share) if cubic else [1 - share, share]
    places = [np.clip(low.astype(np.int64) + offset, 0, old - 1) for offset in offsets]
    whole = [np.rint(weight * (1 << BITS)).astype(np.int64) for weight in weights]
    return list(zip(places, whole, strict=True))


def _cubic(share: Floats) -> list[Floats]:
    far, near = 1 + share, 1 - share
    first = ((CUBIC * far - 5 * CUBIC) * far + 8 * CUBIC) * far - 4 * CUBIC
    second = ((CUBIC + 2) * share - (CUBIC + 3)) * share * share + 1
    third = ((CUBIC + 2) * near - (CUBIC + 3)) * near * near + 1
    return [first, second, third, 1 - first - second - third]

"""Water on the lens: bright where spots have edges.

The steps are those of the authors' code, which takes them from OpenCV: Canny's edges, a distance
by 5 x 5 neighbours, equalisation of the histogram, a filter that embosses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate, label

Bytes2 = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
# thresholds of Canny's edges on the sum of both absolute slopes
LOW, HIGH = 50, 150
# tangent of 22.5 degrees in units of 2^-15
TANGENT = 13573
# lengths of the moves by which distances are measured: straight, diagonal, knight's
MOVES = ((0, 1, 1.0), (1, 1, 1.4), (1, 2, 2.1969))
FARTHEST = 20.0
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])


def water(spots: Bytes2) -> npt.NDArray[np.float32]:
    """Return the light of water [H, W] in [0, 1] on spots [H, W]; 0 where there is none."""
    away = np.minimum(distance(edges(spots)), np.float32(FARTHEST))
    # rounded to float32 before it is truncated: where all are equal, the mean is that value
    soft = (_sum_of_nine(away.astype(np.float64)) * (1 / 9)).astype(np.float32).astype(np.uint8)
    relief = correlate(equalised(soft).astype(np.int64), EMBOSS, mode="mirror")
    relief = np.clip(relief, 0, 255)
    light = spots.astype(np.float32) * np.rint(_sum_of_nine(relief) / 9).astype(np.float32)
    brightest = light.max()
    return np.asarray(light / brightest if brightest > 0 else light)


def _sum_of_nine(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(correlate(image, np.ones((3, 3), image.dtype), mode="mirror"))


def edges(image: Bytes2) -> npt.NDArray[np.bool_]:
    """Return the edges [H, W] of an image by Canny 1986: crests of the slope that are steep.

    A crest is an edge if its slope is above HIGH, or above LOW and linked to one above HIGH.
    """
    wide = np.pad(image.astype(np.int64), 1, mode="edge")
    rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    columns = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    across, down = rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]
    slope = np.abs(across) + np.abs(down)
    kept = (slope > LOW) & _crest(slope, across, down)
    parts, _ = label(kept, structure=np.ones((3, 3)))
    strong = np.unique(parts[kept & (slope > HIGH)])
    return np.asarray(np.isin(parts, strong) & kept)


def _crest(slope: Ints, across: Ints, down: Ints) -> npt.NDArray[np.bool_]:
    """Return where the slope is not less than on both sides along its direction."""
    height, width = slope.shape
    wide = np.pad(slope, 1)

    def beside(dy: int, dx: int) -> Ints:
        return wide[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    steep, flat = np.abs(down) << 15, np.abs(across) * TANGENT
    level = (slope > beside(0, -1)) & (slope >= beside(0, 1))
    upright = (slope > beside(-1, 0)) & (slope >= beside(1, 0))
    rising = (slope > beside(-1, 1)) & (slope > beside(1, -1))
    falling = (slope > beside(-1, -1)) & (slope > beside(1, 1))
    slanted = np.where((across ^ down) < 0, rising, falling)
    is_upright = steep > flat + (np.abs(across) << 16)
    return np.where(steep < flat, level, np.where(is_upright, upright, slanted))


def distance(edge: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return how far the next edge is, up to FARTHEST and a step, by moves of given lengths."""
    far = np.where(edge, 0.0, 2 * FARTHEST)
    height, width = far.shape
    turns = {
        (sy * a, sx * b, length)
        for dy, dx, length in MOVES
        for a, b in ((dy, dx), (dx, dy))
        for sy in (-1, 1)
        for sx in (-1, 1)
    }
    for _ in range(int(FARTHEST) + 1):
        wide = np.pad(far, 2, constant_values=2 * FARTHEST)
        before = far
        for dy, dx, length in turns:
            near = wide[2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width] + length
            far = np.minimum(far, near)
        if np.array_equal(far, before):
            break
    return far.astype(np.float32)


def equalised(image: Bytes2) -> Bytes2:
    """Return an image whose grey levels are spread by their ranks; a flat one as it is."""
    counts = np.bincount(image.ravel(), minlength=256)
    first = int(counts.nonzero()[0][0])
    rest = image.size - counts[first]
    if rest == 0:
        return image
    ranks = np.cumsum(counts) - counts[: first + 1].sum()
    levels = np.rint(np.float32(255 / rest) * ranks.astype(np.float32))
    return np.asarray(np.clip(levels, 0, 255).astype(np.uint8)[image])

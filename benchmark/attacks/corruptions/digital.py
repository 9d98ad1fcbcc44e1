"""Digital: elastic transform, coarse pixels, JPEG."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmark.attacks.corruptions.images import Bytes, Floats, Levels, Streams, levels, unit
from benchmark.attacks.corruptions.resample import displaced
from benchmark.attacks.corruptions.strengths import Strength


def elastic_transform(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Move the corners of a triangle at random, then stretch small parts of the image.

    strength: size of the displacement, sigma that smooths it, largest move of the corners; all as
    shares of the image's side. A move of 0 leaves the triangle out.
    """
    size, spread, corner = strength
    height, width = x.shape[1:3]
    clean = unit(x).astype(np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    if corner:
        move = corner * min(height, width)
        places = [_affine(height, width, move, stream) for stream in streams]
        across, down = np.moveaxis(np.array(places), 1, 0)
        clean = displaced(clean, down, across, repeat_edge=False).astype(np.float32)
    sigmas = spread * height, spread * width
    moves = [[_smooth(stream, size * height, sigmas, x) for _ in range(2)] for stream in streams]
    across, down = np.moveaxis(np.array(moves), 1, 0)
    moved = displaced(clean, rows + down, columns + across, repeat_edge=True)
    return levels(moved.astype(np.float32))


def pixelate(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Shrink to means of blocks, then enlarge. strength: the side that is left, as a share."""
    (share,) = strength
    height, width = x.shape[1:3]
    small = max(1, int(width * share)), max(1, int(height * share))

    def coarse(image: Image.Image) -> Image.Image:
        box = Image.Resampling.BOX
        return image.resize(small, box).resize((width, height), box)

    return _through(x, coarse)


def jpeg_compression(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Write and read a JPEG file by Pillow. strength: its quality."""
    quality = int(strength[0])

    def compressed(image: Image.Image) -> Image.Image:
        file = BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _through(x, compressed)


def _through(x: Bytes, change: Callable[[Image.Image], Image.Image]) -> Levels:
    """Return images that Pillow changed, one by one."""
    grey = x.shape[3] == 1
    pictures = (Image.fromarray(own[..., 0] if grey else own) for own in x)
    out = np.stack([np.asarray(change(picture)) for picture in pictures])
    return np.asarray(out.reshape(x.shape).astype(np.float64))


def _smooth(
    stream: np.random.Generator, size: float, sigmas: tuple[float, float], x: Bytes
) -> Floats:
    """Return a random displacement [H, W] in pixels, smoothed with a normal curve."""
    rough = stream.uniform(-1, 1, x.shape[1:3])
    soft = gaussian_filter(rough, sigmas, mode="reflect", truncate=3)
    return np.asarray((soft * size).astype(np.float32))


def _affine(height: int, width: int, move: float, stream: np.random.Generator) -> Floats:
    """Return where each pixel comes from, as (x, y) [2, H, W], rounded to 1/32 as in OpenCV.

    The map moves three corners about the centre, each by up to `move` along both axes.
    """
    # the authors take the height for the first coordinate, which OpenCV reads as x
    centre = np.array([height // 2, width // 2], dtype=np.float32)
    arm = min(height, width) // 3
    corners = np.array([centre + arm, [centre[0] + arm, centre[1] - arm], centre - arm])
    moved = corners + stream.uniform(-move, move, corners.shape).astype(np.float32)
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]).astype(np.float64), corners)
    across = np.rint(1024 * back[0] * np.arange(width)[:, None]).astype(np.int64)
    down = np.rint(1024 * (back[1] * np.arange(height)[:, None] + back[2])).astype(np.int64)
    return np.asarray(np.moveaxis((down[:, None] + across[None] + 16) >> 5, 2, 0) / 32)

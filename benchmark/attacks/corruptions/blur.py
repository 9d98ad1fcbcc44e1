"""Blur: defocus, frosted glass, motion, zoom and Gaussian."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter

from benchmark.attacks.corruptions.images import (
    Bytes,
    Floats,
    Levels,
    Streams,
    as_bytes,
    levels,
    unit,
)
from benchmark.attacks.corruptions.motion import moved
from benchmark.attacks.corruptions.resample import centre_zoomed
from benchmark.attacks.corruptions.strengths import Strength

# radius up to which a disk is drawn on a field of this radius, and smoothed over 3 pixels
FIELD = 8


def gaussian_blur(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Blur with a normal curve. strength: its sigma in pixels."""
    (sigma,) = strength
    return levels(smoothed(unit(x), sigma))


def defocus_blur(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Blur with a disk, as a lens out of focus. strength: its radius, and sigma of its edge."""
    kernel = disk(*strength)
    reach = len(kernel) // 2
    border = [(0, 0), (reach, reach), (reach, reach), (0, 0)]
    wide = np.pad(unit(x), border, mode="reflect" if min(x.shape[1:3]) > reach else "symmetric")
    size = [next_fast_len(length, real=True) for length in wide.shape[1:3]]
    # the disk is symmetric, so convolution and correlation agree
    factor = rfft2(kernel, size)[None, :, :, None]
    full = irfft2(rfft2(wide, size, axes=(1, 2)) * factor, size, axes=(1, 2))
    first, (height, width) = 2 * reach, x.shape[1:3]
    return levels(full[:, first : first + height, first : first + width])


def glass_blur(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Blur, move pixels by small random shifts, blur. strength: sigma, largest shift, rounds.

    The authors' code means to swap two pixels, but copies one over the other; so does this.
    """
    sigma, shift, rounds = strength[0], int(strength[1]), int(strength[2])
    soft = as_bytes(smoothed(unit(x), sigma) * 255)
    for image, stream in zip(soft, streams, strict=True):
        height, width, channels = image.shape
        source = _copied(height, width, shift, rounds, stream)
        image[:] = image.reshape(-1, channels)[source].reshape(image.shape)
    return levels(smoothed(unit(soft), sigma))


def motion_blur(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Blur along a line of a random direction. strength: radius and sigma in pixels."""
    radius, sigma = int(strength[0]), strength[1]
    angles = [stream.uniform(-45, 45) for stream in streams]
    pairs = zip(x, angles, strict=True)
    return np.stack([moved(image, radius, sigma, angle) for image, angle in pairs])


def zoom_blur(x: Bytes, strength: Strength, streams: Streams) -> Levels:
    """Take the mean of the image at growing zooms. strength: end and step of the zoom factors."""
    clean = unit(x).astype(np.float32)
    zooms = np.arange(1, *strength)
    total = np.zeros_like(clean)
    height, width = x.shape[1:3]
    for zoom in zooms.tolist():
        total += centre_zoomed(clean, zoom)[:, :height, :width].astype(np.float32)
    return levels((clean + total) / np.float32(len(zooms) + 1))


def smoothed(x: Floats, sigma: float | tuple[float, float], truncate: float = 4.0) -> Floats:
    """Return images [N, H, W, ...] blurred with a normal curve; the border pixel is continued.

    sigma: in pixels, or one for rows and one for columns. truncate: length of the curve in sigmas.
    """
    both = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    over = (0.0, *both, *[0.0] * (x.ndim - 3))
    return np.asarray(gaussian_filter(x, over, mode="nearest", truncate=truncate))


def disk(radius: float, edge: float) -> Floats:
    """Return a disk [n, n] of sum 1 without empty rows. edge: sigma that smooths its edge."""
    whole = FIELD if radius <= FIELD else int(radius)
    line = np.arange(-whole, whole + 1)
    flat = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float32)
    flat /= flat.sum()
    taps = np.arange(-1, 2) if radius <= FIELD else np.arange(-2, 3)
    curve = np.exp(-(taps**2) / (2 * edge**2))
    # float32 as the authors have it: its sum decides whether flat parts lose a grey level
    curve = (curve / curve.sum()).astype(np.float32)
    half = len(taps) // 2
    wide = np.pad(flat, half, mode="reflect")
    for axis in (1, 0):
        length = wide.shape[axis] - 2 * half
        parts = [np.take(wide, range(k, k + length), axis) for k in range(len(curve))]
        total = parts[half] * curve[half]
        for k in range(1, half + 1):
            total = total + (parts[half - k] + parts[half + k]) * curve[half + k]
        wide = total
    used = int(np.abs(line[wide.any(axis=0)]).max())
    wide = wide.astype(np.float64)
    return np.asarray(wide[whole - used : whole + used + 1, whole - used : whole + used + 1])


def _copied(
    height: int, width: int, shift: int, rounds: int, stream: np.random.Generator
) -> list[int]:
    """Return from which pixel of the image each pixel [H * W] comes."""
    rows, columns = np.arange(height - shift, shift, -1), np.arange(width - shift, shift, -1)
    moves = stream.integers(-shift, shift, (rounds, len(rows), len(columns), 2))
    # the authors draw dx, then dy
    target = (rows[:, None] * width + columns)[None]
    origin = target + moves[..., 1] * width + moves[..., 0]
    source = list(range(height * width))
    # each copy may read what an earlier one has written
    targets = np.broadcast_to(target, origin.shape).ravel().tolist()
    for to, at in zip(targets, origin.ravel().tolist(), strict=True):
        source[to] = source[at]
    return source

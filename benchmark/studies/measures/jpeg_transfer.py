"""JPEG's own transfer function: how much of a grating, or of a noise on an image, comes through.

The gain at a frequency is coherent: the part of the output in phase with the input, over the
input. It is 1 for what passes unchanged, 0 for what is removed, and what quantisation adds at
random cancels out. The cut-off of a curve is that of the ideal low-pass filter that lets as much
through: the area under the gain from 0 to 1/2 cycle per pixel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.integrate import trapezoid

from benchmark.studies.measures import spectra
from benchmark.studies.measures.gratings import GREY, compressed, gratings
from benchmark.studies.measures.subjects import FloatArray

Floats = npt.NDArray[np.float64]
NYQUIST = 0.5  # cycles per pixel
PART = 16  # images per transform: the complex spectra of 224 pixels stay small


def grating_gains(size: int, contrast: float, quality: int, phases: int) -> tuple[Floats, Floats]:
    """Return the gain of vertical grey gratings at every whole number of cycles per image.

    Returns frequencies [K] in cycles per pixel, from 1/size to 1/2, and gains [K].
    """
    cycles = range(1, size // 2 + 1)
    gains = []
    for k in cycles:
        wave = gratings(size, k, "vertical", phases, contrast)
        around = (wave - GREY).to(torch.float64)
        left = compressed(wave, quality).to(torch.float64) - GREY
        gains.append(float((left * around).sum() / around.square().sum()))
    return np.array(cycles) / size, np.array(gains)


def noise_gains(clean: FloatArray, noise: FloatArray, quality: int) -> tuple[Floats, Floats]:
    """Return the gain of noise that JPEG gets on images [N, C, H, W], by frequency.

    The output is the difference of the compressed images with and without the noise. Returns
    frequencies [K] in cycles per pixel, at most 1/2, and gains [N, K] in rings of one bin.
    """
    parts = []
    for at in range(0, len(clean), PART):
        x, n = (torch.from_numpy(array[at : at + PART]) for array in (clean, noise))
        out = (compressed(x + n, quality) - compressed(x, quality)).numpy()
        given = noise[at : at + PART]
        passed, frequency = spectra.radial(spectra.cross_power(given, out))
        whole, _ = spectra.radial(spectra.power(given))
        inside = frequency <= NYQUIST + 1e-9
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append(passed[:, inside] / whole[:, inside])
    return frequency[inside], np.concatenate(parts)


def kept(gains: Floats, frequency: Floats) -> tuple[Floats, Floats]:
    """Return the cut-off [...] of gains [..., K], and their mean [...] above half Nyquist.

    Rings without any noise (NaN) are left out of the mean, and filled by it in the area.
    """
    high = frequency > spectra.HALF_NYQUIST + 1e-9
    filled = np.where(np.isfinite(gains), gains, np.nanmean(gains, axis=-1, keepdims=True))
    # below the first frequency the gain is taken to stay as it is there
    area = filled[..., 0] * frequency[0]
    area = area + trapezoid(filled, frequency, axis=-1)
    return area, filled[..., high].mean(axis=-1)

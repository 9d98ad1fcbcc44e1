"""Spectra of images and noises in two dimensions, and measures of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float64]
HALF_NYQUIST = 0.25  # cycles per pixel
FLOOR = 1e-3  # of a spectrum's root mean square: smaller magnitudes count as this one


def power(x: npt.NDArray[np.float32]) -> Floats:
    """Return power spectra [N, H, W] of images or noises [N, C, H, W], centred, channels summed.

    Each channel's mean is subtracted first, so the middle is 0. The transform is unitary: by
    Parseval the sum over a spectrum is the energy of the image around its means. No window is
    applied: the image counts as periodic, as in the paper's figures.
    """
    return np.asarray(_transform(x).abs().square().sum(dim=1).numpy())


def cross_power(x: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> Floats:
    """Return the part [N, H, W] of the spectra of `out` that is in phase with x, times x's own.

    Both are images or noises [N, C, H, W], transformed as by `power`; `cross_power(x, x)` is it.
    """
    return np.asarray((_transform(x).conj() * _transform(out)).real.sum(dim=1).numpy())


def _transform(x: npt.NDArray[np.float32]) -> torch.Tensor:
    """Return the unitary transforms [N, C, H, W], centred, of images less their channel means."""
    images = torch.from_numpy(np.asarray(x)).to(torch.float64)
    around = images - images.mean(dim=(2, 3), keepdim=True)
    centred: torch.Tensor = torch.fft.fftshift(torch.fft.fft2(around, norm="ortho"), dim=(2, 3))
    return centred


def windowed(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the images without their means, faded towards their borders by a Hann window.

    The window removes the edge where opposite borders meet, which is not in the image itself.
    """
    images = torch.from_numpy(np.asarray(x))
    height, width = (
        torch.hann_window(n + 2, periodic=False)[1:-1] for n in (images.shape[2], images.shape[3])
    )
    around = images - images.mean(dim=(2, 3), keepdim=True)
    return np.asarray((around * height[:, None] * width[None, :]).numpy())


def frequencies(height: int, width: int) -> Floats:
    """Return the frequency [H, W] of each bin of a centred spectrum, in cycles per pixel."""
    down, across = torch.fft.fftfreq(height), torch.fft.fftfreq(width)
    radius = torch.hypot(down[:, None].double(), across[None, :].double())
    return np.asarray(torch.fft.fftshift(radius).numpy())


def high_band(height: int, width: int) -> npt.NDArray[np.bool_]:
    """Return which bins [H, W] are above half Nyquist, in any direction."""
    return frequencies(height, width) > HALF_NYQUIST + 1e-9


def white_share(height: int, width: int) -> float:
    """Return the share of white noise's energy above half Nyquist, which is that of the bins."""
    return float(high_band(height, width).sum() / (height * width - 1))


def high_share(spectra: Floats) -> tuple[Floats, Floats]:
    """Return the energy [N] above half Nyquist and its share [N] of all; NaN without energy."""
    high = spectra[:, high_band(*spectra.shape[1:])].sum(axis=1)
    whole = spectra.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return high, high / np.where(whole > 0, whole, np.nan)


def log_magnitude(spectra: Floats, floor: float | None = None) -> Floats:
    """Return the decimal logarithm [N, H, W] of the magnitudes.

    floor: the smallest magnitude; by default each spectrum's root mean square times 1/1000.
    """
    magnitude = np.sqrt(spectra)
    lowest = FLOOR * np.sqrt(spectra.mean(axis=(1, 2), keepdims=True))
    least = np.maximum(lowest, 1e-12) if floor is None else np.full(1, floor)
    return np.asarray(np.log10(np.maximum(magnitude, least)))


def correlations(a: Floats, b: Floats) -> Floats:
    """Return Pearson's correlation [N] of the log magnitudes of spectra, without the middle.

    NaN where a spectrum is constant.
    """
    height, width = a.shape[1:]
    away = frequencies(height, width) > 0
    one, other = (log_magnitude(s)[:, away] for s in (a, b))
    return pearson(one, other)


def pearson(a: Floats, b: Floats) -> Floats:
    """Return Pearson's correlation [N] of the rows of a and b; NaN where a row is constant."""
    one, other = (rows - rows.mean(axis=1, keepdims=True) for rows in (a, b))
    below = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.asarray((one * other).sum(axis=1) / np.where(below > 0, below, np.nan))


def radial(spectra: Floats) -> tuple[Floats, Floats]:
    """Return the mean power [N, rings] in rings one bin wide, and their frequencies [rings].

    Rings reach from one cycle per image to the corners of the spectrum.
    """
    height, width = spectra.shape[1:]
    side = min(height, width)
    ring = np.round(frequencies(height, width) * side).astype(int)
    count = int(ring.max())
    members = np.stack([(ring == r).ravel() for r in range(1, count + 1)])
    flat = spectra.reshape(len(spectra), -1)
    bins = members.sum(axis=1)
    means = (flat @ members.T.astype(float))[:, bins > 0] / bins[bins > 0]
    return means, np.arange(1, count + 1)[bins > 0] / side

"""2-D spectra of images and noises, and what can be said of them in numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float64]
HALF_NYQUIST = 0.25  # cycles per pixel
FLOOR = 1e-3  # of a spectrum's root mean square: logarithms of less are cut off


def power(x: npt.NDArray[np.float32]) -> Floats:
    """Power spectra [N, H, W] of images or noises [N, C, H, W], centred, summed over channels.

    Each channel's mean is taken away first, so the middle is 0. The transform is unitary: by
    Parseval the sum over a spectrum is the energy of the image around its means. No window is
    laid over the image; its borders meet as if it were repeated, as in the paper's figures.
    """
    images = torch.from_numpy(np.asarray(x)).to(torch.float64)
    around = images - images.mean(dim=(2, 3), keepdim=True)
    spectrum = torch.fft.fftshift(torch.fft.fft2(around, norm="ortho"), dim=(2, 3))
    return np.asarray(spectrum.abs().square().sum(dim=1).numpy())


def windowed(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The same images, around their means, fading out to their borders (Hann).

    Takes away the edge that a picture has where its borders meet, which no grating of it has.
    """
    images = torch.from_numpy(np.asarray(x))
    height, width = (
        torch.hann_window(n + 2, periodic=False)[1:-1] for n in (images.shape[2], images.shape[3])
    )
    around = images - images.mean(dim=(2, 3), keepdim=True)
    return np.asarray((around * height[:, None] * width[None, :]).numpy())


def frequencies(height: int, width: int) -> Floats:
    """Cycles per pixel [H, W] of each bin of a centred spectrum, along its own wave."""
    down, across = torch.fft.fftfreq(height), torch.fft.fftfreq(width)
    radius = torch.hypot(down[:, None].double(), across[None, :].double())
    return np.asarray(torch.fft.fftshift(radius).numpy())


def high_band(height: int, width: int) -> npt.NDArray[np.bool_]:
    """The bins [H, W] above half Nyquist, in whatever direction."""
    return frequencies(height, width) > HALF_NYQUIST + 1e-9


def white_share(height: int, width: int) -> float:
    """The share of its energy that white noise has above half Nyquist: that of the bins."""
    return float(high_band(height, width).sum() / (height * width - 1))


def high_share(spectra: Floats) -> tuple[Floats, Floats]:
    """Energy [N] above half Nyquist and its share [N] of all; NaN where there is no energy."""
    high = spectra[:, high_band(*spectra.shape[1:])].sum(axis=1)
    whole = spectra.sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return high, high / np.where(whole > 0, whole, np.nan)


def log_magnitude(spectra: Floats, floor: float | None = None) -> Floats:
    """Decimal logarithm [N, H, W] of the magnitudes.

    floor: the smallest magnitude; by default each spectrum's root mean square times 1/1000.
    """
    magnitude = np.sqrt(spectra)
    lowest = FLOOR * np.sqrt(spectra.mean(axis=(1, 2), keepdims=True))
    least = np.maximum(lowest, 1e-12) if floor is None else np.full(1, floor)
    return np.asarray(np.log10(np.maximum(magnitude, least)))


def correlations(a: Floats, b: Floats) -> Floats:
    """Pearson's correlation [N] of the log magnitudes of two sets of spectra, without the middle.

    NaN where a spectrum is constant.
    """
    height, width = a.shape[1:]
    away = frequencies(height, width) > 0
    one, other = (log_magnitude(s)[:, away] for s in (a, b))
    one, other = (s - s.mean(axis=1, keepdims=True) for s in (one, other))
    below = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.asarray((one * other).sum(axis=1) / np.where(below > 0, below, np.nan))


def radial(spectra: Floats) -> tuple[Floats, Floats]:
    """Mean power [N, rings] in rings one bin wide, and the rings' frequencies [rings].

    Rings reach from one cycle an image to the corners of the spectrum.
    """
    height, width = spectra.shape[1:]
    side = min(height, width)
    ring = np.round(frequencies(height, width) * side).astype(int)
    count = int(ring.max())
    members = np.stack([(ring == r).ravel() for r in range(1, count + 1)])
    flat = spectra.reshape(len(spectra), -1)
    seen = members.sum(axis=1)
    means = (flat @ members.T.astype(float))[:, seen > 0] / seen[seen > 0]
    return means, np.arange(1, count + 1)[seen > 0] / side

"""A smooth surrogate of the JPEG round trip, for attackers who know the codec."""

import math

import torch

from estimators.jpeg_codec.tables import MATRIX, IntArray, quantisation
from estimators.jpeg_codec.torch_kernel import doubled, extended

# How sharply `soft_round` rises half way between two integers: WIDTH + SPREAD / step. Narrower
# leaves the slope where a coefficient is about to change and nothing elsewhere, wider comes near
# the identity, which is right where an attack moves coefficients by many steps. Measured in
# docs/decisions/0005-attackers-through-jpeg.md.
WIDTH, SPREAD = 0.25, 2.0
# orthonormal DCT-II up to libjpeg's rounding of the weights (1e-4)
_SCALE = 8192 * math.sqrt(8)


def smooth_jpeg(x: torch.Tensor, quality: int) -> torch.Tensor:
    """Return images float32 [N, C, H, W] in [0, 1], C = 1 or 3, near JPEG's, with a gradient.

    The value lies near that of `codec.compress`. The gradient is that of `smooth_levels` at the
    truncated grey levels, as if they had not been truncated.
    """
    levels = 255 * x
    levels = levels + (levels.detach().floor() - levels.detach())
    return smooth_levels(levels, *quantisation(quality)) / 255


def smooth_levels(levels: torch.Tensor, luma: IntArray, chroma: IntArray) -> torch.Tensor:
    """Code grey levels [N, C, H, W] with a smooth function in every step.

    As in the codec: YCbCr (JFIF), chroma halved by the mean of four and doubled by the triangle
    filter, DCT of blocks of 8 x 8, quantisation by the tables [64]. Unlike the codec: quantised
    coefficients pass `soft_round`, nothing else is rounded, and nothing is clipped at 0 and 255,
    where black and white pixels would lose their gradient.
    """
    count, channels, height, width = levels.shape
    if channels == 1:
        return _coded(levels[:, 0], luma)[:, None]
    red, green, blue = levels.unbind(1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    both = torch.stack([(blue - y) / 1.772, (red - y) / 1.402], 1).flatten(0, 1) + 128
    rows, columns = -(-height // 2), -(-width // 2)
    both = extended(both, 2 * rows, 2 * columns)
    both = both[:, ::2] + both[:, 1::2]
    both = _coded((both[:, :, ::2] + both[:, :, 1::2]) / 4, chroma)
    if columns > 2:
        both = doubled(doubled(both, 1), 2) / 16
    else:
        both = both.repeat_interleave(2, 1).repeat_interleave(2, 2)
    y = _coded(y, luma)
    cb, cr = (both[:, :height, :width] - 128).reshape(count, 2, height, width).unbind(1)
    green = y - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587
    return torch.stack([y + 1.402 * cr, green, y + 1.772 * cb], 1)


def soft_round(q: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
    """Round with a slope: exact at the integers and half way between, a tanh in between.

    width: positive, broadcasts with q; from a staircase (0) to the identity (large).

    Shin and Song 2017 take the cubic round(q) + (q - round(q))^3, whose slope is zero at the
    integers, where most coefficients lie at low qualities.
    """
    low = q.detach().floor()
    return low + 0.5 + torch.tanh((q - low - 0.5) / width) / (2 * torch.tanh(0.5 / width))


def _coded(planes: torch.Tensor, table: IntArray) -> torch.Tensor:
    """Transform planes [P, H, W] of levels block by block, quantise softly, transform back."""
    count, height, width = planes.shape
    rows, columns = -(-height // 8), -(-width // 8)
    blocks = extended(planes, 8 * rows, 8 * columns).view(count, rows, 8, columns, 8)
    x = blocks.transpose(2, 3) - 128
    dct = torch.tensor(MATRIX, dtype=x.dtype, device=x.device) / _SCALE
    step = torch.from_numpy(table).to(x).view(8, 8)
    coded = soft_round(dct @ x @ dct.T / step, WIDTH + SPREAD / step) * step
    x = dct.T @ coded @ dct + 128
    return x.transpose(2, 3).reshape(count, 8 * rows, 8 * columns)[:, :height, :width]

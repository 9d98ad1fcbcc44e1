"""The numbers of baseline JPEG: quantisation tables, and the weights of the integer DCT."""

from functools import cache

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]

# T.81, Tables K.1 and K.2, row by row.
_LUMA = """
    16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56
    14 17 22 29 51 87 80 62  18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92
    49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99"""
_CHROMA = """
    17 18 24 47 99 99 99 99  18 21 26 66 99 99 99 99  24 26 56 99 99 99 99 99
    47 66 99 99 99 99 99 99  99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99
    99 99 99 99 99 99 99 99  99 99 99 99 99 99 99 99"""

# One pass of the DCT over eight values is a linear map with integer weights, then one rounding
# shift to the right. Even frequencies depend on sums of mirrored samples, odd ones on differences.
# The weights are 2**13 * sqrt(2) * cos(k * pi / 16), some off by one because libjpeg composes them
# from rounded factors. The inverse uses the transposed map.

EVEN = (
    (8192, 8192, 8192, 8192),
    (10703, 4433, -4433, -10703),
    (8192, -8192, -8192, 8192),
    (4433, -10704, 10704, -4433),
)
EVEN_TRANSPOSED = tuple(zip(*EVEN, strict=True))
ODD = (  # its own transpose
    (11363, 9633, 6437, 2260),
    (9633, -2259, -11362, -6436),
    (6437, -11362, 2261, 9633),
    (2260, -6436, 9633, -11363),
)
MATRIX = [
    row
    for even, odd in zip(EVEN, ODD, strict=True)
    for row in ((*even, *even[::-1]), (*odd, *(-weight for weight in odd[::-1])))
]
SHIFTS = (11, 15, 11, 18)  # forward along rows, along columns; back along columns, along rows

# Quantising, libjpeg rounds halves away from zero, the processor to even. Quotients made larger by
# this share round alike: halves move away from zero, and nothing else comes across a half, because
# quotients differ by 1 / (8 step). The relative error of float32 here is a quarter of it.
NUDGE = 2.0**-21


@cache
def quantisation(quality: int) -> tuple[IntArray, IntArray]:
    """Return the tables for luma and chroma, int32 [64] each, limited to 8 bits (baseline)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = np.array([_LUMA.split(), _CHROMA.split()]).astype(np.int32)
    luma, chroma = np.clip((tables * percent + 50) // 100, 1, 255)
    return luma, chroma

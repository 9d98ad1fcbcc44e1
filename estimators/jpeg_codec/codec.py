"""An exact, fast JPEG round trip: the pixels that Pillow returns, without writing a file.

Saving an image as JPEG and reading it again changes it in a few places only: the conversion to
YCbCr, the halving of the chroma planes, the integer DCT, the quantisation, and the same steps
backwards. The Huffman coding in between is lossless and therefore left out. What is computed is
baseline JPEG (ITU-T T.81, Annexes A and K.1) with the integer arithmetic of libjpeg's defaults,
which are Pillow's: the "islow" DCT, 4:2:0 for RGB, "fancy" chroma upsampling. All of it is exact in
integers, so the result is the same bit for bit at every size and quality and on every device.

Two implementations share tables and weights. On the CPU numba compiles a kernel at the first call
(some seconds, kept on disk for later processes). On other devices, and where numba is missing,
torch does the work. docs/decisions/0003-exact-jpeg.md has the measurements.
"""

from __future__ import annotations

import operator
from typing import SupportsIndex

import torch

from estimators.jpeg_codec import numba_kernel, torch_kernel
from estimators.jpeg_codec.tables import quantisation

_LARGEST_SIDE = 65500  # libjpeg's limit
_CHUNK_DEVICE = 1 << 24  # samples: temporary arrays of 128 MiB each


def round_trip(images: torch.Tensor, quality: int) -> torch.Tensor:
    """Compress each image as Pillow's `save(format="JPEG", quality=quality)` does, and decompress.

    images: uint8 [N, C, H, W]; C = 1 is coded as grey ("L"), C = 3 as RGB.
    quality: 1 to 100.

    Returns a new uint8 tensor of the same shape on the same device. Several threads may call it at
    once. Raises ValueError for another dtype, shape or quality.
    """
    tables = quantisation(checked_quality(quality))
    _check_shape(images.shape)
    if images.dtype != torch.uint8:
        raise ValueError(f"images must be uint8, not {images.dtype}")
    result = torch.empty(images.shape, dtype=torch.uint8, device=images.device)
    if _compiles(images):
        numba_kernel.code_images(images.numpy(), result.numpy(), *tables)
        return result
    for source, target in zip(_chunks(images), _chunks(result), strict=True):
        target.copy_(torch_kernel.code_images(source, *tables))
    return result


@torch.no_grad()
def compress(x: torch.Tensor, quality: int) -> torch.Tensor:
    """Truncate 255 x to whole grey levels, code them as `round_trip` does, and divide by 255.

    x: float32 or float64 [N, C, H, W] in [0, 1], C = 1 or 3, on any device.

    Returns float32. Raises ValueError for another dtype, shape or range.
    """
    _check_shape(x.shape)
    if x.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"images must be float32 or float64, not {x.dtype}")
    tables = quantisation(quality)
    result = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    if _compiles(x):
        if not numba_kernel.code_images(x.detach().numpy(), result.numpy(), *tables):
            _check_range(x)
        return result
    _check_range(x)
    # A tensor and not a number, because CUDA turns division by a number into multiplication by
    # its reciprocal, which rounds differently.
    levels = torch.tensor(255.0, dtype=torch.float32, device=x.device)
    for source, target in zip(_chunks(x), _chunks(result), strict=True):
        coded = torch_kernel.code_images((source * 255).to(torch.uint8), *tables)
        torch.div(coded, levels, out=target)
    return result


def checked_quality(quality: SupportsIndex) -> int:
    """Return the quality as an int; ValueError unless it is an integer from 1 to 100."""
    try:
        number = operator.index(quality)  # takes NumPy's integers, refuses floats
    except TypeError:
        raise ValueError(f"quality must be an integer, not {quality!r}") from None
    if not 1 <= number <= 100:
        raise ValueError(f"quality must be 1 to 100, not {number}")
    return number


def _check_shape(shape: torch.Size) -> None:
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise ValueError(f"images must be [N, C, H, W] with C 1 or 3, not {list(shape)}")
    if not (1 <= shape[2] <= _LARGEST_SIDE and 1 <= shape[3] <= _LARGEST_SIDE):
        raise ValueError(f"height and width must be 1 to {_LARGEST_SIDE}, not {list(shape[2:])}")


def _compiles(images: torch.Tensor) -> bool:
    return numba_kernel.njit is not None and images.device.type == "cpu"


def _chunks(images: torch.Tensor) -> list[torch.Tensor]:
    """Split along N, so that temporary arrays stay small whatever N is."""
    samples = numba_kernel.GROUP if images.device.type == "cpu" else _CHUNK_DEVICE
    size = max(1, samples // images.shape[1:].numel())
    return [images[first : first + size] for first in range(0, len(images), size)]


def _check_range(x: torch.Tensor) -> None:
    if not ((x >= 0) & (x <= 1)).all():
        low, high = x.min().item(), x.max().item()
        raise ValueError(f"images must lie in [0, 1] without NaN, not in [{low:.6g}, {high:.6g}]")

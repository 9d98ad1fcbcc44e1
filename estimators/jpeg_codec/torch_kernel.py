"""The JPEG round trip as torch operations, for any device."""

import torch

from estimators.jpeg_codec.tables import MATRIX, NUDGE, SHIFTS, IntArray


def code_images(images: torch.Tensor, luma: IntArray, chroma: IntArray) -> torch.Tensor:
    """Return one chunk coded as by `codec.round_trip`."""
    if images.shape[1] == 1:
        return _code_torch(images[:, 0], luma)[:, None].to(torch.uint8)
    count, _, height, width = images.shape
    red, green, blue = images.int().unbind(1)
    y = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    cb = (-11059 * red - 21709 * green + 32768 * blue + (128 << 16) + 32767) >> 16
    cr = (32768 * red - 27439 * green - 5329 * blue + (128 << 16) + 32767) >> 16

    # Columns are extended to whole blocks before four samples become one, rows only afterwards.
    rows, columns = -(-height // 2), -(-width // 2)
    blocks = -(-columns // 8)
    both = extended(torch.stack([cb, cr], 1).flatten(0, 1), 2 * rows, 16 * blocks)
    both = both[:, ::2] + both[:, 1::2]
    both = both[:, :, ::2] + both[:, :, 1::2]
    parity = torch.arange(16 * blocks, device=images.device) % 2
    both = _code_torch((both + 1 + parity[: 8 * blocks]) >> 2, chroma)[:, :, :columns]

    if columns > 2:
        both = (doubled(doubled(both, 1), 2) + 8 - parity[: 2 * columns]) >> 4
    else:  # libjpeg repeats the samples of very narrow images
        both = both.repeat_interleave(2, 1).repeat_interleave(2, 2)

    y = _code_torch(y, luma)
    cb, cr = (both[:, :height, :width] - 128).view(count, 2, height, width).unbind(1)
    red = y + ((91881 * cr + 32768) >> 16)
    green = y + ((-22554 * cb - 46802 * cr + 32768) >> 16)
    blue = y + ((116130 * cb + 32768) >> 16)
    return torch.stack([red, green, blue], 1).clamp_(0, 255).to(torch.uint8)


def _code_torch(planes: torch.Tensor, table: IntArray) -> torch.Tensor:
    """Code each plane, integers [P, H, W] from 0 to 255; return int32 of the same shape.

    float64 holds every sum exactly (all are below 2**31), and TF32 and autocast do not affect it.
    """
    count, height, width = planes.shape
    rows, columns = -(-height // 8), -(-width // 8)
    blocks = extended(planes, 8 * rows, 8 * columns).view(count, rows, 8, columns, 8)
    x = blocks.permute(2, 4, 0, 1, 3).reshape(8, 8, -1).double() - 128  # [y, x, block]
    dct = torch.tensor(MATRIX, dtype=torch.float64, device=x.device)
    rows_forward, columns_forward = (dct * 0.5**shift for shift in SHIFTS[:2])
    columns_back, rows_back = (dct.T * 0.5**shift for shift in SHIFTS[2:])
    step = torch.from_numpy(table).to(x).view(8, 8, 1)
    x = _rounded(rows_forward @ x)
    x = _rounded((columns_forward @ x.flatten(1)).view_as(x))
    x = x.mul_((1 + NUDGE) / (8 * step)).round_().mul_(step)
    x = _rounded((columns_back @ x.flatten(1)).view_as(x))
    x = _rounded(rows_back @ x).add_(128).clamp_(0, 255).int()
    x = x.view(8, 8, count, rows, columns).permute(2, 3, 0, 4, 1)
    return x.reshape(count, 8 * rows, 8 * columns)[:, :height, :width]


def _rounded(x: torch.Tensor) -> torch.Tensor:
    return x.add_(0.5).floor_()


def extended(planes: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Repeat the last row and the last column up to the given size."""
    for dimension, size in ((1, height), (2, width)):
        index = torch.arange(size, device=planes.device)
        planes = planes.index_select(dimension, index.clamp_(max=planes.shape[dimension] - 1))
    return planes


def doubled(planes: torch.Tensor, dimension: int) -> torch.Tensor:
    """Return two samples per sample: 3 times itself plus its left, then its right neighbour."""
    last = planes.shape[dimension] - 1
    index = torch.arange(last + 1, device=planes.device)
    left = planes.index_select(dimension, (index - 1).clamp_(min=0))
    right = planes.index_select(dimension, (index + 1).clamp_(max=last))
    both = torch.stack([3 * planes + left, 3 * planes + right], dimension + 1)
    return both.flatten(dimension, dimension + 1)

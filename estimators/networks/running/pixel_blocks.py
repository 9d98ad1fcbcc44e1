"""The gradient of images at a convolution with few input channels, by blocks of pixels.

oneDNN computes sixteen channels at once, and images have three. One convolution computes blocks of
pixels of the gradient as channels, and they are put side by side. The colours of a pixel stay next
to one another: `pixel_shuffle`, which has them apart, takes up to half as long as the convolution.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Blocks(NamedTuple):
    """The gradient of a convolution by blocks of pixels.

    weight: [side^2 * in, out, U, V], of a convolution of the gradient of the result. Its outputs
        are the channels of the first pixel of a block, then those of the next.
    side: pixels of a block. step: of that convolution. before: zeros in front of the gradient.
    """

    weight: Tensor
    side: int
    step: int
    before: tuple[int, int]

    def gradient(self, gradient: Tensor, shape: torch.Size) -> Tensor | None:
        """Return the gradient of images [N, C, H, W] of a shape.

        None for sides that are no multiples of a block, and with NaN or infinity, which zero
        weights would spread over a block.
        """
        if any(size % self.side for size in shape[2:]):
            return None
        edges: list[int] = []
        for axis in (1, 0):
            blocks = shape[2 + axis] // self.side
            needed = self.step * (blocks - 1) + self.weight.shape[2 + axis]
            edges += [self.before[axis], needed - self.before[axis] - gradient.shape[2 + axis]]
        padding: tuple[int, int] = (0, 0)
        if (edges[0], edges[2]) == (edges[1], edges[3]):
            padding = self.before
        else:
            gradient = functional.pad(gradient, edges)
        parts = functional.conv2d(gradient, self.weight, None, self.step, padding)
        pixels = parts.permute(0, 2, 3, 1).unflatten(3, (self.side, self.side, -1))
        passed = pixels.transpose(2, 3).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
        return passed if bool(torch.isfinite(passed.detach().sum())) else None


def blocks(weight: Tensor, stride: int, before: tuple[int, int], side: int) -> Blocks:
    """Return the blocks for a convolution.

    weight: [out, in, kH, kW]. before: zeros above and left of the images, less than the kernel.
    side: pixels of a block, a multiple of the stride.
    """
    out, channels, *kernel = weight.shape
    offsets = [(size - 1 - pad) // stride for size, pad in zip(kernel, before, strict=True)]
    counts = [
        offset + (side - 1 + pad) // stride + 1
        for offset, pad in zip(offsets, before, strict=True)
    ]  # fmt: skip
    made = weight.new_zeros(side, side, channels, out, *counts)
    for row in range(side):
        for high in range(counts[0]):
            y = row + before[0] - stride * (high - offsets[0])
            for column in range(side):
                for wide in range(counts[1]):
                    x = column + before[1] - stride * (wide - offsets[1])
                    if 0 <= y < kernel[0] and 0 <= x < kernel[1]:
                        made[row, column, :, :, high, wide] = weight[:, :, y, x].T
    flat = made.flatten(0, 2).contiguous(memory_format=torch.channels_last)
    return Blocks(flat, side, side // stride, (offsets[0], offsets[1]))

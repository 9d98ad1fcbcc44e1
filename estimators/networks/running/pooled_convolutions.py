"""A convolution of grey images with few channels, its ReLU and the average pooling as one layer.

oneDNN computes sixteen channels at once, and LeNet's first convolution has six. Here one
convolution computes the four pixels of each pooled one as channels, 24 in all. The pooling then
adds four slices. For predictions only; the bits are those of the three layers.
"""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from estimators.networks.running.plain_layers import has_hooks, is_plain
from estimators.networks.running.proofs import agree, keeps_its_layers, random_images
from estimators.networks.running.thin_convolutions import is_thin, replaced, shifted

# side of the window of the pooling
WINDOW = 2
# from here on oneDNN's vectors are full without it
FULL = 16


class PooledConvolution(nn.Module):
    """A frozen convolution of one input channel, ReLU, and averages of 2x2 pixels."""

    def __init__(self, conv: nn.Conv2d, pool: nn.AvgPool2d) -> None:
        super().__init__()
        self.conv, self.pool = conv, pool
        weight = shifted(conv.weight.detach()[:, 0], WINDOW).flatten(0, 2)[:, None]
        # images of one channel have any layout: that of the weights chooses oneDNN's kernel
        last = conv.weight.stride(1) == 1
        layout = torch.channels_last if last else torch.contiguous_format
        # [4 out, 1, kH + 1, kW + 1]
        self.register_buffer("weight", weight.to(memory_format=layout), persistent=False)
        bias = None if conv.bias is None else conv.bias.detach().repeat(WINDOW**2)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the averages [N, out, H, W]."""
        assert isinstance(self.weight, Tensor)
        assert self.bias is None or isinstance(self.bias, Tensor)
        if torch.is_grad_enabled() or not self._fits(x):
            plain: Tensor = self.pool(functional.relu(self.conv(x)))
            return plain
        padding = [int(pad) for pad in self.conv.padding]
        parts = functional.conv2d(x, self.weight, self.bias, WINDOW, padding).relu_()
        first, *others = parts.permute(0, 2, 3, 1).split(self.conv.out_channels, 3)
        total = first + others[0]
        for other in others[1:]:
            total += other
        # as torch divides: by a power of 2, so exactly
        averages: Tensor = total.mul_(1 / WINDOW**2).permute(0, 3, 1, 2)
        return averages

    def _fits(self, x: Tensor) -> bool:
        pad, kernel = self.conv.padding, self.conv.kernel_size
        sizes = [x.shape[2 + n] + 2 * int(pad[n]) - kernel[n] + 1 for n in (0, 1)]
        whole = not any(size % WINDOW for size in sizes) and not has_hooks(self.conv)
        return whole and x.dtype == torch.float32 and x.device.type == "cpu"


def pooled(network: nn.Module, shape: tuple[int, int, int]) -> nn.Module:
    """Return a network for predictions with such layers as one, where that is proved.

    The three stand one after the other in an `nn.Sequential`. The logits of random images, and of
    those images under attack, have the same bits. Otherwise, behind a guard, with hooks of all
    modules, and with the switch of `proofs`, the network itself comes back.

    network: frozen, in evaluation mode. Its modules are shared.
    """
    if keeps_its_layers(network):
        return network
    found: dict[int, nn.Module] = {}
    for module in network.modules():
        layers = list(module) if type(module) is nn.Sequential else []
        for conv, act, pool in zip(layers, layers[1:], layers[2:], strict=False):
            if is_thin(conv) and conv.out_channels < FULL and _is_relu(act) and _is_pool(pool):
                found[id(conv)] = PooledConvolution(conv, pool)
                found[id(act)], found[id(pool)] = nn.Identity(), nn.Identity()
    if not found:
        return network
    quick = replaced(network, found)
    return quick if agree(network, quick, random_images(shape), 0, None) else network


def _is_relu(module: nn.Module) -> bool:
    return type(module) is nn.ReLU and is_plain(module) and not module.inplace


def _is_pool(module: nn.Module) -> TypeGuard[nn.AvgPool2d]:
    if type(module) is not nn.AvgPool2d or not is_plain(module):
        return False
    sides = {module.kernel_size, module.stride}
    plain = (module.padding, module.ceil_mode, module.divisor_override) == (0, False, None)
    return plain and sides <= {WINDOW, (WINDOW, WINDOW)}

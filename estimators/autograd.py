"""Backward passes that differ from torch's: without NaN, and past a last squashing layer.

Both change gradients by hooks on the nodes of one autograd graph; values are those of the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

# functions that bound their output and keep the order of classes, as autograd names them
SQUASHING = {"Sigmoid", "Tanh", "Softmax", "Hardtanh", "Hardsigmoid", "Clamp", "Atan", "Erf"}
# functions of one tensor that may follow: a factor, a shift, a change of type or shape
FOLLOWING = {"Mul", "Div", "Add", "Sub", "ToCopy", "Clone", "Alias", "View", "UnsafeView"}
FOLLOWING |= {"Reshape", "ReshapeAlias", "Squeeze", "Unsqueeze"}
# a gradient is tried again at points that lie in a cube of such a half side around the image
RADII = (2 / 255, 8 / 255, 32 / 255)
# in a repaired gradient such a value was infinite on its way
HUGE = 1e15

# a node of an autograd graph, of C++ or of Python
Node = Any
Gradients = tuple[Tensor | None, ...]


@dataclass
class BackwardMode:
    """How gradients come back through a network; by default as torch computes them.

    finite: NaN in the gradient of any single operation counts as zero. So a branch that does not
        count, such as sqrt of a negative number behind `torch.where`, does not spoil the others.
    past_squashing: a last sigmoid, tanh or softmax passes gradients unchanged (a straight-through
        estimate), since its own vanish in float32 where it saturates.
    broken: number of images, summed over gradients, that had NaN or infinite values.
    """

    finite: bool = False
    past_squashing: bool = False
    broken: int = 0

    def applied(self, outputs: Tensor) -> Tensor:
        """Return outputs as they are, their graph with the hooks that the mode asks for."""
        if outputs.grad_fn is not None:
            if self.past_squashing:
                for node in _last_squashing(outputs.grad_fn):
                    node.register_hook(_unchanged)
            if self.finite:
                for node in _nodes(outputs.grad_fn):
                    node.register_hook(_without_nan)
        return outputs

    def repaired(
        self,
        gradient: Tensor,
        x: Tensor,
        again: Callable[[Tensor], Tensor],
        wanted: Callable[[Tensor], Tensor],
        steps_anyway: bool,
    ) -> Tensor:
        """Return a gradient [N, ..., C, H, W] at images x [N, C, H, W], all values finite.

        again: computes the gradient at other images. wanted: returns which of the images [N] with
        NaN need one; the others get zero. steps_anyway: an image without a gradient at any point
        tried gets random signs, so that a step takes it to another point.

        A gradient that is finite is returned as it is, at no cost. Otherwise it is taken again in
        the mode `finite`; where it is zero then, at random points nearby (RADII).
        """
        if bool(gradient.isfinite().all()):
            return gradient
        broken = ~finite_images(gradient)
        self.broken += int(broken.sum())
        self.finite = True
        try:
            result = _where(broken, torch.zeros_like(gradient), gradient)
            return _repaired(result, x, again, wanted(broken), steps_anyway)
        finally:
            self.finite = False


def _repaired(
    result: Tensor, x: Tensor, again: Callable[[Tensor], Tensor], needs: Tensor, steps_anyway: bool
) -> Tensor:
    """Return a gradient with that of `again` at the images that need one."""
    if not bool(needs.any()):
        return result
    result = _where(needs, _tamed(again(x)), result)
    for n, radius in enumerate(RADII):
        stuck = needs & (result == 0).flatten(1).all(1)
        if not bool(stuck.any()):
            return result
        points = _where(stuck, (x + radius * noise_at(x, stuck, n)).clamp_(0, 1), x)
        result = _where(stuck, _tamed(again(points)), result)
    stuck = needs & (result == 0).flatten(1).all(1)
    if steps_anyway and bool(stuck.any()):
        result = _where(stuck, noise_at(x, stuck, len(RADII)).sign(), result)
    return result


def finite_images(gradient: Tensor) -> Tensor:
    """Return at which images, bool [N], a gradient [N, ...] is finite in every pixel."""
    return gradient.isfinite().flatten(1).all(1)


def noise_at(x: Tensor, chosen: Tensor, n: int) -> Tensor:
    """Return noise like x, uniform in [-1, 1) at the chosen images [N], zero at the others.

    The stream of an image comes from its own pixels and n, so it depends on no batch or order.
    """
    noise = np.zeros(tuple(x.shape), np.float32)
    pixels = x.detach().cpu().numpy()
    for i in chosen.nonzero().flatten().tolist():
        digest = hashlib.blake2b(pixels[i].tobytes(), digest_size=16).digest()
        key = int.from_bytes(digest, "little")
        stream = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, n]))
        noise[i] = 2 * stream.random(noise[i].shape, dtype=np.float32) - 1
    return torch.from_numpy(noise).to(x.device)


def _where(chosen: Tensor, there: Tensor, elsewhere: Tensor) -> Tensor:
    """Return one tensor at the chosen images [N], the other elsewhere."""
    return torch.where(chosen.view(-1, *[1] * (elsewhere.ndim - 1)), there, elsewhere)


def _tamed(gradient: Tensor) -> Tensor:
    """Return a gradient whose infinite values have the size of its largest other value."""
    gradient = gradient.nan_to_num(nan=0.0)
    huge = gradient.abs() > HUGE
    if not bool(huge.any()):
        return gradient
    largest = gradient.abs().masked_fill(huge, 0.0).flatten(1).amax(1)
    largest = largest.where(largest > 0, 1.0).view(-1, *[1] * (gradient.ndim - 1))
    return torch.where(huge, gradient.sign() * largest, gradient)


def _nodes(first: Node) -> Iterator[Node]:
    """Yield the nodes behind an output, without those of the leaves."""
    seen, waiting = {first}, [first]
    while waiting:
        node = waiting.pop()
        yield node
        for other, _ in node.next_functions:
            if other is not None and other not in seen and other.name().find("Accumulate") < 0:
                seen.add(other)
                waiting.append(other)


def _last_squashing(node: Node) -> Iterator[Node]:
    """Yield the squashing functions at the end of a network, from its output backward."""
    while True:
        name = node.name().partition("Backward")[0].removeprefix("_")
        inputs = [other for other, _ in node.next_functions if other is not None]
        if name not in SQUASHING | FOLLOWING or len(inputs) != 1:
            return
        if name in SQUASHING:
            yield node
        node = inputs[0]


def _unchanged(inputs: Gradients, outputs: Gradients) -> Gradients:
    """Pass on the gradient of a function's output as that of its input."""
    return (outputs[0], *inputs[1:])


def _without_nan(inputs: Gradients, outputs: Gradients) -> Gradients:
    """Replace NaN by zero and what is infinite by a number whose square is finite."""
    return tuple(_finite(gradient) for gradient in inputs)


def _finite(gradient: Tensor | None) -> Tensor | None:
    if gradient is None or not gradient.is_floating_point():
        return gradient
    large = torch.finfo(gradient.dtype).max ** 0.5
    return gradient.nan_to_num(nan=0.0, posinf=large, neginf=-large)

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

# functions that are flat on one side or both, and rise everywhere, as autograd names them
SMOOTH = {"Sigmoid", "Tanh", "Softmax", "Atan", "Erf", "LogSigmoid", "Softplus", "Exp"}
SQUASHING = {*SMOOTH, "Hardsigmoid", "Hardtanh", "Clamp", "Relu", "Log"}
# what may follow: a factor, a shift, a change of type or shape, a choice of classes
FOLLOWING = {"Mul", "Div", "Neg", "Rsub", "ToCopy", "Clone", "Alias", "View", "UnsafeView"}
FOLLOWING |= {"Reshape", "ReshapeAlias", "Squeeze", "Unsqueeze", "Expand", "Slice", "Index"}
# and the mean of several networks
JOINING = {"Add", "Sub", "Stack", "Cat", "Mean"}
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

    finite: NaN and infinite values in the gradient of any single operation count as zero. So a
        branch that does not count, such as sqrt of a negative number behind `torch.where`, does not
        spoil the others.
    infinite: what is infinite there counts as large, not as zero.
    past_squashing: a last sigmoid, tanh or softmax passes gradients unchanged (a straight-through
        estimate), since its own vanish in float32 where it saturates.
    broken: number of images, summed over gradients, that had NaN or infinite values.
    """

    finite: bool = False
    infinite: bool = False
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
                    node.register_hook(_with_infinite if self.infinite else _without)
        return outputs

    def repaired(
        self,
        gradient: Tensor,
        x: Tensor,
        again: Callable[[Tensor], Tensor],
        needed: Callable[[Tensor], Tensor],
        steps_anyway: bool,
    ) -> Tensor:
        """Return a gradient [N, ..., C, H, W] at images x [N, C, H, W], all values finite.

        again: computes the gradient at other images. needed: returns which of the images [N] with
        NaN need one; the others get zero. steps_anyway: an image without a gradient at any point
        tried gets random signs, so that a step takes it to another point.

        A gradient that is finite is returned as it is, at no cost. Otherwise it is taken again in
        the mode `finite`, and pixels where it was infinite and is zero then, in the mode
        `infinite`; where it is zero in every pixel, at random points nearby (RADII).
        """
        # a sum is finite only where every value is, and costs a tenth
        if bool(gradient.sum().isfinite()) or bool(gradient.isfinite().all()):
            return gradient
        broken = ~finite_images(gradient)
        self.broken += int(broken.sum())
        self.finite = True
        try:
            needs = needed(broken)
            result = _where(broken, torch.zeros_like(gradient), gradient)
            if not bool(needs.any()):
                return result
            result = _where(needs, again(x), result)
            lost = gradient.isinf() & (result == 0) & _like(needs, result)
            if bool(lost.any()):
                self.infinite = True
                result = _tamed(torch.where(lost, again(x), result))
                self.infinite = False
            return _elsewhere(result, x, again, needs, steps_anyway)
        finally:
            self.finite = self.infinite = False


def _elsewhere(
    result: Tensor, x: Tensor, again: Callable[[Tensor], Tensor], needs: Tensor, steps_anyway: bool
) -> Tensor:
    """Return a gradient with that of points nearby, at images that need one and have none."""
    for n, radius in enumerate(RADII):
        stuck = needs & (result == 0).flatten(1).all(1)
        if not bool(stuck.any()):
            return result
        points = _where(stuck, (x + radius * noise_at(x, stuck, n)).clamp_(0, 1), x)
        result = _where(stuck, again(points), result)
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
    return torch.where(_like(chosen, elsewhere), there, elsewhere)


def _like(values: Tensor, images: Tensor) -> Tensor:
    """Return one value per image [N] as [N, 1, ..., 1], to broadcast over images [N, ...]."""
    return values.view(-1, *[1] * (images.ndim - 1))


def _tamed(gradient: Tensor) -> Tensor:
    """Return a gradient whose huge values have the size of its largest other value."""
    huge = gradient.abs() > HUGE
    largest = gradient.abs().masked_fill(huge, 0.0).flatten(1).amax(1)
    largest = _like(largest.where(largest > 0, 1.0), gradient)
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


def ends_squashed(outputs: Tensor) -> str:
    """Return the name of a smooth squashing function at the end of a network, "" without one.

    outputs: as the network returned them, with their graph.
    """
    names = [_name(node) for node in _last_squashing(outputs.grad_fn)] if outputs.grad_fn else []
    return next((name.lower() for name in names if name in SMOOTH), "")


def _name(node: Node) -> str:
    return str(node.name().partition("Backward")[0].removeprefix("_"))


def _last_squashing(node: Node) -> Iterator[Node]:
    """Yield the squashing functions at the end of a network, from its output backward.

    Of a product the factor that differs by class is followed, as that of a softmax by one number
    per image.
    """
    seen, waiting = {node}, [node]
    while waiting:
        node = waiting.pop()
        name = _name(node)
        if name not in SQUASHING | FOLLOWING | JOINING:
            continue
        inputs = [(other, at) for other, at in node.next_functions if other is not None]
        if name not in JOINING:
            if len(inputs) > 1:
                inputs = [pair for pair in inputs if _shape(*pair) == _shape(node, 0)]
            if len(inputs) != 1:
                continue
        if name in SQUASHING:
            yield node
        new = [other for other, _ in inputs if other not in seen]
        seen.update(new)
        waiting += new


def _shape(node: Node, at: int) -> tuple[int, ...]:
    """Return the shape of an output of the function that a node differentiates."""
    return tuple(node._input_metadata[at].shape)


def _unchanged(inputs: Gradients, outputs: Gradients) -> Gradients:
    """Pass on the gradient of a function's output as that of its input."""
    return (outputs[0], *inputs[1:])


def _without(inputs: Gradients, outputs: Gradients) -> Gradients:
    """Replace NaN and infinite values by zero."""
    return tuple(_finite(gradient, 0.0) for gradient in inputs)


def _with_infinite(inputs: Gradients, outputs: Gradients) -> Gradients:
    """Replace NaN by zero and what is infinite by a number whose square is finite."""
    return tuple(_finite(gradient, 0.5) for gradient in inputs)


def _finite(gradient: Tensor | None, power: float) -> Tensor | None:
    """Replace infinite values by the largest number to a power; by zero if that is 0."""
    if gradient is None or not gradient.is_floating_point():
        return gradient
    large = torch.finfo(gradient.dtype).max ** power if power else 0.0
    return gradient.nan_to_num(nan=0.0, posinf=large, neginf=-large)

"""The memory that a certificate takes: of a network's steps, of images, and of rows."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from benchmark.certificates import alpha_crown, backward
from benchmark.certificates.graph import Graph
from estimators.spec import Spec

# bytes of a float64
SIZE = 8
# tensors of all values of the network that an image keeps: two bounds, three of the lines, a mask,
# and one at work. Measured on LeNet5 and four larger networks: 35 to 40 bytes a value
PER_IMAGE = 6
# tensors of one part of the rows that are there at once; measured: 14 to 19
PER_ROWS = 20
# the same where slopes are optimised, with all that autograd keeps, of a smaller part
PER_SLOPES = 60


class ProofNeed(NamedTuple):
    """What a certificate needs of the memory in one thread, in bytes.

    fixed: the network's steps in float64 and the rows at work. image: for each image that is
    bounded at once.
    """

    fixed: float
    image: float

    def of(self, images: int) -> float:
        """Return the bytes for so many images at once."""
        return self.fixed + images * self.image


def proof_need(graph: Graph, method: Spec, chunk: int) -> ProofNeed:
    """Return what a method with all its parameters needs on a network.

    chunk: images that are handed to it at once, and bounded a few at a time.
    """
    sizes = [graph.size(index) for index in range(graph.last + 1)]
    tensors = [v.numel() for n in graph.nodes for v in vars(n.step).values() if _is(v)]
    # the largest one again, as absolute values; the images, and the bounds of their pixels
    fixed = sum(tensors) + max(tensors, default=0) + 3 * chunk * sizes[0]
    classes = sizes[-1]
    image = PER_IMAGE * sum(sizes) + 3 * classes * (classes - 1)
    if "rows" in method.kwargs:
        fixed += PER_ROWS * max(backward.MOST_VALUES, *sizes)
    if "steps" in method.kwargs:
        fixed += PER_SLOPES * max(alpha_crown.MOST_VALUES, *sizes)
    return ProofNeed(SIZE * fixed, SIZE * image)


def _is(value: object) -> bool:
    return isinstance(value, Tensor)

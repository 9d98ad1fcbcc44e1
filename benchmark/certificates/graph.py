"""A network as steps, in the order of execution, with what each one reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.certificates.steps import Add, Affine, MaxPool, Relu, Step


@dataclass(frozen=True, eq=False)
class Node:
    """One value of a network.

    step: how it is computed. inputs: the indices of the nodes that it reads.
    shape: of the value, without the batch.
    loose: intervals passed on step by step are wider than the values that it takes.
    """

    step: Step
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    loose: bool


@dataclass(frozen=True, eq=False)
class Graph:
    """A network; index 0 is the image, index n the node n - 1, the last one the logits.

    shape: of an image. nodes: in the order of execution.
    """

    shape: tuple[int, ...]
    nodes: tuple[Node, ...]

    def to(self, device: str | torch.device) -> Graph:
        """Return the graph in float64 on a device."""
        return replace(
            self, nodes=tuple(replace(node, step=node.step.to(device)) for node in self.nodes)
        )

    @property
    def last(self) -> int:
        """Return the index of the logits."""
        return len(self.nodes)

    def node(self, index: int) -> Node:
        """Return the node of an index from 1 on."""
        return self.nodes[index - 1]

    def readers(self, index: int) -> list[int]:
        """Return the indices of the nodes that read a value."""
        return [n for n in range(1, self.last + 1) if index in self.node(n).inputs]

    def size(self, index: int) -> int:
        """Return the number of values of an index."""
        return int(torch.Size(self.node(index).shape if index else self.shape).numel())

    def before_bends(self) -> list[int]:
        """Return the indices that a ReLU or pooling reads and whose intervals are loose."""
        read = {node.inputs[0] for node in self.nodes if is_bent(node.step)}
        return [n for n in sorted(read - {0}) if self.node(n).loose]

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits [N, classes] of images [N, C, H, W], exactly as the steps say."""
        values = [x]
        for node in self.nodes:
            values.append(_value(node.step, [values[i] for i in node.inputs]))
        return values[-1]


def _value(step: Step, inputs: list[Tensor]) -> Tensor:
    (x, *others) = inputs
    if isinstance(step, Affine):
        return step.shifted(step.linear(x))
    if isinstance(step, Relu):
        return x.clamp(min=0)
    if isinstance(step, MaxPool):
        return step.windows(x).amax(2).view(len(x), *step.out_shape())
    assert isinstance(step, Add)
    return x + others[0]


def is_bent(step: Step) -> bool:
    """Return whether a step is not affine: a ReLU or a max pooling."""
    return isinstance(step, (Relu, MaxPool))

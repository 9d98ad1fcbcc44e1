"""A traced graph as a plain list of steps, which can be pickled.

A `torch.fx.GraphModule` is traced again when it is unpickled. That patches the modules of the whole
process, which a worker with other threads must not do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate, map_arg


@dataclass(frozen=True)
class Value:
    """Stands for the result of another step among arguments.

    name: of that step.
    """

    name: str


class Step(NamedTuple):
    """One node of a graph.

    name: of its result. kind: the `op` of the node. target: a function, the name of a method of
    the first argument, or the number of a layer or a tensor.
    args, kwargs: with Value for results. last: results that no later step reads.
    """

    name: str
    kind: str
    target: Callable[..., Any] | str | int
    args: Any
    kwargs: Any
    last: tuple[str, ...]


class Steps(nn.Module):
    """Computes what a GraphModule with one input computes, with its layers."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.steps: list[Step] = []
        last = {node: reader for reader in module.graph.nodes for node in reader.all_input_nodes}
        for node in module.graph.nodes:
            args, kwargs = map_arg((node.args, node.kwargs), _value)
            dead = tuple(other.name for other, reader in last.items() if reader is node)
            target = self._target(module, node)
            self.steps.append(Step(node.name, node.op, target, args, kwargs, dead))

    def _target(self, module: fx.GraphModule, node: fx.Node) -> Callable[..., Any] | str | int:
        if node.op == "call_module":
            self.layers.append(module.get_submodule(str(node.target)))
            return len(self.layers) - 1
        if node.op == "get_attr":
            owner, _, name = str(node.target).rpartition(".")
            number = len(self._buffers)
            tensor = getattr(module.get_submodule(owner), name).detach()
            self.register_buffer(f"tensor_{number}", tensor)
            return number
        return node.target

    def forward(self, x: Tensor) -> Tensor:
        """Return what the graph returns for x."""
        values: dict[str, Any] = {}

        def filled(arguments: Any) -> Any:
            return map_aggregate(arguments, lambda a: values[a.name] if isinstance(a, Value) else a)

        for name, kind, target, arguments, named, last in self.steps:
            args, kwargs = filled(arguments), filled(named)
            if kind == "output":
                break
            if kind == "placeholder":
                values[name] = x
            elif kind == "get_attr":
                values[name] = self._buffers[f"tensor_{target}"]
            elif kind == "call_module":
                assert isinstance(target, int)
                values[name] = self.layers[target](*args, **kwargs)
            elif kind == "call_method":
                values[name] = getattr(args[0], str(target))(*args[1:], **kwargs)
            else:
                assert callable(target)
                values[name] = target(*args, **kwargs)
            for done in last:
                del values[done]
        out: Tensor = args[0]
        return out


def _value(node: fx.Node) -> Any:
    return Value(node.name)

"""From a network to its graph: a trace, read layer by layer, and compared with the network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from benchmark.certificates.calls import SUMS, Call, read_call
from benchmark.certificates.graph import Graph, Node
from benchmark.certificates.layers import READERS, Unsupported, read_layer
from benchmark.certificates.steps import Add, Affine, Step
from estimators.errors import InputError
from estimators.networks.copies.copying import copied
from estimators.networks.running.guarded import unguarded
from estimators.networks.running.tracing import Root, traced
from estimators.plugins import describe_error

# largest difference of the logits from the network's, as a part of the largest logit
TOLERANCE = 1e-4
# images of noise that the two are compared on, beside those given
COMPARED = 2
ADVICE = "certify affine layers, ReLU and pooling alone, or leave this network out"


def read_graph(network: nn.Module, shape: tuple[int, int, int], images: Tensor, name: str) -> Graph:
    """Return the graph of a network in evaluation mode.

    Call it only where no other thread runs a network (`tracing.traced`).

    images: float32 [N, C, H, W] in [0, 1], to compare the graph with the network on.

    Raises InputError for a network with other layers, naming the first, and for one whose graph
    does not compute what the network computes.
    """
    bare = copied(unguarded(network), name).eval()
    root = Root(bare).eval()
    try:
        graph = traced(root, tuple(READERS))
    except Exception as error:
        # decisions by values cannot be traced, and external code may raise anything
        why = f"its forward cannot be traced ({describe_error(error)})"
        raise InputError(f"certify: network {name}: {why}; {ADVICE}") from error
    reader = _Reader(root, graph, shape, name)
    with torch.no_grad():
        try:
            reader.run(torch.full((2, *shape), 0.5))
        except InputError:
            raise
        except Exception as error:
            why = f"its trace cannot be run ({describe_error(error)})"
            raise InputError(f"certify: network {name}: {why}; {ADVICE}") from error
        result = Graph(tuple(shape), tuple(reader.nodes))
        noise = torch.rand(COMPARED, *shape, generator=torch.Generator().manual_seed(0))
        _compare(result, bare, torch.cat([images.clone(), noise]), name)
    return result


class _Reader(fx.Interpreter):
    """Runs a trace on two images and notes each step as it comes.

    nodes: the steps so far. index: of the values of the network, by node of the trace.
    """

    def __init__(self, root: Root, graph: fx.Graph, shape: tuple[int, ...], name: str) -> None:
        super().__init__(root, graph=graph)
        self.extra_traceback = False  # it would lengthen the message of an error
        self.name, self.shape = name, tuple(shape)
        self.nodes: list[Node] = []
        self.index: dict[fx.Node, int] = {}
        # layers that mix values, between the image and each value
        self.mixed = [0]

    def run_node(self, n: fx.Node) -> Any:
        """Run one node of the trace and read it."""
        # what runs in place must not change the value that its step reads
        read = {node: self.env[node] for node in n.all_input_nodes}
        self.env.update({k: v.clone() if isinstance(v, Tensor) else v for k, v in read.items()})
        out = super().run_node(n)
        self.env.update({k: v for k, v in read.items() if k in self.env})
        if n.op == "placeholder":
            self.index[n] = 0
        elif n.op == "output":
            self._end(n)
        elif any(node in self.index for node in n.all_input_nodes) and isinstance(out, Tensor):
            try:
                self._read(n, out)
            except Unsupported as error:
                where = str(n.target) if n.op == "call_module" else n.name
                where = where.removeprefix("network").removeprefix(".")
                layer = f"layer {where or 'network'} ({self._kind(n)}): {error}"
                raise InputError(f"certify: network {self.name}: {layer}; {ADVICE}") from error
        return out

    def _kind(self, n: fx.Node) -> str:
        if n.op == "call_module":
            return type(self.fetch_attr(str(n.target))).__name__
        return str(n.target) if isinstance(n.target, str) else n.target.__name__

    def _read(self, n: fx.Node, out: Tensor) -> None:
        """Append the steps of a node; `out` is what it returned for two images."""
        args = [arg for arg in n.args if isinstance(arg, fx.Node) and arg in self.index]
        inputs = [self.index[arg] for arg in args]
        if out.dim() < 2 or len(out) != 2:
            raise Unsupported(f"its output {tuple(out.shape)} is no batch")
        if len(inputs) == 2 and n.target in SUMS and not n.kwargs:
            shapes = {self._shape(i) for i in inputs}
            if shapes != {tuple(out.shape[1:])}:
                raise Unsupported("a sum of different shapes")
            self._append(Add(self._shape(inputs[0])), *inputs)
        elif len(inputs) != 1 or len(set(n.all_input_nodes) & self.index.keys()) != 1:
            raise Unsupported("it takes several values of the network")
        else:
            shape = self._shape(inputs[0])
            at = inputs[0]
            if n.op == "call_module":
                steps = read_layer(self.fetch_attr(str(n.target)), shape)
            else:
                place = next(i for i, arg in enumerate(n.args) if arg is args[0])
                given, kwargs = self.fetch_args_kwargs_from_env(n)
                others = tuple(None if i == place else arg for i, arg in enumerate(given))
                call = Call(shape, tuple(out.shape[1:]), others, kwargs, place)
                steps = read_call(n.target, call)
            for step in steps:
                at = self._append(step, at)
            if self._shape(at) != tuple(out.shape[1:]):
                raise Unsupported(f"{self._shape(at)} in place of {tuple(out.shape[1:])}")
            self.index[n] = at
            return
        self.index[n] = len(self.nodes)

    def _append(self, step: Step, *inputs: int) -> int:
        mixed = sum(self.mixed[i] for i in inputs)
        mixes = isinstance(step, Add) or (isinstance(step, Affine) and step.mixes)
        self.mixed.append(mixed + mixes)
        example = Graph(step.shape, (Node(step, (0,) * len(inputs), (), False),)).to("cpu")
        shape = tuple(example.forward(torch.zeros(1, *step.shape, dtype=torch.float64)).shape[1:])
        self.nodes.append(Node(step, inputs, shape, loose=self.mixed[-1] > 1))
        return len(self.nodes)

    def _shape(self, index: int) -> tuple[int, ...]:
        return self.nodes[index - 1].shape if index else self.shape

    def _end(self, n: fx.Node) -> None:
        """Check that the trace ends with logits that are the last value."""
        (result,) = n.args
        at = self.index.get(result) if isinstance(result, fx.Node) else None
        if not at or len(self._shape(at)) != 1:
            why = "its output is no layer's logits [N, classes]"
            raise InputError(f"certify: network {self.name}: {why}; {ADVICE}")
        del self.nodes[at:]


def _compare(graph: Graph, network: nn.Module, x: Tensor, name: str) -> None:
    """Raise InputError unless graph and network have the same logits for images."""
    expected = network(x.clone()).double()
    found = graph.to("cpu").forward(x.double())
    off = (found - expected).abs().max() if found.shape == expected.shape else torch.inf
    if not off <= TOLERANCE * max(1.0, float(expected.abs().max())):
        why = f"its layers, read one by one, differ by {float(off):.2g} from its own logits"
        raise InputError(f"certify: network {name}: {why}; {ADVICE}")

"""Networks with large images as a graph of fused convolutions, where that is proved right."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from estimators.networks.running.fused_convolutions import (
    Activation,
    FusedConvolution,
    Geometry,
    Two,
)
from estimators.networks.running.plain_layers import own_tensors

_RELU = Activation("relu")
_CLASSES = {nn.ReLU: _RELU, nn.SiLU: Activation("swish"), nn.Hardswish: Activation("hardswish")}
_RELU6 = Activation("hardtanh", (0.0, 6.0))
_FUNCTIONS: dict[Any, Activation] = {
    functional.relu: _RELU, torch.relu: _RELU, torch.relu_: _RELU, functional.relu6: _RELU6,
    functional.silu: Activation("swish"), functional.hardswish: Activation("hardswish"),
}  # fmt: skip
_ADDITIONS = (operator.add, operator.iadd, torch.add)
_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
# layers that return their input in evaluation mode
_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d)


def fused_graph(root: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """Return a module that computes a traced graph of a root with fused convolutions.

    A convolution takes up what alone reads it: a batch norm in evaluation mode, an addition, an
    activation. Zeros around its input become its padding. Only what is exactly torch's, with plain
    weights, counts.

    Its weights and the other layers are those of the root.
    """
    module = fx.GraphModule(root, graph)
    graph = module.graph
    modules = dict(root.named_modules(remove_duplicate=False))
    for node in list(graph.nodes):
        if isinstance(_layer(node, modules), _NOTHING):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    count = 0
    for node in list(graph.nodes):
        found = _convolution(node, root, modules)
        if found is None:
            continue
        weight, bias, geometry = found
        source, geometry = _border(node.args[0], geometry, modules)
        chain = [node]
        norm = _layer(_reader(chain), modules)
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
            chain.append(_reader(chain))
            weight, bias = nn.utils.fusion.fuse_conv_bn_weights(
                weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
        other = _added(_reader(chain), chain[-1])
        if other is not None:
            chain.append(_reader(chain))
        activation = _activation(_reader(chain), modules)
        if activation is not None and (other is None or activation.name == "relu"):
            chain.append(_reader(chain))
        else:
            activation = Activation()
        name = f"fused_{count}"
        module.add_module(name, FusedConvolution(weight, bias, geometry, activation))
        with graph.inserting_before(chain[-1]):
            new = graph.call_module(name, (source,) if other is None else (source, other))
        chain[-1].replace_all_uses_with(new)
        for dead in reversed(chain):
            graph.erase_node(dead)
        count += 1
    graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()
    return module


def _layer(node: fx.Node | None, modules: dict[str, nn.Module]) -> nn.Module | None:
    """Return the layer that a node calls with one argument; None unless it is plain, of torch."""
    if node is None or node.op != "call_module" or len(node.args) != 1 or node.kwargs:
        return None
    layer = modules.get(str(node.target))
    if layer is None or not type(layer).__module__.startswith("torch.nn.modules."):
        return None
    return layer if own_tensors(layer) and not layer.training else None


def _reader(chain: list[fx.Node]) -> fx.Node | None:
    """Return the node that alone reads the last one of a chain."""
    users = list(chain[-1].users)
    return users[0] if len(users) == 1 else None


def _convolution(
    node: fx.Node, root: nn.Module, modules: dict[str, nn.Module]
) -> tuple[Tensor, Tensor | None, Geometry] | None:
    """Return weight, bias and geometry of a convolution with plain weights."""
    layer = _layer(node, modules)
    if isinstance(layer, nn.Conv2d):
        if layer.padding_mode != "zeros":
            return None
        weight, bias = layer.weight, layer.bias
        rest = layer.stride, layer.padding, layer.dilation, layer.groups
    elif node.op == "call_function" and node.target is functional.conv2d:
        bound = dict(zip(_ARGUMENTS, node.args, strict=False)) | dict(node.kwargs)
        weight, bias = (_weight(bound.get(name), root) for name in ("weight", "bias"))
        if weight is None or (bias is None and bound.get("bias") is not None):
            return None
        rest = tuple(bound.get(name, default) for name, default in _DEFAULTS.items())
    else:
        return None
    *pairs, groups = rest
    # a padding may be text; numbers may be computed from the size of the images
    if not all(_is_pair(value) for value in pairs) or type(groups) is not int:
        return None
    return weight, bias, Geometry(*map(_pair, pairs), groups)


def _weight(node: Any, root: nn.Module) -> Tensor | None:
    """Return the plain parameter that a node reads."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    owner, _, name = str(node.target).rpartition(".")
    tensor = root.get_submodule(owner)._parameters.get(name)
    return tensor if type(tensor) is nn.Parameter else None


def _border(
    source: Any, geometry: Geometry, modules: dict[str, nn.Module]
) -> tuple[Any, Geometry]:
    """Return what a convolution reads behind a border of zeros, and its geometry with it."""
    layer = _layer(source, modules)
    if isinstance(layer, nn.ZeroPad2d):
        border: Any = layer.padding
    elif source.op == "call_function" and source.target is functional.pad:
        bound = dict(zip(("input", "pad", "mode", "value"), source.args, strict=False))
        bound |= source.kwargs
        constant = bound.get("mode", "constant") == "constant"
        border = bound["pad"] if constant and bound.get("value") in (None, 0) else None
    else:
        return source, geometry
    if not isinstance(border, (tuple, list)) or len(border) != 4:
        return source, geometry
    if not all(type(size) is int and size >= 0 for size in border):
        return source, geometry
    left, right, top, bottom = border
    if (left, top) == (right, bottom):
        high, wide = geometry.padding
        return source.args[0], geometry._replace(padding=(high + top, wide + left))
    return source.args[0], geometry._replace(border=(left, right, top, bottom))


def _added(node: fx.Node | None, conv: fx.Node) -> fx.Node | None:
    """Return the other tensor that a node adds to a convolution."""
    if node is None or node.op != "call_function" or node.target not in _ADDITIONS:
        return None
    if len(node.args) != 2 or node.kwargs:
        return None
    first, second = node.args
    other = second if first is conv else first
    # `second += conv` writes into what others may read
    written = node.target is operator.iadd and first is not conv
    return other if isinstance(other, fx.Node) and other is not conv and not written else None


def _activation(node: fx.Node | None, modules: dict[str, nn.Module]) -> Activation | None:
    """Return the activation that a node applies."""
    layer = _layer(node, modules)
    if isinstance(layer, nn.Hardtanh):
        return Activation("hardtanh", (float(layer.min_val), float(layer.max_val)))
    if layer is not None:
        return _CLASSES.get(type(layer))
    if node is None or node.op != "call_function":
        return None
    only_switch = len(node.args) == 1 and set(node.kwargs) <= {"inplace"}
    return _FUNCTIONS.get(node.target) if only_switch else None


def _is_pair(value: Any) -> bool:
    several = value if isinstance(value, (tuple, list)) else (value,)
    return 1 <= len(several) <= 2 and all(type(v) is int for v in several)


def _pair(value: Any) -> Two:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])

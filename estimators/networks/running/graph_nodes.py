"""What the nodes of a traced network compute, where that is exactly known."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from estimators.networks.running.activations import HARDSWISH, RELU, RELU6, SWISH, Activation
from estimators.networks.running.image_gradients import Layout
from estimators.networks.running.plain_layers import is_plain, own_tensors

Modules = dict[str, nn.Module]
# left, right, top, bottom
Border = tuple[int, ...]

_CLASSES = {nn.ReLU: RELU, nn.SiLU: SWISH, nn.Hardswish: HARDSWISH}
_FUNCTIONS: dict[Any, Activation] = {
    functional.relu: RELU, torch.relu: RELU, torch.relu_: RELU, functional.relu6: RELU6,
    functional.silu: SWISH, functional.hardswish: HARDSWISH,
}  # fmt: skip
_ADDITIONS = (operator.add, operator.iadd, torch.add)
_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
# modules whose functions are torch's and Python's own
_KNOWN = ("torch", "_operator", "builtins", "math")


def is_understood(graph: fx.Graph, modules: Modules) -> bool:
    """Return whether a graph has nothing but functions of torch and of Python, and plain layers."""
    for node in graph.nodes:
        if node.op == "call_module":
            layer = modules[str(node.target)]
            known = type(layer).__module__.startswith("torch.nn.modules.") and is_plain(layer)
        elif node.op == "call_function":
            origin = getattr(node.target, "__module__", None) or "torch"
            known = origin.partition(".")[0] in _KNOWN
        else:
            known = True
        if not known:
            return False
    return True


def layer_of(node: fx.Node | None, modules: Modules) -> nn.Module | None:
    """Return the layer that a node calls with one argument; None unless it is plain, of torch."""
    if node is None or node.op != "call_module" or len(node.args) != 1 or node.kwargs:
        return None
    layer = modules.get(str(node.target))
    if layer is None or not type(layer).__module__.startswith("torch.nn.modules."):
        return None
    return layer if own_tensors(layer) and not layer.training else None


def reader_of(chain: list[fx.Node]) -> fx.Node | None:
    """Return the node that alone reads the last one of a chain."""
    users = list(chain[-1].users)
    return users[0] if len(users) == 1 else None


def convolution_of(
    node: fx.Node, root: nn.Module, modules: Modules
) -> tuple[Tensor, Tensor | None, Layout] | None:
    """Return weight, bias and geometry of a convolution with plain weights."""
    layer = layer_of(node, modules)
    weight: Tensor | None
    rest: tuple[Any, ...]
    if isinstance(layer, nn.Conv2d):
        if layer.padding_mode != "zeros":
            return None
        weight, bias = layer.weight, layer.bias
        rest = layer.stride, layer.padding, layer.dilation, layer.groups
    elif node.op == "call_function" and node.target is functional.conv2d:
        bound = dict(zip(_ARGUMENTS, node.args, strict=False)) | dict(node.kwargs)
        weight, bias = (_weight(bound.get(name), root) for name in ("weight", "bias"))
        if bias is None and bound.get("bias") is not None:
            return None
        rest = tuple(bound.get(name, default) for name, default in _DEFAULTS.items())
    else:
        return None
    *pairs, groups = rest
    # a padding may be text; numbers may be computed from the size of the images
    if weight is None or not all(_is_pair(value) for value in pairs) or type(groups) is not int:
        return None
    stride, padding, dilation = map(_pair, pairs)
    return weight, bias, Layout(stride, padding, dilation, groups)


def _weight(node: Any, root: nn.Module) -> Tensor | None:
    """Return the plain parameter that a node reads."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    owner, _, name = str(node.target).rpartition(".")
    tensor = root.get_submodule(owner)._parameters.get(name)
    return tensor if type(tensor) is nn.Parameter else None


def border_of(source: fx.Node, modules: Modules) -> tuple[Any, Border]:
    """Return what a convolution reads behind a border of zeros, and the border: () for none."""
    layer = layer_of(source, modules)
    if isinstance(layer, nn.ZeroPad2d):
        border: Any = layer.padding
    elif source.op == "call_function" and source.target is functional.pad:
        bound = dict(zip(("input", "pad", "mode", "value"), source.args, strict=False))
        bound |= source.kwargs
        constant = bound.get("mode", "constant") == "constant"
        border = bound.get("pad") if constant and bound.get("value") in (None, 0) else None
    else:
        return source, ()
    if not source.args or not isinstance(border, (tuple, list)) or len(border) != 4:
        return source, ()
    if not all(type(size) is int and size >= 0 for size in border):
        return source, ()
    return source.args[0], tuple(border)


def added_to(node: fx.Node | None, conv: fx.Node) -> fx.Node | None:
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


def activation_of(node: fx.Node | None, modules: Modules) -> Activation | None:
    """Return the activation that a node applies."""
    layer = layer_of(node, modules)
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


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])

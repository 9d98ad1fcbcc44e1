"""Networks of large images as a graph of fused convolutions, where that is proved right."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from estimators.networks.copies.copying import copied
from estimators.networks.running.activations import NONE
from estimators.networks.running.fused_convolutions import Fused, FusedConvolution, can_fuse, turned
from estimators.networks.running.graph_nodes import (
    Border,
    Modules,
    activation_of,
    added_to,
    border_of,
    convolution_of,
    is_understood,
    layer_of,
    reader_of,
)
from estimators.networks.running.guarded import Guarded, unguarded
from estimators.networks.running.image_gradients import SMALL_PIXELS, Layout
from estimators.networks.running.pixel_blocks import blocks
from estimators.networks.running.plain_layers import has_hooks
from estimators.networks.running.proofs import agree, keeps_its_layers
from estimators.networks.running.steps import Steps
from estimators.networks.running.tracing import Root, traced

# largest difference of logits, as a part of the largest logit
LOGITS = 1e-5
# largest difference of gradients, as a part of their length. Rounding turns single ReLUs on or off
GRADIENTS = 0.02
# a convolution of so few channels gets the gradient of its input by blocks
FEW_CHANNELS = 4
# least side of such a block: of one stride, which was the fastest, but more than one pixel
BLOCK = 2
# layers that return their input in evaluation mode
_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d)


def fused(network: nn.Module, images: Tensor) -> nn.Module | None:
    """Return a network for attacks and predictions that shares the weights, or None.

    It has fused convolutions (`fused_convolutions`) in the place of those of the network, and the
    same logits within LOGITS and gradients within GRADIENTS on images, clean and under attack.

    None for images of up to SMALL_PIXELS pixels, whose numbers keep their bits; without oneDNN;
    with the switch of `proofs`; with hooks, or code that changes its own state; where a trace
    fails or shows other functions than those of torch; and where the proof fails.

    Call it only where no other thread runs a network: the trace patches the modules of the whole
    process.

    network: in evaluation mode, on the CPU. images: float32 [N, C, H, W] in [0, 1].
    """
    if images.shape[-1] * images.shape[-2] <= SMALL_PIXELS or not can_fuse():
        return None
    if keeps_its_layers(unguarded(network)) or any(map(has_hooks, network.modules())):
        return None
    if isinstance(network, Guarded) and not network.channels_last:
        return None
    own = copied(unguarded(network)).eval().requires_grad_(False)
    root = Root(own.to(memory_format=torch.channels_last))
    try:
        before = list(_state(root))
        graph = traced(root)
        if before != list(_state(root)) or not is_understood(graph, dict(root.named_modules())):
            return None
        made = Steps(fused_graph(root, graph))
        pickle.dumps(made)  # workers get it
    except Exception:
        # external code may raise anything; decisions by values cannot be traced
        return None
    if not any(isinstance(module, FusedConvolution) for module in made.modules()):
        return None
    same, result = (_guarded_as(network, inner) for inner in (own, made))
    clean = images.contiguous(memory_format=torch.channels_last)
    return result if agree(same, result, clean, LOGITS, GRADIENTS) else None


def _guarded_as(network: nn.Module, inner: nn.Module) -> nn.Module:
    """Return another network behind the guard of a network, if it has one."""
    if not isinstance(network, Guarded):
        return inner
    guard = copy.copy(network)
    guard._modules = {"network": inner}
    return guard


def _state(root: nn.Module) -> Iterator[object]:
    """Yield what a forward pass that changes its network would change."""
    for module in root.modules():
        for name, value in vars(module).items():
            yield name, id(value)
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            yield None if tensor is None else (id(tensor), tensor._version)


def fused_graph(root: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """Return a module that computes a traced graph of a root with fused convolutions.

    A convolution takes up what alone reads it: a batch norm in evaluation mode, an addition, an
    activation. Zeros around its input become its padding. Only what is exactly torch's, with plain
    weights, counts. The other layers are those of the root.
    """
    module = fx.GraphModule(root, graph)
    graph, modules = module.graph, dict(root.named_modules(remove_duplicate=False))
    for node in list(graph.nodes):
        if isinstance(layer_of(node, modules), _NOTHING):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    for node in list(graph.nodes):
        found = convolution_of(node, root, modules)
        if found is not None and isinstance(node.args[0], fx.Node):
            _fuse(module, node, modules, *found)
    _pass_on(module)
    graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()
    return module


def _fuse(
    module: fx.GraphModule, node: fx.Node, modules: Modules, weight: Tensor, bias: Tensor | None,
    layout: Layout,
) -> None:  # fmt: skip
    """Put a fused convolution in the place of one and of what follows it."""
    source, border = border_of(node.args[0], modules)  # type: ignore[arg-type]
    chain = [node]
    norm = layer_of(reader_of(chain), modules)
    if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
        assert norm.running_var is not None
        chain += [_the(reader_of(chain))]
        weight, bias = nn.utils.fusion.fuse_conv_bn_weights(
            weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
    other = added_to(reader_of(chain), chain[-1])
    if other is not None:
        chain += [_the(reader_of(chain))]
    activation = activation_of(reader_of(chain), modules) or NONE
    if activation.name == "relu" or (other is None and activation != NONE):
        chain += [_the(reader_of(chain))]
    else:
        activation = NONE
    made = _made(weight, bias, layout, border)._replace(activation=activation)
    name = f"fused_{node.name}"
    module.add_module(name, FusedConvolution(made))
    with module.graph.inserting_before(chain[-1]):
        arguments = (source,) if other is None else (source, other)
        new = module.graph.call_module(name, arguments)
    chain[-1].replace_all_uses_with(new)
    for dead in reversed(chain):
        module.graph.erase_node(dead)


def _the(node: fx.Node | None) -> fx.Node:
    assert node is not None
    return node


def _made(weight: Tensor, bias: Tensor | None, layout: Layout, border: Border) -> Fused:
    """Return a convolution with its border as padding where it can be, and ways of its gradient."""
    weight, last = weight.detach(), torch.channels_last
    left, right, top, bottom = border or (0, 0, 0, 0)
    single = weight.shape[1] == 1 and layout.dilation == (1, 1)
    if border and ((left, top) == (right, bottom) or single):
        # zeros in the weights make the border symmetric
        weight = functional.pad(
            weight,
            [max(0, size) for size in (right - left, left - right, bottom - top, top - bottom)],
        )
        high, wide = layout.padding
        padding = high + max(top, bottom), wide + max(left, right)
        layout, border = layout._replace(padding=padding), ()
    weight = weight.contiguous(memory_format=last)
    bias = None if bias is None else bias.detach()
    made = Fused(weight, bias, layout, border)
    if not border:
        made = made._replace(turned=turned(weight, layout))
    (stride, other), before = layout.stride, layout.padding
    if border:
        before = before[0] + top, before[1] + left
    thin = layout.groups == 1 and weight.shape[1] <= FEW_CHANNELS and stride == other
    inside = all(pad < size for pad, size in zip(before, weight.shape[2:], strict=True))
    if thin and inside and layout.dilation == (1, 1):
        made = made._replace(blocks=blocks(weight, stride, before, max(BLOCK, stride)))
    return made


def _pass_on(module: fx.GraphModule) -> None:
    """Let a convolution that alone reads another take the gradient of its activation."""
    layers = {str(node.target): node for node in module.graph.nodes if node.op == "call_module"}
    for name, node in layers.items():
        layer = module.get_submodule(name)
        reader = reader_of([node])
        following = None if reader is None else layers.get(str(reader.target))
        if not isinstance(layer, FusedConvolution) or following is None:
            continue
        after = module.get_submodule(str(following.target))
        activation = layer.fused.activation
        if not isinstance(after, FusedConvolution) or following.args[0] is not node:
            continue
        if activation.shows and activation != NONE and after.fused.activation.shows:
            layer.fused = layer.fused._replace(reader=True)
            after.fused = after.fused._replace(before=activation)

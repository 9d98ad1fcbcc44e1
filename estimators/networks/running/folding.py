"""Batch norms folded into the convolutions before them, where that is proved to change nothing."""

from __future__ import annotations

from collections import Counter

import torch
from torch import fx, nn

from estimators.networks.copies.copying import copied
from estimators.networks.running.guarded import unguarded
from estimators.networks.running.plain_layers import global_hooks, own_tensors
from estimators.networks.running.proofs import COMPARED, agree
from estimators.networks.running.tracing import Root, traced

# names of a convolution and of the batch norm that alone reads it
Pair = tuple[str, str]

# largest difference of logits, as a part of the largest logit
TOLERANCE = 1e-4


def foldable(network: nn.Module, images: torch.Tensor) -> tuple[Pair, ...]:
    """Return the pairs of convolution and batch norm that `folded` may make one.

    Both are exactly torch's, without hooks, in evaluation mode; the norm alone reads what the
    convolution returns, as a trace shows. The folded network has the same logits, within
    TOLERANCE, on the first COMPARED images, clean and under attack. Otherwise nothing is folded.

    Call it only where no other thread runs a network: the trace patches the modules of the whole
    process.

    images: float32 [N, C, H, W] in [0, 1].
    """
    kinds = {type(module) for module in network.modules()}
    if not {nn.Conv2d, nn.BatchNorm2d} <= kinds or global_hooks():
        return ()
    # a trace may leave something in the network
    pairs = _pairs(Root(unguarded(copied(network).eval())))
    if not pairs:
        return ()
    same = copied(network).eval() if network.training else network
    return pairs if agree(same, folded(same, pairs), images[:COMPARED], TOLERANCE, None) else ()


def folded(network: nn.Module, pairs: tuple[Pair, ...]) -> nn.Module:
    """Return a copy of a network with these pairs folded; without pairs the network itself.

    For predictions only: the weights are rounded again, which turns the sign of gradients that are
    nearly zero.
    """
    if not pairs:
        return network
    copy = copied(network)
    inner = unguarded(copy)
    for conv_name, norm_name in pairs:
        conv, norm = inner.get_submodule(conv_name), inner.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
        inner.set_submodule(conv_name, torch.nn.utils.fusion.fuse_conv_bn_eval(conv, norm))
        inner.set_submodule(norm_name, nn.Identity())
    return copy.requires_grad_(False)


def _pairs(root: Root) -> tuple[Pair, ...]:
    """Return the pairs that a trace shows; none where it fails."""
    try:
        graph = traced(root)
    except Exception:
        # external code may raise anything; decisions by values cannot be traced
        return ()
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    read = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    names = Counter(id(module) for _, module in root.named_modules(remove_duplicate=False))
    pairs = []
    for node in graph.nodes:
        source = node.args[0] if len(node.args) == 1 and not node.kwargs else None
        if node.op != "call_module" or not isinstance(source, fx.Node):
            continue
        if source.op != "call_module" or list(source.users) != [node]:
            continue
        both = str(source.target), str(node.target)
        conv, norm = map(root.get_submodule, both)
        alone = all(calls[name] == 1 and name not in read for name in both)
        alone = alone and names[id(conv)] == names[id(norm)] == 1
        if alone and _is_convolution(conv) and _is_norm(norm):
            pairs.append((both[0].removeprefix("network."), both[1].removeprefix("network.")))
    return tuple(pairs)


def _is_convolution(module: nn.Module) -> bool:
    return type(module) is nn.Conv2d and own_tensors(module)


def _is_norm(module: nn.Module) -> bool:
    if type(module) is not nn.BatchNorm2d or not own_tensors(module):
        return False
    return not module.training and module.running_mean is not None

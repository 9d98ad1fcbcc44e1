"""Networks that are programs: TorchScript, and what torch.export made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from estimators.networks.running.maite import MaiteNetwork, is_model

# where an operation stood in its author's files; numbers of classes that were compiled again
_UNSTABLE = re.compile(r" #.*$|___torch_mangle_\d+\.", flags=re.MULTILINE)


class Program(nn.Module):
    """A ScriptModule, a module that has one, or an exported graph, as an ordinary module.

    ScriptModules refuse `requires_grad_`. Exported graphs refuse `train` and `eval`: they keep the
    mode that they were exported in.
    """

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the program returns for images [N, C, H, W]."""
        if torch.is_inference_mode_enabled():
            # TorchScript keeps its constants from the first call, and gradients need them later
            with torch.inference_mode(False), torch.no_grad():
                return self._out(x)
        return self._out(x)

    def _out(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.program(x)
        return out

    def train(self, mode: bool = True) -> Program:
        """Set the mode, of the program too where it has one."""
        self.training = mode
        if not isinstance(self.program, torch.fx.GraphModule):
            self.program.train(mode)
        return self


def as_module(thing: Any) -> Any:
    """Return an ExportedProgram, its graph, or what has a ScriptModule as a Program.

    A model of MAITE's protocol becomes a module too.
    """
    if is_model(thing):
        return MaiteNetwork(thing)
    if isinstance(thing, torch.export.ExportedProgram):
        thing = thing.module()
    if not isinstance(thing, nn.Module):
        return thing
    scripts = [m for m in programs_in(thing) if isinstance(m, torch.jit.ScriptModule)]
    for script in scripts:
        # its copies have weights that are results of a clone, where these need gradients
        for weight in script.parameters():
            weight.requires_grad_(False)
    return Program(thing) if scripts or _is_exported(thing) else thing


def programs_in(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the ScriptModules and graphs in a module that are in no other one."""
    if isinstance(module, (torch.jit.ScriptModule, torch.fx.GraphModule)):
        yield module
        return
    for child in module.children():
        yield from programs_in(child)


def program_sha256(program: nn.Module) -> str:
    """Return a SHA-256 of a program's code and of the tensors in it; of no weights."""
    digest = hashlib.sha256()
    if isinstance(program, torch.jit.ScriptModule):
        graph: Any = program.inlined_graph
        digest.update(_UNSTABLE.sub("", str(graph)).encode())
        for node in graph.findAllNodes("prim::Constant", recurse=True):
            if node.hasAttribute("value") and node.kindOf("value") == "t":
                digest.update(_bytes(node.t("value")))
    elif isinstance(program, torch.fx.GraphModule):
        digest.update(program.code.encode())
        kept = program.state_dict()
        for node in program.graph.find_nodes(op="get_attr"):
            tensor = attrgetter(node.target)(program)
            if node.target not in kept and isinstance(tensor, torch.Tensor):
                digest.update(_bytes(tensor))
    return digest.hexdigest()


def _is_exported(thing: nn.Module) -> bool:
    """Return whether a graph comes from torch.export: its mode cannot change."""
    if not isinstance(thing, torch.fx.GraphModule):
        return False
    try:
        thing.eval()
    except NotImplementedError:
        return True
    return False


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().numpy().tobytes()

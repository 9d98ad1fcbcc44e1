"""Networks that are programs: TorchScript, and what torch.export made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

# where an operation stood in its author's files
_PLACES = re.compile(r" #.*$", flags=re.MULTILINE)


class Program(nn.Module):
    """A ScriptModule or an exported graph as an ordinary module.

    ScriptModules refuse `requires_grad_`, and exported graphs refuse `train` and `eval`: these keep
    the mode that they were exported in.
    """

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the program returns for images [N, C, H, W]."""
        out: torch.Tensor = self.program(x)
        return out

    def train(self, mode: bool = True) -> Program:
        """Set the mode, of the program too where it has one."""
        self.training = mode
        if isinstance(self.program, torch.jit.ScriptModule):
            self.program.train(mode)
        return self


def as_module(thing: Any) -> Any:
    """Return a ScriptModule, an ExportedProgram or its graph as a Program; other things as is."""
    if isinstance(thing, torch.export.ExportedProgram):
        thing = thing.module()
    for program in programs_in(thing) if isinstance(thing, nn.Module) else ():
        if isinstance(program, torch.jit.ScriptModule):
            # its copies have weights that are results of a clone, where these need gradients
            for weight in program.parameters():
                weight.requires_grad_(False)
    return Program(thing) if _is_program(thing) else thing


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
        digest.update(_PLACES.sub("", str(graph)).encode())
        for node in graph.findAllNodes("prim::Constant", recurse=True):
            if node.hasAttribute("value") and node.kindOf("value") == "t":
                digest.update(node.t("value").detach().cpu().contiguous().numpy().tobytes())
    elif isinstance(program, torch.fx.GraphModule):
        digest.update(program.code.encode())
        kept = set(program.state_dict())
        for name, tensor in program.named_buffers():
            if name not in kept:
                digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _is_program(thing: object) -> bool:
    """Return whether a thing is a ScriptModule, or a graph whose mode cannot change: exported."""
    if isinstance(thing, torch.jit.ScriptModule):
        return True
    if not isinstance(thing, torch.fx.GraphModule):
        return False
    try:
        thing.eval()
    except NotImplementedError:
        return True
    return False

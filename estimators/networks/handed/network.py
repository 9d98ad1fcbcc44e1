"""A network that a caller hands over: its copy, as `find_network` returns a network by name."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from estimators.errors import InputError
from estimators.interrupts import contained
from estimators.networks.copies.comparing import check_copies
from estimators.networks.copies.copying import copied
from estimators.networks.declared import declared_by
from estimators.networks.external import ExternalNetwork
from estimators.networks.handed.state import state_sha256
from estimators.networks.programs import as_module
from estimators.plugins import describe_error
from estimators.spec import Value


@dataclass(frozen=True)
class HandedNetwork:
    """A network that a caller hands over as an object.

    module: maps images to logits; it is copied, and never changed. It is run itself only where it
        has hooks or functions, to see that its copy computes the same.
    mean, std: what becomes the first layer (x - mean) / std of pixels in [0, 1]; None for what the
        module declares itself, and for no such layer where it declares nothing.
    origin: one line on where it comes from.
    """

    module: nn.Module
    mean: Value = None
    std: Value = None
    origin: str = ""

    def found(self, name: str, shape: tuple[int, int, int]) -> ExternalNetwork:
        """Return a copy of the network as an external one.

        name: for messages. shape: of an image, [C, H, W].

        Raises InputError for a module that cannot be copied, or whose copy computes other outputs.
        """
        inner = plain_module(self.module)
        check_copies(inner, shape, name)
        network = as_module(copied(inner, name))
        declared = declared_by(inner)
        try:
            with contained():
                network = network.float().cpu().eval()
        except Exception as error:
            # modules override train()
            raise InputError(
                f"network {name}: its eval() failed ({describe_error(error)})"
            ) from error
        mean, std = self.mean, self.std
        if mean is None and std is None:
            mean, std = declared.mean, declared.std
        origin = self.origin or f"handed over as an object, {type(inner).__name__}"
        return ExternalNetwork(network, origin, source(inner), mean, std, declared.geometry)

    def sha256(self) -> str:
        """Return a SHA-256 of what decides its outputs beside its weights and the files of code."""
        return state_sha256(plain_module(self.module))


def plain_module(module: nn.Module) -> nn.Module:
    """Return the module inside what runs it on several devices, or compiled."""
    inner = getattr(module, "_orig_mod", None)
    if isinstance(inner, nn.Module):
        return plain_module(inner)
    if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return plain_module(module.module)
    return module


def source(module: nn.Module) -> str:
    """Return the file name of a module's class; without a file the name of the class."""
    try:
        return Path(inspect.getfile(type(module))).name
    except (OSError, TypeError):
        return type(module).__name__

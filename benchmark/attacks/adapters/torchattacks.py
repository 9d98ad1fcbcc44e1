"""Attacks of torchattacks as `torchattacks:NAME`; it is imported by `attacks` alone."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.attacks.adapters.counted_network import CountedNetwork
from benchmark.attacks.adapters.library_attack import LibraryAttackEntry, signature_entry

# no attack, or one that needs other attacks or training images
WITHOUT = ("VANILA", "MultiAttack", "LGV")
# the bound has another name in some
RENAMED = {"max_epsilon": "eps"}
# the adapter sets `seed` and `n_classes`
HIDDEN = {"model", "seed", "n_classes", "verbose"}
# what no parameter says; others are of Linf
NORMS = {"GN": "2", "CW": "2", "PGDL2": "2", "PGDRSL2": "2", "DeepFool": "2"}
NORMS |= {"EADEN": "1", "EADL1": "1", "SparseFool": "0", "OnePixel": "0", "Pixle": "0", "JSMA": "0"}
# its targeted mode takes the target for the label, and attacks nothing
UNTARGETED = ("FAB",)
BLACK_BOX = ("GN", "Square", "SPSA", "OnePixel", "Pixle")


@cache
def attacks() -> Mapping[str, LibraryAttackEntry]:
    """Return the attacks by name."""
    import torchattacks

    names = [name for name in torchattacks.__all__ if name not in WITHOUT]
    return {name: _entry(name, getattr(torchattacks, name)) for name in names}


def _entry(name: str, cls: type[Any]) -> LibraryAttackEntry:
    known = inspect.signature(cls).parameters
    # only an attack on a network says it
    modes = cls(nn.Linear(1, 1)).supported_mode
    about: dict[str, Any] = {"norm": NORMS.get(name, "inf")}
    if "norm" in known:
        about |= {"defaults": {"norm": "inf"}, "allowed": {"norm": ("inf", "2")}}
    return signature_entry(
        f"torchattacks:{name}",
        cls,
        partial(_run, cls),
        hidden=HIDDEN,
        renamed=RENAMED,
        targeted=name not in UNTARGETED and "targeted" in modes,
        bounded=not {"eps", "max_epsilon"}.isdisjoint(known),
        uses_gradient=name not in BLACK_BOX,
        **about,
    )


def _run(
    cls: type[Any], network: CountedNetwork, x: Tensor, y: Tensor, params: dict[str, Any]
) -> Tensor:
    """Return the images of an attack."""
    known = inspect.signature(cls).parameters
    targeted = params.pop("targeted", False)
    if "norm" in params:
        params["norm"] = "Linf" if params["norm"] == math.inf else f"L{params['norm']}"
    if "n_classes" in known:
        params["n_classes"] = network.classes
    if "seed" in known:
        # its own would be the same for every chunk, or the time
        params["seed"] = int(torch.randint(2**31, ()))
    attack = cls(network, **params)
    if targeted:
        attack.set_mode_targeted_by_label(quiet=True)
    images: Tensor = attack(x, y)
    return images

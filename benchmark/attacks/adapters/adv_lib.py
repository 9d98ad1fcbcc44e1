"""Attacks of adversarial-library as `adv_lib:NAME`; it is imported by `attacks` alone."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from torch import Tensor

from benchmark.attacks.adapters.counted_network import CountedNetwork
from benchmark.attacks.adapters.library_attack import LibraryAttackEntry, signature_entry

# its distance is of colours
WITHOUT = ("perc_al",)
HIDDEN = {"model", "inputs", "labels", "targeted", "callback", "penalty", "starting_points"}
HIDDEN |= {"distance", "return_unsuccessful", "return_targets"}
# the harness' spelling; the first step of `tr` is called eps, which is a bound elsewhere
RENAMED: dict[str, dict[str, str]] = {
    "pgd_linf": {"ε": "eps"},
    "tr": {"eps": "first_step", "p": "norm"},
}
BOUNDED = ("pgd_linf", "apgd", "apgd_targeted")
# norms by attack, the default first
NORMS: dict[str, tuple[str, ...]] = {
    "alma": ("2", "1"),
    "apgd": ("inf", "2", "1"),
    "apgd_targeted": ("inf", "2", "1"),
    "carlini_wagner_l2": ("2",),
    "carlini_wagner_linf": ("inf",),
    "ddn": ("2",),
    "df": ("2", "inf"),
    "fab": ("inf", "2", "1"),
    "fmn": ("inf", "2", "1", "0"),
    "fga": ("0",),
    "pdgd": ("2",),
    "pdpgd": ("inf", "2", "1", "0"),
    "pgd_linf": ("inf",),
    "sdf": ("2",),
    "sigma_zero": ("0",),
    "str_attack": ("2",),
    "tr": ("2", "inf"),
    "vfga": ("0",),
}
# these return the images as they are where they are asked for a target, or attack all targets
UNTARGETED = ("apgd_targeted", "df", "fab", "sdf", "sigma_zero", "tr")


@cache
def attacks() -> Mapping[str, LibraryAttackEntry]:
    """Return the attacks by name."""
    with without_visdom():
        from adv_lib import attacks as room
    found = {name: getattr(room, name) for name in sorted(dir(room)) if name not in WITHOUT}
    return {name: _entry(name, fn) for name, fn in found.items() if inspect.isfunction(fn)}


def _entry(name: str, function: Callable[..., Tensor]) -> LibraryAttackEntry:
    norms = NORMS.get(name, ("2",))
    about: dict[str, Any] = {"norm": norms[0]}
    if len(norms) > 1:
        default = norms[0] if norms[0] == "inf" else int(norms[0])
        about |= {"defaults": {"norm": default}, "allowed": {"norm": norms}}
    return signature_entry(
        f"adv_lib:{name}",
        function,
        partial(_run, function),
        hidden=HIDDEN,
        renamed=RENAMED.get(name),
        targeted=name not in UNTARGETED,
        bounded=name in BOUNDED,
        **about,
    )


def _run(
    function: Callable[..., Tensor],
    network: CountedNetwork,
    x: Tensor,
    y: Tensor,
    params: dict[str, Any],
) -> Tensor:
    """Return the images of an attack."""
    if "distance" in inspect.signature(function).parameters:
        params["distance"] = f"l{params.pop('norm')}"
    targeted = bool(params.pop("targeted", False))
    return function(network, x, y, targeted=targeted, **params)


@contextmanager
def without_visdom() -> Iterator[None]:
    """Let adv_lib be imported without visdom, which draws its curves and does nothing else."""
    missing = find_spec("visdom") is None
    if missing:
        sys.modules["visdom"] = ModuleType("visdom")
    try:
        yield
    finally:
        if missing:
            del sys.modules["visdom"]

"""From a defence's spec to the defence: ours, ART's by dotted name, plug-ins, chains."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from art.defences.preprocessor.preprocessor import Preprocessor

from estimators.defences.base import CodesBytes
from estimators.defences.chain import Chain
from estimators.defences.known import chain_members, needs, unknown_defence
from estimators.defences.registry import DEFENCES, JOIN
from estimators.entries import DefenceEntry
from estimators.errors import InputError, unknown
from estimators.plugins import builder, entry_of, import_from_art
from estimators.spec import Spec

# what external classes get where they have these parameters
_OFFERED = {"channels_first": True, "clip_values": (0.0, 1.0), "verbose": False}
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def build_defence(spec: Spec) -> Preprocessor | None:
    """Return the preprocessor of a spec; None for the defence `none`.

    A dotted name is taken from ART alone, a plug-in or `package.module:factory` from anywhere; both
    get `channels_first=True` and `clip_values=(0, 1)` where they have these parameters. Names
    joined by `+` are a chain, the first of them next to the image. Its parameters are named
    MEMBER.PARAMETER; of two members of one name the second is MEMBER2:
    `smoothing+jpeg[jpeg.quality=50]`.

    Raises InputError for an unknown name or parameter, a missing or bad one, and for an object that
    is no preprocessor.
    """
    if JOIN in spec.name:
        return Chain(_members(spec))
    factory = _factory(spec.name)
    entry = entry_of("defences", spec.name, DEFENCES, DefenceEntry)
    allowed = inspect.signature(factory).parameters
    for name in spec.kwargs:
        if name not in allowed:
            raise unknown(f"parameter of the defence {spec.name}", name, allowed or ["(none)"])
    offered = {} if spec.name in DEFENCES else {k: v for k, v in _OFFERED.items() if k in allowed}
    params = {**offered, **(entry.defaults if entry else {}), **spec.kwargs}
    needed = [p.name for p in allowed.values() if p.default is p.empty and p.kind in _NAMED]
    missing = [name for name in needed if name not in params]
    if missing:
        raise needs(spec, missing)
    try:
        defence: Preprocessor | None = factory(**params)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"defence {spec}: {error}") from error
    if defence is None:
        return None
    if not isinstance(defence, Preprocessor):
        kind = type(defence).__name__
        raise InputError(f"defence {spec}: expected a Preprocessor of ART, got {kind}")
    if not defence.apply_predict:
        # ART would leave it out of predictions without a word (its issue 2335)
        raise InputError(f"defence {spec}: apply_predict is off, so it would protect nothing")
    return defence


def byte_coder(defence: Preprocessor | None) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return what a defence does to bytes, where bytes are all that it uses; else None."""
    return defence.code_bytes if isinstance(defence, CodesBytes) else None


def no_defence() -> None:
    """Return the defence `none`."""
    return


def _factory(name: str) -> Any:
    if name in DEFENCES:
        return DEFENCES[name].load()
    external = builder("defences", name)
    if external is not None:
        return external
    if "." in name:
        return import_from_art(name, Preprocessor, "defence")
    raise unknown_defence(name)


def _members(spec: Spec) -> list[Preprocessor]:
    """Return the defences of a chain, in their order."""
    members = []
    for member in chain_members(spec):
        defence = build_defence(member)
        if defence is None:
            raise InputError(f"defence {spec}: `none` does nothing in a chain; leave it out")
        members.append(defence)
    return members

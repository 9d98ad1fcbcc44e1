"""The defences: ART preprocessors in front of a network."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from art.defences.preprocessor.preprocessor import Preprocessor

from estimators.defences.base import TensorDefence
from estimators.defences.chain import Chain
from estimators.defences.filters import Smoothing, Squeezing
from estimators.defences.jpeg import JpegCompression, round_trip
from estimators.defences.random_defences import GaussianNoise, RandomResize, TotalVariation
from estimators.errors import InputError, unknown
from estimators.plugins import plugin
from estimators.spec import Spec, Value

ALLOWED_PACKAGE = "art."
JOIN = "+"
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Quantize(TensorDefence):
    """Eight bits and nothing else: the control that JPEG must beat.

    ART's JPEG truncates x * 255 to bytes, it does not round; so does this.
    """

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Images [N, C, H, W] in [0, 1] at 256 grey levels."""
        return from_bytes(to_bytes(x))


def to_bytes(x: torch.Tensor) -> torch.Tensor:
    """Images in [0, 1] as uint8, truncated as ART's JpegCompression does."""
    return (x * 255).to(torch.uint8)


def from_bytes(images: torch.Tensor) -> torch.Tensor:
    """uint8 images as float32 in [0, 1]."""
    return images.to(torch.float32) / 255


def byte_coder(defence: Preprocessor | None) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """What a defence does to bytes, where bytes are all that it looks at; else None.

    Several such defences of the same images can share the bytes.
    """
    if isinstance(defence, JpegCompression):
        quality = defence.quality
        return lambda images: round_trip(images, quality)
    return (lambda images: images) if isinstance(defence, Quantize) else None


def build_defence(spec: Spec) -> Preprocessor | None:
    """The preprocessor of a spec; None for the defence `none`.

    A dotted name is taken from ART alone, a plug-in or `package.module:factory` from anywhere;
    both get `channels_first=True` and `clip_values=(0, 1)` where they have these parameters.
    Names joined by `+` are a chain, the first of them next to the image; its parameters are named
    MEMBER.PARAMETER, and of two members of one name the second is MEMBER2:
    `smoothing+jpeg[jpeg.quality=50]`.
    """
    if JOIN in spec.name:
        return Chain(_members(spec))
    if spec.name in DEFENCES:
        factory, dotted = DEFENCES[spec.name], False
    elif (found := plugin("defences", spec.name)) is not None:
        factory, dotted = found, True
    elif "." in spec.name:
        factory, dotted = import_from_art(spec.name, Preprocessor, "defence"), True
    else:
        others = ("art.defences.preprocessor.NAME", "package.module:factory")
        raise unknown("defence", spec.name, [*DEFENCES, *others])
    allowed = inspect.signature(factory).parameters
    for name in spec.kwargs:
        if name not in allowed:
            raise unknown(f"parameter of the defence {spec.name}", name, allowed or ["(none)"])
    params: dict[str, Any] = dict(spec.kwargs)
    if dotted:
        wanted = {"channels_first": True, "clip_values": (0.0, 1.0), "verbose": False}
        params = {**{k: v for k, v in wanted.items() if k in allowed}, **params}
    missing = [
        name
        for name, param in allowed.items()
        if param.default is param.empty and param.kind in _NAMED and name not in params
    ]
    if missing:
        raise InputError(f"defence {spec}: needs the parameter {', '.join(missing)}")
    try:
        defence: Preprocessor | None = factory(**params)
    except (TypeError, ValueError) as error:
        raise InputError(f"defence {spec}: {error}") from error
    if defence is not None and not isinstance(defence, Preprocessor):
        raise InputError(f"defence {spec}: is {type(defence).__name__}, wanted ART's Preprocessor")
    if defence is not None and not defence.apply_predict:
        # ART would leave it out of predictions without a word (its issue 2335)
        raise InputError(f"defence {spec}: apply_predict is off, so it would protect nothing")
    return defence


def _members(spec: Spec) -> list[Preprocessor]:
    """The defences of a chain, in their order."""
    params: dict[str, tuple[str, dict[str, Value]]] = {}
    for name in spec.name.split(JOIN):
        times = sum(of == name for of, _ in params.values()) + 1
        params[name if times == 1 else f"{name}{times}"] = (name, {})
    for key, value in spec.params:
        label, _, param = key.rpartition(".")
        if label not in params:
            known = [f"{member}.PARAMETER" for member in params]
            raise unknown(f"parameter of the defence {spec.name}", key, known)
        params[label][1][param] = value
    members = []
    for name, own in params.values():
        member = build_defence(Spec.of(name, own))
        if member is None:
            raise InputError(f"defence {spec}: `none` does nothing in a chain; leave it out")
        members.append(member)
    return members


def import_from_art(name: str, base: type, kind: str) -> Callable[..., Any]:
    """A class of ART by dotted name; no other package is imported on a grid file's word."""
    if not name.startswith(ALLOWED_PACKAGE):
        raise InputError(f"{kind} {name!r}: dotted names must begin with {ALLOWED_PACKAGE!r}")
    module_name, _, class_name = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{kind} {name!r}: not found in ART ({error})") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise InputError(f"{kind} {name!r}: not a {base.__name__} of ART")
    return found


def _jpeg(quality: int) -> JpegCompression:
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise InputError(f"defence jpeg: quality must be an integer from 1 to 100, found {quality}")
    return JpegCompression(quality=quality)


def _none() -> None:
    return None


DEFENCES: dict[str, Callable[..., Preprocessor | None]] = {
    "none": _none,
    "quantize": Quantize,
    "jpeg": _jpeg,
    "smoothing": Smoothing,
    "squeezing": Squeezing,
    "tvm": TotalVariation,
    "gaussian": GaussianNoise,
    "resize": RandomResize,
}

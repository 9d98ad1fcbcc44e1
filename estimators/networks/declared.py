"""What a network declares of its images: normalisation and size, as model zoos keep them."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from estimators.data.geometry import Geometry, Interpolation
from estimators.entries import load_object
from estimators.errors import InputError
from estimators.spec import Value

# attributes of timm's networks, and of those that copy it
_CONFIGS = ("pretrained_cfg", "default_cfg")
# timm's own defaults
_SHARE, _INTERPOLATION = 0.875, "bicubic"
_CROP, _SQUASH = "center", "squash"


@dataclass(frozen=True)
class Declared:
    """What a network declares; None for what it does not.

    mean, std: per channel, of pixels in [0, 1]. geometry: how photos become its images.
    """

    mean: Value = None
    std: Value = None
    geometry: Geometry | None = None


UNDECLARED = Declared()


def declared_by(*things: object) -> Declared:
    """Return what the first thing (a network, its factory) declares that declares anything.

    `geometry` is a Geometry or a mapping of its fields; `pretrained_cfg` or `default_cfg` are
    timm's: `mean`, `std`, `input_size` [C, H, W], `crop_pct`, `crop_mode`, `interpolation`.
    Attributes `mean` and `std` are not read: networks keep them for a normalisation of their own.
    """
    for thing in things:
        geometry = _geometry(getattr(thing, "geometry", None))
        configs = [c for name in _CONFIGS if (c := _config(getattr(thing, name, None)))]
        if configs:
            mean, std = (_numbers(configs[0], key) for key in ("mean", "std"))
            return Declared(mean, std, geometry or _of_config(configs[0]))
        if geometry is not None:
            return Declared(geometry=geometry)
    return UNDECLARED


def family_geometry(family: str, name: str) -> Geometry | None:
    """Return the size that a model zoo states for a name; None where it does not. No download."""
    if family == "torchvision":
        # here, since it takes a second of a command that prints the layers of a network
        models: Any = importlib.import_module("torchvision.models")
        try:
            weights: Any = models.get_model_weights(name)
            return of_preset(weights.DEFAULT.transforms())
        except (ValueError, AttributeError):
            return None
    if family == "hf":
        found: Geometry | None = load_object("estimators.networks.huggingface.model:geometry_of")(
            name
        )
        return found
    if family == "timm":
        try:
            zoo = importlib.import_module("timm.models")
            config = _config(zoo.get_pretrained_cfg(name))
        except (ImportError, RuntimeError, KeyError):
            # the network's own loading says what is wrong
            return None
        return _of_config(config) if config else None
    return None


def of_preset(preset: Any) -> Geometry:
    """Return the geometry of a preset of torchvision (`weights.transforms()`)."""
    interpolation = "bicubic" if preset.interpolation.value == "bicubic" else "bilinear"
    return Geometry(_side(preset.resize_size), _side(preset.crop_size), interpolation)  # type: ignore[arg-type]


def _config(value: object) -> Mapping[str, Any]:
    """Return a configuration as a mapping; timm's newer ones are dataclasses."""
    if isinstance(value, Mapping):
        return value
    fields = getattr(value, "__dict__", {})
    return fields if "input_size" in fields or "mean" in fields else {}


def _of_config(config: Mapping[str, Any]) -> Geometry | None:
    size = config.get("input_size")
    if not isinstance(size, (list, tuple)) or len(size) != 3 or size[1] != size[2]:
        return None
    side, share = int(size[1]), config.get("crop_pct") or _SHARE
    if not isinstance(share, (int, float)) or not 0 < share <= 2:
        raise InputError(f"network: declares crop_pct={share!r}, expected a share in (0, 1]")
    named = config.get("interpolation") or _INTERPOLATION
    mode = config.get("crop_mode") or _CROP
    if named not in get_args(Interpolation) or mode not in (_CROP, _SQUASH):
        return None  # `border` adds a frame, which no geometry says
    # the same sum as timm's
    resize = math.floor(side / share)
    return Geometry(resize, side, cast(Interpolation, named), mode == _SQUASH)


def _geometry(value: object) -> Geometry | None:
    if isinstance(value, Mapping) and value and set(value) <= set(Geometry.__dataclass_fields__):
        return Geometry(**value)
    return value if isinstance(value, Geometry) else None


def _numbers(config: Mapping[str, Any], key: str) -> Value:
    values = config.get(key)
    return tuple(float(v) for v in values) if isinstance(values, (list, tuple)) else None


def _side(size: Any) -> int:
    return int(size[0] if isinstance(size, (list, tuple)) else size)

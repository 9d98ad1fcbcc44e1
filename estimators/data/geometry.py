"""The size that photos are brought to: shorter side, then the centre."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from estimators.errors import InputError, unknown, whole
from estimators.spec import Spec

Interpolation = Literal["bilinear", "bicubic"]
FOLDER = "imagefolder"
LARGEST_SIDE = 10_000
OPTIONS = ("resize", "crop", "interpolation")
# `[resize=256,crop=224]` at the end of a name; other brackets belong to the path
_BRACKETS = re.compile(r"\[\s*\w+\s*=[^\[\],=]*(,\s*\w+\s*=[^\[\],=]*)*\]\s*$")


@dataclass(frozen=True)
class Geometry:
    """How an image of any size becomes one of a network's size.

    resize: length in pixels that the shorter side gets, with antialiasing; None leaves it.
    crop: side in pixels of the square cut from the centre; None cuts nothing.
    interpolation: of the resize.
    """

    resize: int | None = None
    crop: int | None = None
    interpolation: Interpolation = "bilinear"

    def __str__(self) -> str:
        """Return the options as a name has them: `[resize=256,crop=224]`; "" for the defaults."""
        options = {"resize": self.resize, "crop": self.crop}
        shown = [f"{name}={value}" for name, value in options.items() if value is not None]
        if self.interpolation != "bilinear":
            shown.append(f"interpolation={self.interpolation}")
        return f"[{','.join(shown)}]" if shown else ""


def dataset_name(spec: Spec) -> str:
    """Return the one name of a data set and its options: `imagefolder:PATH[resize=256,crop=224]`.

    spec: the name may end in brackets with options, the parameters are options too.

    Raises InputError for an unknown option, a bad value, and options of another data set.
    """
    path, own = split_options(spec.name)
    params = spec.kwargs
    if own is None and not params:
        return spec.name
    if not spec.name.startswith(f"{FOLDER}:"):
        raise InputError(
            f"data set {spec.name}: takes no parameters, got {', '.join(params)};"
            f" {FOLDER}:PATH takes {', '.join(OPTIONS)}"
        )
    if own is not None and params:
        raise InputError(f"data set {spec.name}: options both in brackets and as parameters")
    return f"{path}{own or _geometry(params, spec.name)}"


def split_options(name: str) -> tuple[str, Geometry | None]:
    """Return the name of a data set without the options in brackets at its end, and the options.

    Only `imagefolder:PATH` has options. The brackets of a folder that exists under the whole name,
    and brackets without an equals sign, belong to the path.

    Raises InputError for an unknown option or a bad value.
    """
    found = _BRACKETS.search(name)
    if found is None or not name.startswith(f"{FOLDER}:"):
        return name, None
    if _is_folder(name.partition(":")[2]):
        return name, None
    pairs = [part.partition("=") for part in found.group().strip().strip("[]").split(",")]
    options: dict[str, object] = {}
    for key, _, value in pairs:
        if key.strip() in options:
            raise InputError(f"data set {name}: option {key.strip()} is given twice")
        options[key.strip()] = int(value) if value.strip().isdecimal() else value.strip()
    return name[: found.start()], _geometry(options, name)


def _geometry(options: Mapping[str, object], name: str) -> Geometry:
    for option in options:
        if option not in OPTIONS:
            raise unknown(f"option of the data set {name}", option, OPTIONS)
    sides: dict[str, int | None] = {
        side: whole(f"data set {name}: {side}", options[side], 1, LARGEST_SIDE)
        if options.get(side) is not None
        else None
        for side in ("resize", "crop")
    }
    resize, crop = sides["resize"], sides["crop"]
    if resize is not None and crop is not None and crop > resize:
        raise InputError(
            f"data set {name}: crop {crop} is larger than the shorter side, {resize}, that resize"
            " gives; expected crop <= resize"
        )
    interpolation = options.get("interpolation", "bilinear")
    if interpolation not in get_args(Interpolation):
        known = " or ".join(get_args(Interpolation))
        raise InputError(f"data set {name}: interpolation: expected {known}, got {interpolation!r}")
    return Geometry(resize, crop, cast(Interpolation, interpolation))


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False  # a name that no file system takes

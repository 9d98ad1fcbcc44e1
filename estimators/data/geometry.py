"""The size that photos are brought to: shorter side, then the centre; options in brackets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from estimators.errors import InputError, unknown, whole
from estimators.spec import Spec

Interpolation = Literal["bilinear", "bicubic", "lanczos", "nearest"]
FOLDER, HUGGING_FACE = "imagefolder", "hf"
# what stands before the colon of data sets of photos, which take options of a size
SIZED = (FOLDER, HUGGING_FACE)
LARGEST_SIDE = 10_000
OPTIONS = ("resize", "crop", "interpolation", "squash", "floor")
# what a folder of `datasets` may say besides: which split and which columns
HF_CHOICES = ("split", "image", "label")
FLAGS = ("squash", "floor")
_TRUTH = {"true": True, "false": False, "True": True, "False": False}
# `[resize=256,crop=224]` at the end of a name; other brackets belong to the path
_BRACKETS = re.compile(r"\[\s*\w+\s*=[^\[\],=]*(,\s*\w+\s*=[^\[\],=]*)*\]\s*$")


@dataclass(frozen=True, repr=False)
class Geometry:
    """How an image of any size becomes one of a network's size.

    resize: length in pixels that the shorter side gets, with antialiasing; None leaves it.
    crop: side in pixels of the square cut from the centre; None cuts nothing.
    interpolation: of the resize.
    squash: `resize` is the length of both sides, whatever the proportions were.
    floor: a centre between two pixels is rounded down, as transformers does; else to the even one,
        as torchvision does.
    """

    resize: int | None = None
    crop: int | None = None
    interpolation: Interpolation = "bilinear"
    squash: bool = False
    floor: bool = False

    def __repr__(self) -> str:
        """Return what hashes of data are made from: the first three, and flags."""
        fields = f"resize={self.resize!r}, crop={self.crop!r}"
        flags = "".join(f", {name}=True" for name in FLAGS if getattr(self, name))
        return f"Geometry({fields}, interpolation={self.interpolation!r}{flags})"

    def __str__(self) -> str:
        """Return the options as a name has them: `[resize=256,crop=224]`; "" for the defaults."""
        options = {"resize": self.resize, "crop": self.crop}
        shown = [f"{name}={value}" for name, value in options.items() if value is not None]
        if self.interpolation != "bilinear":
            shown.append(f"interpolation={self.interpolation}")
        shown += [f"{name}=true" for name in FLAGS if getattr(self, name)]
        return f"[{','.join(shown)}]" if shown else ""


def dataset_name(spec: Spec) -> str:
    """Return the one name of a data set and its options: `imagefolder:PATH[resize=256,crop=224]`.

    spec: the name may end in brackets with options, the parameters are options too.

    Raises InputError for an unknown option, a bad value, and options of another data set.
    """
    params = spec.kwargs
    bare, own = _bracketed(spec.name)
    if own is None and not params:
        return spec.name
    family = spec.name.partition(":")[0]
    if family not in SIZED:
        raise InputError(
            f"data set {spec.name}: takes no parameters, got {', '.join(params)};"
            f" {FOLDER}:PATH and {HUGGING_FACE}:FOLDER take {', '.join(OPTIONS)}"
        )
    if own is not None and params:
        raise InputError(f"data set {spec.name}: options both in brackets and as parameters")
    return _named(bare, own if own is not None else dict(params), spec.name)


def split_options(name: str) -> tuple[str, Geometry | None]:
    """Return the name of a data set without the options of its size, and these options.

    `imagefolder:PATH` and `hf:FOLDER` have options in brackets. The brackets of a folder that
    exists under the whole name, and brackets without an equals sign, belong to the path. What else
    stands in the brackets of `hf:FOLDER` stays in the name: see `hf_choices`.

    Raises InputError for an unknown option or a bad value.
    """
    bare, options = _bracketed(name)
    if options is None:
        return name, None
    sizes, others = _parted(options, name)
    if not sizes:
        return _named(bare, others, name), None
    return _named(bare, others, name), _geometry(sizes, name)


def with_geometry(name: str, geometry: Geometry) -> str:
    """Return the name of a data set that has no size yet, with one."""
    bare, options = _bracketed(name)
    shown = str(geometry)
    if options is None:
        return f"{name}{shown}"
    others = _parted(options, name)[1]
    return f"{_named(bare, others, name).removesuffix(']')},{shown.removeprefix('[')}"


def hf_choices(path: str) -> tuple[str, dict[str, str]]:
    """Return the folder of `FOLDER[split=test,label=fine_label]`, and the choices behind it."""
    bare, options = _bracketed(f"{HUGGING_FACE}:{path}")
    if options is None:
        return path, {}
    return bare.partition(":")[2], {
        k: str(v) for k, v in _parted(options, f"{HUGGING_FACE}:{path}")[1].items()
    }


def _bracketed(name: str) -> tuple[str, dict[str, object] | None]:
    """Return a name without the brackets at its end, and what stands in them; None without."""
    found = _BRACKETS.search(name)
    if found is None or name.partition(":")[0] not in SIZED:
        return name, None
    if _is_folder(name.partition(":")[2]):
        return name, None
    options: dict[str, object] = {}
    for part in found.group().strip().strip("[]").split(","):
        key, value = (text.strip() for text in part.split("=", 1))
        if key in options:
            raise InputError(f"data set {name}: option {key} is given twice")
        options[key] = int(value) if value.isdecimal() else _TRUTH.get(value, value)
    return name[: found.start()], options


def _parted(
    options: Mapping[str, object], name: str
) -> tuple[dict[str, object], dict[str, object]]:
    """Return the options of the size, and those that choose a split or a column."""
    choices = HF_CHOICES if name.startswith(f"{HUGGING_FACE}:") else ()
    others = {key: value for key, value in options.items() if key in choices}
    return {key: value for key, value in options.items() if key not in others}, others


def _named(bare: str, options: Mapping[str, object], name: str) -> str:
    """Return the one name of a data set: choices first, then the size."""
    sizes, others = _parted(options, name)
    shown = [f"{key}={others[key]}" for key in HF_CHOICES if others.get(key) is not None]
    size = str(_geometry(sizes, name)).strip("[]")
    shown += [size] if size else []
    return f"{bare}[{','.join(shown)}]" if shown else bare


def _geometry(options: Mapping[str, object], name: str) -> Geometry:
    known = (*OPTIONS, *(HF_CHOICES if name.startswith(f"{HUGGING_FACE}:") else ()))
    for option in options:
        if option not in OPTIONS:
            raise unknown(f"option of the data set {name}", option, known)
    sides: dict[str, int | None] = {
        side: whole(f"data set {name}: {side}", options[side], 1, LARGEST_SIDE)
        if options.get(side) is not None
        else None
        for side in ("resize", "crop")
    }
    resize, crop = sides["resize"], sides["crop"]
    flags = [options.get(flag, False) for flag in FLAGS]
    for flag, value, side in zip(FLAGS, flags, (resize, crop), strict=True):
        if not isinstance(value, bool) or (value and side is None):
            beside = "resize" if flag == "squash" else "crop"
            text = f"expected true or false, beside {beside}=PIXELS, got {value!r}"
            raise InputError(f"data set {name}: {flag}: {text}")
    if resize is not None and crop is not None and crop > resize:
        raise InputError(
            f"data set {name}: crop {crop} is larger than the shorter side, {resize}, that resize"
            " gives; expected crop <= resize"
        )
    interpolation = options.get("interpolation", "bilinear")
    if interpolation not in get_args(Interpolation):
        choices = " or ".join(get_args(Interpolation))
        text = f"expected {choices}, got {interpolation!r}"
        raise InputError(f"data set {name}: interpolation: {text}")
    return Geometry(resize, crop, cast(Interpolation, interpolation), *map(bool, flags))


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False  # a name that no file system takes

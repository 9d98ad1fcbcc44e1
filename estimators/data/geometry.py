"""The size that photos are brought to: shorter side, then the centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Interpolation = Literal["bilinear", "bicubic"]


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

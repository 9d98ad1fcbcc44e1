"""Figures one after another as an animated GIF."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

FRAME = 350  # milliseconds


def save_animation(figures: Iterable[Figure], folder: Path, name: str) -> Path:
    """Write figures of one size as an endless GIF, in 32 colours to keep it small."""
    frames = []
    for figure in figures:
        drawn = BytesIO()
        figure.savefig(drawn, format="png")
        with Image.open(drawn) as image:
            frames.append(image.convert("RGB").quantize(32, dither=Image.Dither.NONE))
    path = folder / f"{name}.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=FRAME, loop=0)
    return path

"""Images as data URIs within a budget of bytes, so that a page needs no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, features

from reports.plots.saving import CONTENT, LINES
from reports.results.bounded import bounded_bytes


class Picture(NamedTuple):
    """An image of a page.

    name: of its file. uri: `data:...`; empty if the image is omitted. width, height: in pixels.
    lines: it holds lines and text alone, and may be shown with light on dark.
    """

    name: str
    uri: str
    width: int
    height: int
    lines: bool = False


class _Step(NamedTuple):
    """One degree of compression. width: at most, in pixels. quality: of WebP; None is lossless."""

    width: int | None
    quality: int | None


_STEPS = (_Step(None, None), _Step(1400, 75), _Step(900, 50))


def embed(paths: Sequence[Path], budget: int) -> list[Picture]:
    """Return images as data URIs that together take at most `budget` bytes.

    Lossless first, then smaller and lossy wherever that is shorter (it is not for plain charts).
    Images that still do not fit are omitted from the end on, with an empty URI; so is a file that
    is no image. Lossless WebP takes about a third of the bytes of matplotlib's PNG.
    """
    smallest = exact = [_picture(path, _STEPS[0]) for path in paths]
    for step in _STEPS:
        if step is not _STEPS[0]:
            pressed = [_picture(path, step) for path in paths]
            pairs = zip(exact, pressed, strict=True)
            smallest = [min(pair, key=lambda picture: len(picture.uri)) for pair in pairs]
        if sum(len(picture.uri) for picture in smallest) <= budget:
            return smallest
    spent = 0
    for i, picture in enumerate(smallest):
        spent += len(picture.uri)
        if spent > budget:
            smallest[i] = picture._replace(uri="")
    return smallest


def as_is(path: Path) -> Picture:
    """Return a small PNG or a GIF unchanged."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            kind = (image.format or "png").lower()
        content = bounded_bytes(path)
    except (OSError, ValueError, Image.DecompressionBombError):
        return Picture(path.name, "", 0, 0)
    return Picture(path.name, _uri(content, kind), width, height)


def _picture(path: Path, step: _Step) -> Picture:
    try:
        with Image.open(path) as opened:
            image, lines = opened.convert("RGB"), opened.info.get(CONTENT) == LINES
    # Pillow's readers raise SyntaxError for some damaged files
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return Picture(path.name, "", 0, 0)
    width, height = image.size
    if step.width is not None and width > step.width:
        smaller = (step.width, max(1, round(height * step.width / width)))
        image = image.resize(smaller, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    if not features.check("webp"):
        colours = image.quantize(128, dither=Image.Dither.NONE)
        colours.save(out, "PNG", optimize=True)
        return Picture(path.name, _uri(out.getvalue(), "png"), width, height, lines)
    if step.quality is None:
        image.save(out, "WEBP", lossless=True, method=4)
    else:
        image.save(out, "WEBP", quality=step.quality, method=4)
    return Picture(path.name, _uri(out.getvalue(), "webp"), width, height, lines)


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"

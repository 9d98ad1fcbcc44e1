"""Pictures as data URIs, so that a page needs no other file, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, features


class Picture(NamedTuple):
    """A picture in a page. uri: `data:...`; empty where it was left out. width, height: pixels."""

    name: str
    uri: str
    width: int
    height: int


class _Step(NamedTuple):
    """How hard to press. width: the most pixels. quality: of lossy WebP; None is lossless."""

    width: int | None
    quality: int | None


_STEPS = (_Step(None, None), _Step(1400, 75), _Step(900, 50))


def embed(paths: Sequence[Path], budget: int) -> list[Picture]:
    """Pictures as data URIs that together take at most `budget` bytes.

    Lossless first, then smaller and lossy wherever that is shorter: it is not for plain charts.
    What still does not fit is left out from the end, with an empty URI. Lossless WebP takes about a
    third of what matplotlib's PNG does. A file that is no picture is left out too.
    """
    found = exact = [_picture(path, _STEPS[0]) for path in paths]
    for step in _STEPS:
        if step is not _STEPS[0]:
            pressed = [_picture(path, step) for path in paths]
            found = [min(pair, key=_length) for pair in zip(exact, pressed, strict=True)]
        if sum(len(picture.uri) for picture in found) <= budget:
            return found
    spent = 0
    for i, picture in enumerate(found):
        spent += len(picture.uri)
        if spent > budget:
            found[i] = picture._replace(uri="")
    return found


def _length(picture: Picture) -> int:
    return len(picture.uri)


def as_is(path: Path) -> Picture:
    """A small PNG or a GIF without any change."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            kind = (image.format or "png").lower()
        content = path.read_bytes()
    except (OSError, Image.DecompressionBombError):
        return Picture(path.name, "", 0, 0)
    return Picture(path.name, _uri(content, kind), width, height)


def _picture(path: Path, step: _Step) -> Picture:
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
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
        return Picture(path.name, _uri(out.getvalue(), "png"), width, height)
    if step.quality is None:
        image.save(out, "WEBP", lossless=True, method=4)
    else:
        image.save(out, "WEBP", quality=step.quality, method=4)
    return Picture(path.name, _uri(out.getvalue(), "webp"), width, height)


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"

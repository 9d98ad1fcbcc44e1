"""Pieces of a report page for tests: a plot, a gallery, hostile text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

HOSTILE = "<script>window.injected=1</script>\"'&</script><img src=x onerror=alert(1)>"


def plot(path: Path, noise: bool = False) -> None:
    """A picture such as matplotlib's, or one that cannot be compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if noise:
        pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return
    image = Image.new("RGB", (1261, 700), "white")
    draw = ImageDraw.Draw(image)
    for k in range(13):
        points = [(20 + 90 * i, 650 - (5 + k) * (13 - i) * 2.5) for i in range(14)]
        draw.line(points, fill=(17 * k, 90, 255 - 17 * k), width=2)
    image.save(path)


def write_gallery(folder: Path, label: str = "8") -> None:
    """One image of the gallery, with pictures of 28 by 28."""
    (folder / "gallery").mkdir()
    shown = []
    for role in ("clean", "noise", "attacked", "behind"):
        Image.fromarray(np.full((28, 28), 99, np.uint8)).save(folder / "gallery" / f"{role}.png")
        read = {"predicted": label, "right": role != "attacked", "confidence": 0.9}
        shown.append({"role": role, "file": f"{role}.png", **(read if role != "noise" else {})})
    entry = {
        "dataset": "digits",
        "network": "lenet",
        "story": "rescued",
        "attack": "fgsm",
        "eps": 0.1,
        "norm": "inf",
        "threat": "oblivious",
        "defence": "JPEG 50",
        "id": 7,
        "label": label,
        "l2": 1.5,
        "linf": 0.1,
        "noise_scale": 5.0,
        "pictures": shown,
    }
    (folder / "gallery" / "gallery.json").write_text(json.dumps([entry]), encoding="utf-8")

"""Folders of photos that tests make themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_photos(
    root: Path, classes: dict[str, int] | tuple[str, ...], size: tuple[int, int] = (16, 20)
) -> Path:
    """Write colour PNG files, one folder per class, below `root/test`; return the root.

    classes: number of photos by class; a tuple means three of each. Each photo is of one grey
    level: 20 per class from 20 on, and 1 more per photo. size: height and width.
    """
    counts = classes if isinstance(classes, dict) else dict.fromkeys(classes, 3)
    for k, (name, count) in enumerate(counts.items()):
        folder = root / "test" / name
        folder.mkdir(parents=True, exist_ok=True)
        for n in range(count):
            level = (20 * (k + 1) + n) % 256
            Image.fromarray(np.full((*size, 3), level, np.uint8)).save(folder / f"{n}.png")
    return root

"""The photographs of frost that ImageNet-C uses; they come with the package imagecorruptions.

Their origin is not stated, so they are not part of this project.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmark.attacks.corruptions.kinds import FROST_INSTALL
from benchmark.attacks.corruptions.resample import resized
from estimators.errors import InputError

# the authors have six photographs, but choose among five
FILES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
PACKAGE = "imagecorruptions"


def frost_folder() -> Path:
    """Return the folder of the photographs.

    The package is found, but not imported: its import needs OpenCV, and in older versions more.

    Raises InputError where it is not installed.
    """
    spec = find_spec(PACKAGE)
    for place in spec.submodule_search_locations or () if spec else ():
        folder = Path(place) / "frost"
        if all((folder / name).is_file() for name in FILES):
            return folder
    raise InputError(
        "attack corruption:frost: its photographs come with another package, of which only these"
        f" files are used; {FROST_INSTALL}, or leave frost out"
    )


def frost_photo(number: int, scale: float, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return one photograph [H, W, 3], larger than height and width.

    scale: its size relative to the file's. Above 1 it is cubic, and larger images take a larger
    photograph in proportion; below 1 it is linear.
    """
    return _photo(frost_folder() / FILES[number], scale, height, width)


@lru_cache(maxsize=3 * len(FILES))
def _photo(path: Path, scale: float, height: int, width: int) -> npt.NDArray[np.uint8]:
    with Image.open(path) as file:
        photo = np.asarray(file.convert("RGB"))
    sides = height / photo.shape[0], width / photo.shape[1]
    if scale > 1:
        return resized(photo, max(1, *sides) * scale, cubic=True)
    # one pixel more, so that there is a place to choose
    return resized(photo, max(scale, *(side * (1 + 1 / height) for side in sides)), cubic=False)

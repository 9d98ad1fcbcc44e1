"""Compare every corruption with the library imagecorruptions and with the authors' code.

The library 1.1.2 needs an environment of its own, where its old calls still exist:

    python3.10 -m venv old
    old/bin/pip install 'setuptools<80' 'numpy<1.25' 'scipy<1.11' scikit-image==0.19.3 \\
        'opencv-python-headless<4.9' 'pillow<11'
    old/bin/pip install --no-deps imagecorruptions==1.1.2
    old/bin/python tests/tools/corruption_check.py write library.npz [make_cifar_c.py ...]
    python tests/tools/corruption_check.py compare library.npz

`write` needs no file of this project: it corrupts a few images with random numbers from known
streams in the place of NumPy's global ones. `compare` corrupts the same images here. The files
named after the first are `make_cifar_c.py` and `make_tinyimagenet_c.py` of
github.com/hendrycks/robustness; their functions are run as they are, except motion blur and snow,
which need ImageMagick. `small` in the place of `write` gives the file that the tests hold.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

KINDS = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur"),
    *("motion_blur", "zoom_blur", "snow", "frost", "fog", "brightness", "contrast"),
    *("elastic_transform", "pixelate", "jpeg_compression"),
    *("speckle_noise", "gaussian_blur", "spatter", "saturate"),
)
# side of the images that a script of the authors is for
SCRIPTS = {"make_cifar_c.py": 32, "make_tinyimagenet_c.py": 64}
IMAGEMAGICK = ("motion_blur", "snow")
SEED = 7


def picture(height: int, width: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return an image [H, W, 3] of flat parts, slopes, edges and texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    image = np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x + 5 * y)], axis=-1)
    image += 0.1 * rng.standard_normal((height, width, 1)) * (x > 0.5)[..., None]
    image[height // 4 : height // 2, width // 4 : width // 2] = (0.9, 0.2, 0.1)
    image[-height // 5 :, : width // 3] = 1.0
    image[: height // 6, -width // 4 :] = 0.5
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)


def stream(kind: str) -> np.random.Generator:
    """Return the random numbers of a kind, the same on both sides."""
    return np.random.Generator(np.random.Philox(key=[SEED, KINDS.index(kind)]))


class GlobalNumbers:
    """NumPy's global functions and `default_rng`, replaced by one stream within a block."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._kept: dict[str, Any] = {}

    def __enter__(self) -> None:
        rng = self._rng
        new = {name: getattr(rng, name) for name in ("normal", "uniform", "poisson")}
        new["randint"] = lambda low, high=None, size=None: rng.integers(low, high, size)
        new["default_rng"] = lambda seed=None: rng
        for name, function in new.items():
            self._kept[name] = getattr(np.random, name)
            setattr(np.random, name, function)

    def __exit__(self, *error: object) -> None:
        for name, function in self._kept.items():
            setattr(np.random, name, function)


def cases(scripts: list[str], small: bool) -> Iterator[tuple[str, int, Any, Any]]:
    """Yield name of the case, size of the constants, image and the functions by kind."""
    import imagecorruptions.corruptions as library

    own = {kind: getattr(library, kind) for kind in KINDS}
    if small:
        yield "library", 224, picture(40, 48, 0), own
    else:
        yield "library", 224, picture(224, 224, 0), own
        yield "library-wide", 224, picture(160, 240, 1), own
    for path in scripts:
        name = path.rpartition("/")[2]
        side = SCRIPTS[name]
        yield name, side, picture(side, side, 2), functions_of(path)


def functions_of(path: str) -> dict[str, Any]:
    """Return the functions of a script of the authors, without what it runs."""
    import os
    from pathlib import Path

    import imagecorruptions
    import skimage as sk
    from skimage.filters import gaussian

    # ImageMagick is not there; what needs it is left out
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return Anything()

    for module, content in {"wand": {}, "wand.image": {"Image": object}, "wand.color": {},
                            "wand.api": {"library": Anything()}}.items():  # fmt: skip
        sys.modules[module] = types.ModuleType(module)
        vars(sys.modules[module]).update(content)
    text = Path(path).read_text()
    start = text.index("from io import BytesIO")
    code = text[start : text.index("import collections", start)]
    code = code.partition("# /////////////// Further Setup")[0]
    space: dict[str, Any] = {"np": np, "sk": sk, "gaussian": gaussian}
    exec(compile(code.replace("import wand.color as WandColor", ""), path, "exec"), space)
    # the photographs of frost lie beside the library's code
    os.chdir(Path(imagecorruptions.__file__).parent / "frost")
    return {kind: space[kind] for kind in KINDS if kind not in IMAGEMAGICK}


def write(path: str, scripts: list[str], small: bool) -> None:
    """Write what the library makes of each image, by case, kind and severity."""
    import os

    from PIL import Image

    warnings.simplefilter("ignore")
    target = os.path.abspath(path)
    out: dict[str, Any] = {}
    for case, size, image, functions in cases([os.path.abspath(s) for s in scripts], small):
        out[f"{case}/image"] = image
        for kind, function in functions.items():
            if small and kind == "frost":
                continue  # parts of the photographs stay out of the repository
            for severity in (2, 5) if small else (1, 2, 3, 4, 5):
                with GlobalNumbers(stream(kind)):
                    corrupted = function(Image.fromarray(image), severity)
                out[f"{case}/{kind}/{severity}/{size}"] = np.uint8(corrupted)
    np.savez_compressed(target, **out)
    print(f"{len(out)} arrays in {target}")


def differences(path: str) -> Iterator[tuple[str, str, int, Any]]:
    """Yield case, kind, severity and the difference in grey levels [H, W, 3] of each array."""
    from benchmark.attacks.corruptions.attack import apply
    from benchmark.attacks.corruptions.images import as_bytes
    from benchmark.attacks.corruptions.strengths import strength

    with np.load(path) as arrays:
        for name in arrays.files:
            if name.endswith("/image"):
                continue
            case, kind, severity, size = name.split("/")
            image = arrays[f"{case}/image"][None]
            constants = strength(kind, int(severity), int(size))
            ours = as_bytes(apply(kind, image, constants, [stream(kind)]))[0]
            yield case, kind, int(severity), ours.astype(int) - arrays[name]


def compare(path: str) -> None:
    """Print for each case and kind how many values differ, and by how much."""
    found: dict[tuple[str, str], list[Any]] = {}
    for case, kind, _, difference in differences(path):
        found.setdefault((case, kind), []).append(difference)
    print("case                   kind               equal %   by one %  more %   largest")
    for (case, kind), parts in found.items():
        off = np.abs(np.stack(parts))
        shares = [100 * np.mean(off == 0), 100 * np.mean(off == 1), 100 * np.mean(off > 1)]
        numbers = "  ".join(f"{share:8.4f}" for share in shares)
        print(f"{case:22} {kind:18} {numbers} {off.max():6d}  {[int(p.max()) for p in off]}")


def main(command: str, path: str, *scripts: str) -> None:
    """Run one of the two halves."""
    if command == "compare":
        compare(path)
    else:
        write(path, list(scripts), small=command == "small")


if __name__ == "__main__":
    main(*sys.argv[1:])

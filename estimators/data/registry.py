"""The data sets by name, and where each comes from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs

from estimators.data.checksums import check_official
from estimators.data.files import Split, from_code, from_folder, from_npz, nchw
from estimators.data.images import TEN_DIGITS, Images, stratified_order
from estimators.errors import DataUnavailable, InputError, unknown
from estimators.plugins import plugin, told

DIGITS_TEST_SIZE = 500
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def load_images(name: str, split: Split, data_dir: Path | None = None) -> Images:
    """One split of a data set by name.

    A file `<name>.npz` in the data directory goes before torchvision's own files and download. A
    plug-in, or `package.module:function`, is called with split and data directory; it gives Images,
    or arrays x and y.

    Raises InputError for an unknown name or broken data, DataUnavailable where the data are
    neither at hand nor can be downloaded.
    """
    folder = data_dir if data_dir is not None else default_data_dir()
    kind, _, path = name.partition(":")
    if kind == "npz" and path:
        return from_npz(Path(path), split, None)
    if kind == "imagefolder" and path:
        return from_folder(Path(path), split)
    if name not in DATASETS:
        return _from_plugin(name, split, folder)
    archive = folder / f"{name}.npz"
    if name in TORCHVISION and archive.is_file():
        return from_npz(archive, split, TORCHVISION[name][1])
    return DATASETS[name](folder, split)


def image_shape(name: str, data_dir: Path | None = None) -> tuple[tuple[int, int, int], int]:
    """Shape (C, H, W) and number of classes of a data set, without its files where it is known."""
    if name in SHAPES:
        return SHAPES[name], 10
    images = load_images(name, "test", data_dir)
    return images.shape, len(images.classes)


def default_data_dir() -> Path:
    """`BENCH_DATA_DIR`, or this user's cache folder."""
    named = os.environ.get("BENCH_DATA_DIR")
    return Path(named) if named else Path(platformdirs.user_cache_dir("art-bench")) / "data"


def _digits(folder: Path, split: Split) -> Images:
    """scikit-learn's 8x8 digits, scaled to 28x28; 500 of the 1,797 are the test split.

    Pillow scales 8-bit images with integer arithmetic: the same pixels on every machine.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    scaled = [Image.fromarray(g).resize((28, 28), Image.Resampling.BICUBIC) for g in grey]
    x = nchw(np.stack([np.asarray(image) for image in scaled]), "digits")
    y = bunch.target.astype(np.int64)
    order = stratified_order(y, seed=0)
    chosen = order[:DIGITS_TEST_SIZE] if split == "test" else order[DIGITS_TEST_SIZE:]
    ids = np.sort(chosen)
    return Images(x[ids], y[ids], ids, TEN_DIGITS)


def _from_torchvision(name: str, folder: Path, split: Split) -> Images:
    import torchvision

    check_official(name, folder, split)
    class_name, classes = TORCHVISION[name]
    factory = getattr(torchvision.datasets, class_name)
    train = split == "train"
    try:
        found = factory(str(folder), train=train, download=False)
    except (RuntimeError, OSError, ValueError):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            found = factory(str(folder), train=train, download=True)
        except Exception as error:
            # the mirrors fail in many ways (RuntimeError, URLError, timeouts); all mean the same
            raise DataUnavailable(
                f"data set {name!r}: not in {folder} and the download failed"
                f" ({type(error).__name__}); put {name}.npz or torchvision's files there,"
                " or name another folder with --data-dir"
            ) from error
    pixels = np.asarray(found.data)
    labels = np.asarray(found.targets, dtype=np.int64)
    return Images(nchw(pixels, name), labels, np.arange(len(labels), dtype=np.int64), classes)


def _from_plugin(name: str, split: Split, folder: Path) -> Images:
    load = plugin("datasets", name)
    if load is None:
        others = ("npz:PATH", "imagefolder:PATH", "package.module:function")
        raise unknown("data set", name, [*DATASETS, *others])
    where = f"data set {name}"
    try:
        found = load(split, folder)
    except InputError:
        raise
    except Exception as error:
        # code of others may raise anything
        raise InputError(f"{where}: its function failed ({told(error)})") from error
    return from_code(found, where)


TORCHVISION: dict[str, tuple[str, tuple[str, ...]]] = {
    "mnist": ("MNIST", TEN_DIGITS),
    "cifar10": ("CIFAR10", CIFAR10),
    "fashion_mnist": ("FashionMNIST", FASHION),
}
SHAPES: dict[str, tuple[int, int, int]] = {
    "digits": (1, 28, 28),
    "mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "fashion_mnist": (1, 28, 28),
}
DATASETS: dict[str, Callable[[Path, Split], Images]] = {
    "digits": _digits,
    "mnist": lambda folder, split: _from_torchvision("mnist", folder, split),
    "cifar10": lambda folder, split: _from_torchvision("cifar10", folder, split),
    "fashion_mnist": lambda folder, split: _from_torchvision("fashion_mnist", folder, split),
}

"""Data sets as float32 images in [0, 1], each with its official index."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import platformdirs

from estimators.errors import DataUnavailable, InputError, unknown
from estimators.official import check_official
from estimators.plugins import plugin, told

Split = Literal["train", "test"]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

DIGITS_TEST_SIZE = 500
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
TEN_DIGITS = tuple("0123456789")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION = (
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


@dataclass(frozen=True)
class Images:
    """One split of a data set, or a subset of it.

    x: float32 [N, C, H, W] in [0, 1].
    y: int64 [N], the class of each image.
    ids: int64 [N], the official index of each image in its split.
    classes: the names of the classes, in the order of `y`.
    """

    x: FloatArray
    y: IntArray
    ids: IntArray
    classes: tuple[str, ...] = field(default=TEN_DIGITS)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: slice | npt.NDArray[Any]) -> Images:
        return Images(self.x[index], self.y[index], self.ids[index], self.classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        _, channels, height, width = self.x.shape
        return channels, height, width

    @cached_property
    def sha256(self) -> str:
        """Hash of pixels (float32, little endian), classes and indices, in their order."""
        digest = hashlib.sha256(repr((self.x.shape, self.classes)).encode())
        for array, kind in ((self.x, "<f4"), (self.y, "<i8"), (self.ids, "<i8")):
            digest.update(np.ascontiguousarray(array, dtype=kind).data)
        return digest.hexdigest()


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
        return _from_npz(Path(path), split, None)
    if kind == "imagefolder" and path:
        return _from_folder(Path(path), split)
    if name not in DATASETS:
        return _from_plugin(name, split, folder)
    archive = folder / f"{name}.npz"
    if name in TORCHVISION and archive.is_file():
        return _from_npz(archive, split, TORCHVISION[name][1])
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


def subset(images: Images, samples: int | Literal["all"], seed: int) -> Images:
    """A stratified, seeded subset; a smaller one is always the beginning of a larger one.

    Each class is shuffled, then the classes are interleaved in proportion to their sizes, which
    gives one order of all images: a subset is its beginning. RandomState is frozen by NumPy's
    policy (NEP 19), so the order is the same in every version.
    """
    if samples == "all":
        samples = len(images)
    if not 1 <= samples <= len(images):
        raise InputError(f"samples: {samples} asked for, the data set has {len(images)} images")
    return images[stratified_order(images.y, seed)[:samples]]


def stratified_order(y: IntArray, seed: int) -> IntArray:
    """A seeded order of all images of which every beginning is stratified by class."""
    random = np.random.RandomState(seed)
    position = np.empty(len(y))
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        # the jitter is shared by a class, so that classes of equal size take turns
        share = (np.arange(len(members)) + random.uniform(0.0, 1.0)) / len(members)
        position[random.permutation(members)] = share
    return np.argsort(position, kind="stable").astype(np.int64)


def _digits(folder: Path, split: Split) -> Images:
    """scikit-learn's 8x8 digits, scaled to 28x28; 500 of the 1,797 are the test split.

    Pillow scales 8-bit images with integer arithmetic: the same pixels on every machine.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    scaled = [Image.fromarray(g).resize((28, 28), Image.Resampling.BICUBIC) for g in grey]
    x = _nchw(np.stack([np.asarray(image) for image in scaled]), "digits")
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
    return Images(_nchw(pixels, name), labels, np.arange(len(labels), dtype=np.int64), classes)


def _from_npz(path: Path, split: Split, classes: tuple[str, ...] | None) -> Images:
    where = f"data file {path}"
    if not path.is_file():
        raise InputError(f"{where}: no such file; name one with x_test and y_test")
    try:
        # NumPy leaves a damaged file open that it opened itself
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = {f"x_{split}", f"y_{split}"} - set(archive.files)
            if missing:
                raise InputError(f"{where}: lacks the array {', '.join(sorted(missing))}")
            pixels, labels = archive[f"x_{split}"], archive[f"y_{split}"]
            has_ids = f"idx_{split}" in archive.files
            ids = archive[f"idx_{split}"] if has_ids else np.arange(labels.size)
            if "classes" in archive.files:
                classes = tuple(str(c) for c in archive["classes"].ravel())
    except InputError:
        raise
    except Exception as error:
        # zipfile, zlib, struct and numpy each raise their own for a damaged archive
        raise InputError(f"{where}: cannot be read ({type(error).__name__}: {error})") from error
    return _checked(pixels, labels, ids, classes, where)


def _checked(
    pixels: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    ids: npt.NDArray[Any],
    classes: tuple[str, ...] | None,
    where: str,
) -> Images:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{where}: y must be one integer an image, found {labels.dtype}")
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer) or ids.dtype == np.uint64:
        raise InputError(f"{where}: idx must be one integer an image, found {ids.dtype}")
    if pixels.ndim == 0 or not pixels.size:
        raise InputError(f"{where}: x has no pixels, found {list(pixels.shape)}; name another file")
    if not len(pixels) == len(labels) == len(ids) or len(labels) == 0:
        raise InputError(
            f"{where}: x, y and idx differ in length: {len(pixels)}, {len(labels)}, {len(ids)}"
        )
    if labels.min() < 0:
        raise InputError(f"{where}: y has the negative class {labels.min()}")
    if classes is None:
        classes = tuple(str(c) for c in range(int(labels.max()) + 1))
    if labels.max() >= len(classes):
        raise InputError(f"{where}: y has class {labels.max()}, but {len(classes)} are named")
    x = _nchw(pixels, where)
    return Images(x, labels.astype(np.int64), ids.astype(np.int64), classes)


def _nchw(pixels: npt.NDArray[Any], where: str) -> FloatArray:
    """Any of [N,H,W], [N,H,W,C], [N,C,H,W], 8-bit or float in [0, 1], as float32 NCHW."""
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.ndim == 4 and pixels.shape[-1] in (1, 3) and pixels.shape[1] not in (1, 3):
        pixels = pixels.transpose(0, 3, 1, 2)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        raise InputError(f"{where}: x must be [N,H,W], NHWC or NCHW with 1 or 3 channels,"
                         f" found {list(pixels.shape)}")  # fmt: skip
    if pixels.dtype == np.uint8:
        scaled = np.ascontiguousarray(pixels).astype(np.float32)
        scaled /= 255
        return scaled
    if not np.issubdtype(pixels.dtype, np.floating):
        raise InputError(f"{where}: x must be uint8 or float in [0, 1], found {pixels.dtype}")
    x = np.ascontiguousarray(pixels, dtype=np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{where}: x has NaN or infinite pixels")
    if x.min() < 0 or x.max() > 1:
        raise InputError(
            f"{where}: pixels from {x.min():g} to {x.max():g}, must lie in [0, 1]"
            " (divide by 255, leave out any normalisation)"
        )
    return x


def _from_folder(root: Path, split: Split) -> Images:
    """Images in one folder a class, under `root/<split>` where that exists, else under `root`."""
    from PIL import Image

    where = root / split if (root / split).is_dir() else root
    if not where.is_dir():
        raise InputError(f"image folder {root}: no such folder; name one with a folder a class")
    classes = tuple(sorted(p.name for p in where.iterdir() if p.is_dir()))
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((where / name).iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not files:
        raise InputError(f"image folder {where}: no images (wanted: one folder a class)")
    pixels = []
    for path, _ in files:
        try:
            with Image.open(path) as image:
                mode = "L" if image.mode in ("1", "L", "I", "I;16") else "RGB"
                pixels.append(np.asarray(image.convert(mode)))
        except Exception as error:
            # Pillow's decoders raise OSError, SyntaxError, DecompressionBombError and others
            raise InputError(
                f"image {path}: cannot be read ({type(error).__name__}); take it away"
            ) from error
        if pixels[-1].shape != pixels[0].shape:
            raise InputError(
                f"image {path}: shape {list(pixels[-1].shape)} differs from the first image's"
                f" {list(pixels[0].shape)}; all must be alike"
            )
    labels = np.array([label for _, label in files], dtype=np.int64)
    return _checked(np.stack(pixels), labels, np.arange(len(labels)), classes, str(where))


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
    if isinstance(found, Images):
        return _checked(found.x, found.y, found.ids, found.classes, where)
    if not (isinstance(found, tuple) and len(found) == 2):
        raise InputError(f"{where}: gave {type(found).__name__}, wanted Images or arrays (x, y)")
    pixels, labels = np.asarray(found[0]), np.asarray(found[1])
    return _checked(pixels, labels, np.arange(len(labels)), None, where)


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

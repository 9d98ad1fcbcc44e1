"""Files of adversarial images: this project's, ART's arrays, tensors of AutoAttack and RobustBench.

Nothing in a file is unpickled or run. Large arrays stay on disk, and images are read where they are
taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from estimators.data.archive import LARGEST_LABELS, Member, check_count, listing, member, members
from estimators.data.archive_rows import ArchiveSource, is_large
from estimators.data.files import INDICES
from estimators.data.images import AnyArray, IntArray, nchw
from estimators.data.labels import MOST_IMAGES, checked_ids
from estimators.data.streamed import Streamed
from estimators.errors import InputError
from estimators.networks.files.pickles import plain_content

SUFFIXES = (".npz", ".npy", ".pt", ".pth")
# names of the images and their true labels; the first are this project's own
PIXELS = ("x", "x_adv", "adv_complete", "x_test_adv", "adv", "adversarial", "images", "x_test")
LABELS = ("y", "labels", "y_test", "label")


class Array(Protocol):
    """What the arrays of all kinds of files have in common; indexing reads images."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the number of images, then the shape of one."""

    def __getitem__(self, index: IntArray) -> Any:
        """Return the images of rows."""


@dataclass(frozen=True)
class ImageFile:
    """Adversarial images of a file.

    path: of the file. ids: the index of each image in its data set [N]; without ids in the file the
    numbers of its rows. has_ids: whether the file has them. y: true labels [N]; None without.
    """

    path: Path
    ids: IntArray
    has_ids: bool
    y: IntArray | None
    _pixels: Array

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, ids: IntArray) -> AnyArray:
        """Return images by index: [N, C, H, W], uint8 or float32 in [0, 1].

        Raises InputError where one is missing, and for pixels that are none.
        """
        rows = self.rows(ids)
        where = f"images {self.path}"
        if (rows < 0).any():
            raise InputError(f"{where}: lacks the image {int(ids[rows < 0][0])}")
        pixels = self._pixels[rows]
        # an archive that stays on disk has checked its pixels already
        return np.asarray(pixels) if isinstance(pixels, Streamed) else nchw(_array(pixels), where)

    def rows(self, ids: IntArray) -> IntArray:
        """Return the row of each index; -1 where the file lacks it."""
        order = np.argsort(self.ids, kind="stable")
        place = np.searchsorted(self.ids, ids, sorter=order).clip(max=len(order) - 1)
        found = order[place]
        return np.where(self.ids[found] == ids, found, -1).astype(np.int64)


def image_file(path: Path, key: str | None = None) -> ImageFile:
    """Return the images of a file, which is kept as long as it does not change.

    key: the name of the images in it, where they are not named as usual.

    Raises InputError for a missing or damaged file, and for one whose arrays are no images.
    """
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        expected = f"expected one of the kind {', '.join(SUFFIXES)}"
        raise InputError(f"images {path}: no such file; {expected}")
    state = path.stat()
    return _image_file(path, key, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _image_file(path: Path, key: str | None, changed: int, size: int) -> ImageFile:
    where = f"images {path}"
    try:
        arrays = _READERS[path.suffix.lower()](path, where)
        name = _name_of_images(arrays, key, where)
        pixels = _opened(arrays[name], where)
        count = pixels.shape[0]
        ids, y = (_column(arrays, names, count, where) for names in (INDICES, LABELS))
    except InputError:
        raise
    except Exception as error:
        # zipfile, zlib, struct and numpy each raise their own for a damaged file
        raise InputError(f"{where}: cannot be read ({type(error).__name__}: {error})") from error
    if not count:
        raise InputError(f"{where}: holds no images")
    own = np.arange(count, dtype=np.int64) if ids is None else checked_ids(ids, where)
    return ImageFile(path, own, ids is not None, y, pixels)


# an array of an archive, an array on disk, or a tensor
Found = Member | npt.NDArray[Any] | torch.Tensor


def _of_npz(path: Path, where: str) -> dict[str, Found]:
    return {name: member(path, name, info) for name, info in members(path).items()}


def _of_npy(path: Path, where: str) -> dict[str, Found]:
    return {"x": np.load(path, mmap_mode="r", allow_pickle=False)}


def _of_torch(path: Path, where: str) -> dict[str, Found]:
    """Return the tensors of a file by dotted name; of a lone tensor the name is `x`."""
    found: dict[str, Found] = {}

    def walk(name: str, value: object) -> None:
        if isinstance(value, torch.Tensor):
            found[name or "x"] = value
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                walk(f"{name}.{key}" if name else str(key), inner)

    walk("", plain_content(path, where))
    return found


_READERS = {".npz": _of_npz, ".npy": _of_npy, ".pt": _of_torch, ".pth": _of_torch}


def _name_of_images(arrays: Mapping[str, Found], key: str | None, where: str) -> str:
    """Return which of the arrays holds the images: a usual name, or the only one of their shape."""
    if key is not None:
        if key not in arrays:
            raise InputError(f"{where}: has no array {key!r}; it holds {listing(list(arrays))}")
        return key
    usual = [name for name in PIXELS if name in arrays]
    shaped = [name for name, array in arrays.items() if len(array.shape) in (3, 4)]
    if not usual and len(shaped) != 1:
        raise InputError(
            f"{where}: which array holds the images? It holds {listing(list(arrays))}; name it, as"
            f" in key={min(arrays, default='x_adv')}"
        )
    return (usual or shaped)[0]


def _opened(found: Found, where: str) -> Array:
    """Return an array that reads what is taken; small ones are read whole."""
    if isinstance(found, Member):
        check_count(found, MOST_IMAGES, "images")
        if is_large(found):
            return Streamed(ArchiveSource(found), np.arange(found.shape[0], dtype=np.int64))
        found = found.read()
    if len(found.shape) not in (3, 4):
        raise InputError(f"{where}: expected images [N,H,W], NHWC or NCHW, got {list(found.shape)}")
    return found


def _column(
    arrays: Mapping[str, Found], names: tuple[str, ...], count: int, where: str
) -> IntArray | None:
    """Return the integers of the first of these names; None where there is none.

    Raises InputError for another number of them.
    """
    name = next((name for name in names if name in arrays), None)
    if name is None:
        return None
    found = arrays[name]
    if isinstance(found, Member):
        found = member(found.path, found.name, found.info, LARGEST_LABELS)
        found = check_count(found, MOST_IMAGES, "rows").read()
    values = _array(found)
    if values.shape != (count,) or values.dtype.kind not in "iu":
        got = f"{values.dtype} {list(values.shape)}"
        raise InputError(f"{where}: expected {name} to be {count} integers, got {got}")
    return values.astype(np.int64)


def _array(values: Any) -> AnyArray:
    return values.numpy() if isinstance(values, torch.Tensor) else np.asarray(values)

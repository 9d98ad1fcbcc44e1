"""Images with their official indices: from external arrays, checked, and subsets of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from estimators.data.registry import TEN_DIGITS
from estimators.errors import InputError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
AnyArray = npt.NDArray[Any]  # of any dtype
Split = Literal["train", "test"]
# images hashed at once
BLOCK = 1000


@dataclass(frozen=True)
class Images:
    """One split of a data set, or a subset of it.

    pixels: [N, C, H, W], either uint8 (grey levels, a quarter of the memory) or float32 in [0, 1].
    y: int64 [N], the class of each image.
    ids: int64 [N], the official index of each image in its split.
    classes: the names of the classes, in the order of `y`.
    """

    pixels: npt.NDArray[np.uint8] | FloatArray
    y: IntArray
    ids: IntArray
    classes: tuple[str, ...] = field(default=TEN_DIGITS)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: slice | AnyArray) -> Images:
        return Images(self.pixels[index], self.y[index], self.ids[index], self.classes)

    @property
    def x(self) -> FloatArray:
        """Return the images as networks and attacks take them: float32 [N, C, H, W] in [0, 1].

        Every access divides the grey levels again: take a part of a large set first.
        """
        if self.pixels.dtype == np.uint8:
            scaled = self.pixels.astype(np.float32)
            scaled /= 255
            return scaled
        return self.pixels  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return channels, height and width of one image."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @cached_property
    def sha256(self) -> str:
        """Return a SHA-256 of `x` (float32, little endian), classes, labels and indices."""
        digest = hashlib.sha256(repr((self.pixels.shape, self.classes)).encode())
        for start in range(0, len(self), BLOCK):
            part = self[start : start + BLOCK].x
            digest.update(np.ascontiguousarray(part, dtype="<f4").data)
        for array in (self.y, self.ids):
            digest.update(np.ascontiguousarray(array, dtype="<i8").data)
        return digest.hexdigest()


def subset(images: Images, samples: int | Literal["all"], seed: int) -> Images:
    """Return a stratified, seeded subset; a smaller one is the beginning of a larger one.

    It is the beginning of `stratified_order`. Raises InputError for more samples than images.
    """
    if samples == "all":
        samples = len(images)
    if not 1 <= samples <= len(images):
        raise InputError(f"samples: got {samples}, the data set has {len(images)} images")
    return images[stratified_order(images.y, seed)[:samples]]


def stratified_order(y: IntArray, seed: int) -> IntArray:
    """Return a seeded order of all images of which every beginning is stratified by class.

    Each class is shuffled, then the classes are interleaved in proportion to their sizes.
    RandomState is frozen by NumPy's policy (NEP 19), so the order is the same in every version.
    """
    random = np.random.RandomState(seed)
    position = np.empty(len(y))
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        # one jitter per class, so that classes of equal size take turns
        share = (np.arange(len(members)) + random.uniform(0.0, 1.0)) / len(members)
        position[random.permutation(members)] = share
    return np.argsort(position, kind="stable").astype(np.int64)


def checked_images(
    pixels: AnyArray, labels: AnyArray, ids: AnyArray, classes: tuple[str, ...] | None, where: str
) -> Images:
    """Return arrays as Images; InputError that begins with `where` for arrays that are none."""
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{where}: y must be one integer per image, got {labels.dtype}")
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer) or ids.dtype == np.uint64:
        raise InputError(f"{where}: idx must be one integer per image, got {ids.dtype}")
    if pixels.ndim == 0 or not pixels.size:
        raise InputError(f"{where}: x has no pixels, got {list(pixels.shape)}; name another file")
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
    x = nchw(pixels, where)
    return Images(x, labels.astype(np.int64), ids.astype(np.int64), classes)


def nchw(pixels: AnyArray, where: str) -> AnyArray:
    """Return pixels [N,H,W], [N,H,W,C] or [N,C,H,W] as [N,C,H,W].

    Grey levels stay uint8, floats in [0, 1] become float32. Raises InputError for other arrays.
    """
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.ndim == 4 and pixels.shape[-1] in (1, 3) and pixels.shape[1] not in (1, 3):
        pixels = pixels.transpose(0, 3, 1, 2)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        raise InputError(
            f"{where}: x must be [N,H,W], NHWC or NCHW with 1 or 3 channels,"
            f" got {list(pixels.shape)}"
        )
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise InputError(f"{where}: x must be uint8 or float in [0, 1], got {pixels.dtype}")
    x = np.ascontiguousarray(pixels, dtype=np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{where}: x has NaN or infinite pixels")
    if x.min() < 0 or x.max() > 1:
        raise InputError(
            f"{where}: pixels from {x.min():g} to {x.max():g}, must lie in [0, 1]"
            " (divide by 255, leave out any normalisation)"
        )
    return x

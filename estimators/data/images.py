"""Images with their official indices, and subsets of them."""

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

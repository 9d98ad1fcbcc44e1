"""Images with their official indices, and subsets of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from estimators.errors import InputError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
TEN_DIGITS = tuple("0123456789")
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

    def __getitem__(self, index: slice | npt.NDArray[Any]) -> Images:
        return Images(self.pixels[index], self.y[index], self.ids[index], self.classes)

    @property
    def x(self) -> FloatArray:
        """The images as networks and attacks take them: float32 [N, C, H, W] in [0, 1].

        Grey levels are divided anew at every access: of a large set take a part first.
        """
        if self.pixels.dtype == np.uint8:
            scaled = self.pixels.astype(np.float32)
            scaled /= 255
            return scaled
        return self.pixels  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @cached_property
    def sha256(self) -> str:
        """Hash of `x` (float32, little endian), classes and indices, in their order."""
        digest = hashlib.sha256(repr((self.pixels.shape, self.classes)).encode())
        for start in range(0, len(self), BLOCK):
            part = self[start : start + BLOCK].x
            digest.update(np.ascontiguousarray(part, dtype="<f4").data)
        for array in (self.y, self.ids):
            digest.update(np.ascontiguousarray(array, dtype="<i8").data)
        return digest.hexdigest()


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

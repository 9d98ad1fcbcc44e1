"""Images with their official indices: from external arrays, checked, and subsets of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from estimators.data.choice import chosen_rows
from estimators.data.labels import ClassSource, checked_ids, checked_labels
from estimators.data.registry import TEN_DIGITS
from estimators.data.samples import Samples
from estimators.data.streamed import Streamed
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

    pixels: [N, C, H, W], either uint8 (grey levels, a quarter of the memory) or float32 in [0, 1];
        an array, or `Streamed`, which reads images from disk where they are taken.
    y: int64 [N], the class of each image.
    ids: int64 [N], the official index of each image in its split.
    classes: the names of the classes, in the order of `y`.
    class_source: where the order of the classes comes from, as `labels.checked_labels` says it;
        a network may add to classes that are not named, or bring their order.
    notes: what a user should know of the set, one line each, such as files that were left out.
    """

    pixels: npt.NDArray[np.uint8] | FloatArray | Streamed
    y: IntArray
    ids: IntArray
    classes: tuple[str, ...] = field(default=TEN_DIGITS)
    class_source: ClassSource = "names"
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: slice | AnyArray) -> Images:
        return replace(self, pixels=self.pixels[index], y=self.y[index], ids=self.ids[index])

    @property
    def streamed(self) -> bool:
        """Whether the images are on disk, and read where they are taken."""
        return isinstance(self.pixels, Streamed)

    @property
    def x(self) -> FloatArray:
        """Return the images as networks and attacks take them: float32 [N, C, H, W] in [0, 1].

        Every access divides the grey levels again: take a part of a large set first. Raises
        InputError for an image on disk that cannot be read; `read` leaves such images out.
        """
        pixels = np.asarray(self.pixels) if isinstance(self.pixels, Streamed) else self.pixels
        return as_floats(pixels)

    def read(self) -> Images:
        """Return the images in memory, without those that cannot be read."""
        if not isinstance(self.pixels, Streamed):
            return self
        pixels, readable = self.pixels.source.take(self.pixels.rows)
        return replace(self, pixels=pixels, y=self.y[readable], ids=self.ids[readable])

    def beginning(self, count: int) -> Images:
        """Return the first images that can be read, at most `count` of them, in memory.

        Raises InputError where none can be read.
        """
        if not isinstance(self.pixels, Streamed):
            return self[:count]
        chosen = np.empty(0, dtype=np.int64)
        for start in range(0, len(self), count):
            part = self[start : start + count].read()
            chosen = np.concatenate([chosen, np.flatnonzero(np.isin(self.ids, part.ids))])
            if len(chosen) >= count:
                break
        if not len(chosen):
            reason = next(iter(self.unreadable().values()), "the set is empty")
            raise InputError(f"none of {len(self)} images can be read: {reason}")
        return self[chosen[:count]].read()

    def unreadable(self) -> dict[int, str]:
        """Return the reason by index of each image that was found unreadable so far."""
        if not isinstance(self.pixels, Streamed):
            return {}
        return {int(self.ids[at]): reason for at, reason in self.pixels.faults().items()}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return channels, height and width of one image."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @cached_property
    def sha256(self) -> str:
        """Return a SHA-256 of `x` (float32, little endian), classes, labels and indices.

        For streamed images it is one of the images that can be read, image by image, which reads
        those that were not read yet.
        """
        if isinstance(self.pixels, Streamed):
            for start in range(0, len(self), BLOCK):
                self[start : start + BLOCK].read()
            return self.scored_sha256
        digest = hashlib.sha256(repr((self.pixels.shape, self.classes)).encode())
        for start in range(0, len(self), BLOCK):
            part = self[start : start + BLOCK].x
            digest.update(np.ascontiguousarray(part, dtype="<f4").data)
        return self._with_labels(digest)

    @property
    def scored_sha256(self) -> str:
        """Return `sha256` without reading images; "" where some were never read."""
        if not isinstance(self.pixels, Streamed):
            return self.sha256
        bad = list(self.pixels.faults())
        kept = self[np.delete(np.arange(len(self)), bad)] if bad else self
        assert isinstance(kept.pixels, Streamed)
        content = kept.pixels.source.content(kept.pixels.rows)
        if content is None:
            return ""
        digest = hashlib.sha256(repr((kept.pixels.shape, self.classes)).encode())
        digest.update(content)
        return kept._with_labels(digest)

    @cached_property
    def fingerprint(self) -> str:
        """Return what keys of results are made from: `sha256`, for streamed images without a pass.

        Of these it is a SHA-256 of what their source knows without reading pixels.
        """
        if not isinstance(self.pixels, Streamed):
            return self.sha256
        known = repr((self.pixels.shape, self.classes, self.pixels.source.fingerprint))
        return self._with_labels(hashlib.sha256(known.encode()))

    def _with_labels(self, digest: hashlib._Hash) -> str:
        for array in (self.y, self.ids):
            digest.update(np.ascontiguousarray(array, dtype="<i8").data)
        return digest.hexdigest()


def as_floats(pixels: AnyArray) -> FloatArray:
    """Return pixels as float32 in [0, 1]: grey levels (uint8) over 255, float32 as they are."""
    if pixels.dtype == np.uint8:
        scaled = pixels.astype(np.float32)
        scaled /= 255
        return scaled
    return pixels


def as_levels(x: FloatArray) -> AnyArray:
    """Return float32 pixels as uint8 where `as_floats` gives back every one of them, else as is."""
    with np.errstate(invalid="ignore"):
        levels = np.clip(np.rint(x * np.float32(255)), 0, 255).astype(np.uint8)
    return levels if np.array_equal(as_floats(levels), x) else x


def subset(images: Images, samples: Samples, seed: int) -> Images:
    """Return the images that `samples` chooses; a smaller number is the beginning of a larger one.

    samples: in a form of `samples.checked_samples`; see `choice.chosen_rows`.

    Raises InputError for more images than there are.
    """
    return images[chosen_rows(images.y, images.ids, samples, seed, images.classes)]


def checked_images(
    pixels: AnyArray | Streamed,
    labels: AnyArray,
    ids: AnyArray,
    classes: tuple[str, ...] | None,
    where: str,
) -> Images:
    """Return arrays as Images; InputError that begins with `where` for arrays that are none."""
    if 0 in (pixels.shape or (0,)):
        raise InputError(f"{where}: x has no pixels, got {list(pixels.shape)}; name another file")
    lengths = [array.shape[0] if array.shape else 1 for array in (pixels, labels, ids)]
    if len(set(lengths)) > 1:
        listed = ", ".join(map(str, lengths))
        raise InputError(f"{where}: images, labels and indices differ in length: {listed}")
    y, names, source = checked_labels(labels, classes, where)
    notes: tuple[str, ...] = ()
    if source == "labels" and y.min() == 1:
        notes = ("no image has the label 0: labels must begin at 0",)
    x = pixels if isinstance(pixels, Streamed) else nchw(pixels, where)
    return Images(x, y, checked_ids(ids, where), names, source, notes)


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

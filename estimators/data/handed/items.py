"""Images from items (image, label), one by one: PIL images, arrays or tensors of any data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from estimators.data.archive_rows import LARGE
from estimators.data.geometry import Geometry
from estimators.data.handed.item_source import ItemSource, digest_of, in_channels
from estimators.data.images import Images, checked_images
from estimators.data.photo import in_mode, is_grey, sized
from estimators.data.streamed import AnyArray, Streamed
from estimators.errors import InputError
from estimators.interrupts import contained
from estimators.plugins import describe_error

Item = tuple[Any, Any]
# images that are read a second time, to see whether they are the same
READ_AGAIN = 3


@dataclass(frozen=True)
class Items:
    """The items of a data set, in its order.

    where: what messages begin with, such as `data set mine:photos`.
    things: the items, each of image and label.
    by_position: whether `things` has a length and gives an item by its position; else it is only
        iterated.
    classes: the names of the classes in the order of the labels; None where there are none.
    remedy: what to do where the images differ in size.
    """

    where: str
    things: Any
    by_position: bool
    classes: tuple[str, ...] | None = None
    remedy: str = "let the data set bring them to one size (transforms.Resize, CenterCrop)"

    def each(self) -> Iterator[Item]:
        """Return an iterator over all items."""
        if not self.by_position:
            return iter(self.things)
        return (self.things[at] for at in range(len(self.things)))


@dataclass
class _Taken:
    """What was read so far: hashes, labels and shapes of all images, and the first ones themselves.

    Once they have LARGE bytes, no image is kept.
    """

    digests: list[bytes] = field(default_factory=list)
    labels: list[AnyArray] = field(default_factory=list)
    pixels: list[AnyArray] = field(default_factory=list)
    shapes: dict[tuple[int, ...], int] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)
    nbytes: int = 0


def read_items(items: Items, geometry: Geometry | None = None) -> Images:
    """Return the items of a data set as images, in their order; the index is the position.

    Every item is read once. Images of more than `archive_rows.LARGE` bytes are not kept but read
    again where they are needed. A data set of grey and colour images is one of colour images.

    geometry: how images become images of one size; None takes them as they are.

    Raises InputError that begins with `items.where` for items that raise, that are no images of
    one size with pixels in [0, 1] or grey levels, or that differ when they are read again.
    """
    taken = _read_all(items, geometry)
    if not taken.labels:
        raise InputError(f"{items.where}: has no items")
    shape = max(taken.shapes)
    _check_same_size(items, taken)
    _check_again(items, geometry, taken)
    labels = _stacked(taken.labels, items.where)
    ids = np.arange(len(taken.labels), dtype=np.int64)
    pixels: AnyArray | Streamed
    if taken.pixels:
        pixels = np.stack([in_channels(x, shape[0]) for x in taken.pixels])
    else:
        dtype = np.dtype(next(iter(taken.dtypes)))
        source = ItemSource(_Reading(items, geometry), taken.digests, shape, dtype, items.where)
        pixels = Streamed(source, ids)
    return checked_images(pixels, labels, ids, items.classes, items.where)


@dataclass(frozen=True)
class _Reading:
    """Reads the image of an item by its position."""

    items: Items
    geometry: Geometry | None

    def __call__(self, at: int) -> AnyArray:
        image, _ = _pair(self.items.things[at], at, self.items)
        return _pixels(image, at, self.items, self.geometry)


def _read_all(items: Items, geometry: Geometry | None) -> _Taken:
    taken = _Taken()
    iterator = items.each()
    while True:
        at = len(taken.labels)
        try:
            with contained():
                item = next(iterator)
        except StopIteration:
            return taken
        except InputError:
            raise
        except Exception as error:
            # external code may raise anything
            text = f"item {at} cannot be read ({describe_error(error)})"
            raise InputError(f"{items.where}: {text}") from error
        image, label = _pair(item, at, items)
        pixels = _pixels(image, at, items, geometry)
        taken.digests.append(digest_of(pixels))
        taken.labels.append(_label(label, at, items.where))
        taken.shapes.setdefault(pixels.shape, at)
        taken.dtypes.setdefault(pixels.dtype.str, at)
        taken.nbytes += pixels.nbytes
        if taken.nbytes <= LARGE:
            taken.pixels.append(pixels)
        elif not items.by_position:
            raise InputError(
                f"{items.where}: more than {LARGE >> 20} MB that can only be read in one go; give"
                " a data set with __len__ and __getitem__, or fewer images"
            )
        else:
            taken.pixels.clear()


def _pair(item: Any, at: int, items: Items) -> Item:
    """Return image and label of an item; a third part, such as MAITE's metadata, is left out."""
    if isinstance(item, (tuple, list)) and len(item) in (2, 3):
        return item[0], item[1]
    got = type(item).__name__
    if isinstance(item, (tuple, list)):
        got += f" of {len(item)}"
    raise InputError(f"{items.where}: item {at}: expected (image, label), got {got}")


def _pixels(image: Any, at: int, items: Items, geometry: Geometry | None) -> AnyArray:
    """Return an image as uint8, or float32 in [0, 1], [C, H, W]."""
    try:
        if isinstance(image, Image.Image):
            return _of_photo(image, geometry)
        return _of_array(image, geometry)
    except Exception as error:
        # Pillow's decoders and external arrays raise many kinds
        text = str(error) if type(error) is ValueError else describe_error(error)
        raise InputError(f"{items.where}: item {at}: {text}") from error


def _of_photo(image: Image.Image, geometry: Geometry | None) -> AnyArray:
    grey = is_grey(image.mode)
    pixels = np.asarray(sized(in_mode(image, "L" if grey else "RGB"), geometry or Geometry()))
    return np.ascontiguousarray(pixels[None] if grey else pixels.transpose(2, 0, 1))


def _of_array(image: Any, geometry: Geometry | None) -> AnyArray:
    if hasattr(image, "detach"):
        image = image.detach().cpu()
    x = np.asarray(image)
    if x.ndim == 2:
        x = x[None]
    elif x.ndim == 3 and x.shape[0] not in (1, 3) and x.shape[-1] in (1, 3):
        x = x.transpose(2, 0, 1)
    if x.ndim != 3 or x.shape[0] not in (1, 3) or 0 in x.shape:
        text = "expected an image [C,H,W], [H,W,C] or [H,W] with 1 or 3 channels"
        raise ValueError(f"{text}, got {type(image).__name__} {list(x.shape)}")
    if x.dtype == np.uint8:
        if geometry is None or geometry == Geometry():
            return np.ascontiguousarray(x)
        return _of_photo(Image.fromarray(x[0] if len(x) == 1 else x.transpose(1, 2, 0)), geometry)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"pixels must be uint8 or float in [0, 1], got {x.dtype}")
    # written so that NaN fails
    if not (x.min() >= 0 and x.max() <= 1):
        text = "must lie in [0, 1] (divide by 255, leave out any normalisation)"
        raise ValueError(f"pixels from {x.min():g} to {x.max():g}, {text}")
    if geometry is not None and geometry != Geometry():
        raise ValueError("float pixels are not resized; resize them in the data set")
    return np.ascontiguousarray(x, dtype=np.float32)


def _label(label: Any, at: int, where: str) -> AnyArray:
    """Return a label as an array: a number, or the row of a one-hot label."""
    if hasattr(label, "detach"):
        label = label.detach().cpu()
    array = np.asarray(label)
    if array.ndim > 1 or array.dtype.kind not in "buif" or not array.size:
        text = "expected the number of a class, or a one-hot row"
        raise InputError(f"{where}: item {at}: its label is {str(label)[:80]!r}; {text}")
    if array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        # beside smaller ones it would become a float
        raise InputError(f"{where}: item {at}: its label is {array.max()}, beyond int64")
    return array.reshape(()) if array.size == 1 else array


def _stacked(labels: list[AnyArray], where: str) -> AnyArray:
    shapes = {label.shape: at for at, label in reversed(list(enumerate(labels)))}
    if len(shapes) > 1:
        (one, first), (other, second) = list(shapes.items())[:2]
        text = f"item {first} has {list(one)}, item {second} has {list(other)}"
        raise InputError(f"{where}: labels differ in shape: {text}")
    return np.stack(labels)


def _check_same_size(items: Items, taken: _Taken) -> None:
    first: tuple[int, ...] | None = None
    for shape, at in taken.shapes.items():
        first = first or shape
        if shape[1:] != first[1:]:
            text = f"item 0: {first[2]} x {first[1]}, item {at}: {shape[2]} x {shape[1]}"
            raise MixedItems(f"{items.where}: images of several sizes ({text}); {items.remedy}")
    if len(taken.dtypes) > 1:
        kinds = ", ".join(f"item {at}: {np.dtype(kind)}" for kind, at in taken.dtypes.items())
        raise InputError(f"{items.where}: images of several kinds ({kinds}); give one kind")


class MixedItems(InputError):
    """A data set whose images differ in size."""


def _check_again(items: Items, geometry: Geometry | None, taken: _Taken) -> None:
    """Read a few images again; InputError where one is another image now."""
    if not items.by_position:
        return
    read = _Reading(items, geometry)
    for at in sorted({*np.linspace(0, len(taken.labels) - 1, READ_AGAIN).astype(int).tolist()}):
        if digest_of(read(at)) != taken.digests[at]:
            raise InputError(
                f"{items.where}: item {at} is another image when it is read again; leave random"
                " transforms out of the data set, an evaluation needs fixed images"
            )

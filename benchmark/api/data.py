"""The data that a caller hands over: arrays, tensors, loaders and data sets of other packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from estimators.data.handed.arrays import from_arrays, with_class_names
from estimators.data.handed.objects import from_object, is_dataset
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.networks.handed.art_classifiers import Span


def is_array(thing: Any) -> bool:
    """Return whether a thing is an array or a tensor, or a list, which may hold either."""
    return hasattr(thing, "__array__") or isinstance(thing, (list, tuple))


def images_of(
    x: Any, y: Any, classes: Sequence[str] | None, where: str, span: Span = (0.0, 1.0)
) -> Images:
    """Return the images that a caller hands over, with their labels.

    x: images with labels y as `arrays.from_arrays` reads them; or, without y, a data set or a
        loader as `objects.from_object` reads it.
    classes: names of the classes; None for those that a data set has, or for numbers.
    where: what messages begin with. span: the range of float pixels in arrays.

    Raises InputError for what cannot be read.
    """
    if isinstance(x, Images):
        return with_class_names(x, classes, where)
    if isinstance(x, Mapping):
        keys = ", ".join(map(repr, list(x)[:5]))
        raise InputError(f"{where}: got a mapping with {keys}; pass one of its parts, as x['test']")
    if y is not None:
        if not is_array(x):
            got = type(x).__name__
            raise InputError(f"{where}: {got} brings its own labels; leave y out")
        return from_arrays(x, y, classes, where, span)
    if is_array(x) and not (isinstance(x, list) and x and isinstance(x[0], (tuple, list))):
        raise InputError(f"{where}: y is missing; pass one integer per image")
    if not is_dataset(x):
        expected = "expected arrays x and y, a DataLoader, a data set, or the name of one"
        raise InputError(f"{where}: {expected}; got {type(x).__name__}")
    return with_class_names(from_object(x, where), classes, where)

"""Data sets of the package `datasets`: a folder that `save_to_disk` wrote, or an object in memory.

Images are decoded here, from the bytes in the table: only files of `photo.FORMATS` are opened, and
no file outside the folder.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from estimators.data.geometry import HUGGING_FACE, Geometry
from estimators.data.handed.items import Item, Items, MixedItems, read_items
from estimators.data.images import Images, Split
from estimators.data.photo import FORMATS, check_pixels
from estimators.errors import InputError, install_extra, unknown
from estimators.plugins import describe_error

# what `save_to_disk` writes, of several splits and of one
MANY, ONE = "dataset_dict.json", "state.json"
# what a test split is called, the best name first
TEST_SPLITS = ("test", "validation", "val", "valid", "dev", "eval")
# names of columns, where their features leave a choice
IMAGES = ("image", "img", "images", "pixel_values", "x")
LABELS = ("label", "labels", "fine_label", "target", "targets", "class", "y")
# images whose sizes are compared before a size is chosen
LOOKED_AT = 200
SIZE = "say the size that the network takes: hf:FOLDER[resize=256,crop=224]"


def from_saved(
    root: Path,
    split: Split,
    geometry: Geometry | None = None,
    choices: Mapping[str, str] | None = None,
) -> Images:
    """Return a split of a data set in a folder that `save_to_disk` wrote.

    root: the folder. split: `train` for the split of that name.
    geometry: how images become images of one size; None takes them as they are.
    choices: `split` names the one to test on, by default `test`, or `validation` where there is no
        test split; `image` and `label` name the columns where there are several.

    Raises InputError where the folder or the package is missing, and for other content.
    """
    chosen = choices or {}
    table = _table(root, split, chosen)
    return from_hf(table, _where(root), geometry, chosen, root)


def uniform_size(
    root: Path, split: Split, choices: Mapping[str, str] | None = None
) -> tuple[int, int] | None:
    """Return height and width of the images of a saved data set; None where they differ.

    At most LOOKED_AT images are looked at.
    """
    chosen = choices or {}
    table = _table(root, split, chosen)
    rows = np.unique(np.linspace(0, len(table) - 1, min(len(table), LOOKED_AT)).astype(int))
    try:
        return from_hf(table.select(rows), _where(root), None, chosen, root).shape[1:]
    except MixedItems:
        return None


def is_hf_dataset(thing: object) -> bool:
    """Return whether an object is a data set of `datasets`, which is not imported for that."""
    return any(
        base.__module__.startswith("datasets.") and base.__name__ in ("Dataset", "IterableDataset")
        for base in type(thing).__mro__
    )


def from_hf(
    dataset: Any,
    where: str,
    geometry: Geometry | None = None,
    choices: Mapping[str, str] | None = None,
    root: Path | None = None,
) -> Images:
    """Return the images of a datasets.Dataset or IterableDataset, in its order.

    The columns are found by their features: Image (or an array) and ClassLabel (or integers). The
    names of a ClassLabel are those of the classes. A transform of the data set is left out.

    choices: the columns `image` and `label`, where there are several.
    root: the only folder in which files that the table names are opened; None for any.
    """
    features = dataset.features
    if not features:
        raise InputError(f"{where}: has no features; give it some with dataset.cast(Features(...))")
    columns = _columns(features, choices or {}, where)
    image = features[columns.image]
    pick = _Pick(columns, getattr(image, "mode", None), getattr(image, "dtype", None), root)
    table = dataset
    if _is_image(image):
        table = table.cast_column(columns.image, type(image)(decode=False))
    table = table.select_columns([columns.image, columns.label]).with_format(None)
    names = getattr(features[columns.label], "names", None)
    classes = None if names is None else tuple(map(str, names))
    by_position = hasattr(table, "__getitem__") and hasattr(table, "__len__")
    things: Any = _Rows(table, pick) if by_position else map(pick, table)
    return read_items(Items(where, things, by_position, classes, SIZE), geometry)


@dataclass(frozen=True)
class Columns:
    """The columns of a table: image, label."""

    image: str
    label: str


@dataclass(frozen=True)
class _Pick:
    """Takes image and label from a row."""

    columns: Columns
    mode: str | None
    dtype: str | None
    root: Path | None

    def __call__(self, row: Mapping[str, Any]) -> Item:
        value, label = row[self.columns.image], row[self.columns.label]
        if isinstance(value, Mapping):
            return self._photo(value), label
        return np.asarray(value, dtype=self.dtype), label

    def _photo(self, value: Mapping[str, Any]) -> Image.Image:
        content, path = value.get("bytes"), value.get("path")
        source: Any = io.BytesIO(content) if content is not None else path
        if content is None and not self._allowed(path):
            raise InputError(
                f"the bytes of the image {path} are not in the folder; write it again with"
                " save_to_disk, which embeds them"
            )
        with Image.open(source, formats=FORMATS) as image:
            check_pixels(*image.size)
            image.load()
            upright = ImageOps.exif_transpose(image)
        return upright if self.mode in (None, upright.mode) else upright.convert(self.mode)

    def _allowed(self, path: object) -> bool:
        if not isinstance(path, str) or not Path(path).is_file():
            return False
        return self.root is None or Path(path).resolve().is_relative_to(self.root.resolve())


@dataclass(frozen=True)
class _Rows:
    """The rows of a table as items."""

    table: Any
    pick: _Pick

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, at: int) -> Item:
        return self.pick(self.table[at])


def _where(root: Path) -> str:
    return f"data set {HUGGING_FACE}:{root}"


def _table(root: Path, split: Split, choices: Mapping[str, str]) -> Any:
    """Return the table of a split of a saved data set."""
    where = _where(root)
    if not root.is_dir():
        raise InputError(f"{where}: no such folder; {_how_to_save(str(root))}")
    if not (root / MANY).is_file() and not (root / ONE).is_file():
        raise InputError(
            f"{where}: not a folder of save_to_disk (it has neither {MANY} nor {ONE});"
            f" {_how_to_save(str(root))}"
        )
    try:
        package: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise InputError(
            f"{where}: needs the package datasets, which is not installed here;"
            f" {install_extra('huggingface')}"
        ) from error
    try:
        found = package.load_from_disk(str(root))
    except Exception as error:
        # a damaged folder raises many kinds
        raise InputError(f"{where}: cannot be read ({describe_error(error)})") from error
    return _split_of(found, split, choices.get("split"), where)


def _split_of(found: Any, split: Split, chosen: str | None, where: str) -> Any:
    """Return the table of a split; of a folder with one split, that one for the test."""
    if not isinstance(found, Mapping):
        if split == "train":
            raise InputError(f"{where}: has one split, which is tested on; training needs `train`")
        if chosen is not None and chosen != str(found.split or chosen):
            raise InputError(f"{where}: is the split {found.split}, not {chosen}")
        return found
    names = list(found)
    if split == "train":
        wanted = ["train"]
    else:
        wanted = [chosen] if chosen is not None else list(TEST_SPLITS)
    for name in wanted:
        if name in names:
            return found[name]
    if chosen is not None and split == "test":
        raise unknown(f"split of the {where}", chosen, names)
    raise InputError(
        f"{where}: has no {split} split, only {', '.join(names)}; choose one:"
        f" {where.removeprefix('data set ')}[split={names[0] if names else 'NAME'}]"
    )


def _columns(features: Mapping[str, Any], choices: Mapping[str, str], where: str) -> Columns:
    kinds = {name: type(feature).__name__ for name, feature in features.items()}
    images = [name for name, kind in kinds.items() if kind == "Image"]
    images = images or [name for name, kind in kinds.items() if kind in ("Array2D", "Array3D")]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    whole = [
        n for n, f in features.items() if "int" in str(getattr(f, "dtype", "")) and n in LABELS
    ]
    return Columns(
        _one("image", images, IMAGES, features, choices, where),
        _one("label", labels or whole, LABELS, features, choices, where),
    )


def _one(
    what: str,
    found: Sequence[str],
    usual: Sequence[str],
    features: Mapping[str, Any],
    choices: Mapping[str, str],
    where: str,
) -> str:
    """Return the column that is chosen, the only one of its kind, or the one with a usual name."""
    chosen = choices.get(what)
    if chosen is not None:
        if chosen not in features:
            raise unknown(f"column of the {where}", chosen, features)
        return chosen
    if len(found) > 1 and what == "image":
        found = [name for name in usual if name in found][:1] or found
    if len(found) == 1:
        return found[0]
    if found:
        text = f"several columns may be the {what}: {', '.join(found)}; choose one"
        raise InputError(f"{where}: {text}: hf:FOLDER[{what}={found[0]}]")
    held = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in features.items())
    remedy = {
        "image": "cast the column to datasets.Image()",
        "label": "make one with dataset.class_encode_column(NAME)",
    }[what]
    raise InputError(f"{where}: no column is the {what} (it has {held}); {remedy}")


def _is_image(feature: Any) -> bool:
    return type(feature).__name__ == "Image"


def _how_to_save(folder: str) -> str:
    name = folder if folder.count("/") == 1 and not folder.startswith((".", "/")) else "OWNER/NAME"
    return (
        "save one where there is a network:"
        f" datasets.load_dataset('{name}').save_to_disk('FOLDER'), and name hf:FOLDER"
    )

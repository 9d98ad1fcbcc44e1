"""A folder of photos, one folder per class; photos are decoded when they are taken."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from estimators.data.folders.class_order import Classes, find_classes, with_classes_of_training
from estimators.data.folders.split_folder import IMAGE_SUFFIXES, split_folder, train_folder
from estimators.data.geometry import FOLDER, Geometry
from estimators.data.images import Images, Split
from estimators.data.photo import Header, read_header, read_photo, size_after
from estimators.data.streamed import AnyArray, IntArray, Source, Streamed
from estimators.errors import InputError, class_and_line

# changes when photos are read in another way, so that stored results are computed again
VERSION = 1
SHOWN_SUFFIXES = 3
SPECIAL = "pipes, sockets or devices"
# headers that are read before the first photo is; a photo that does not fit them is left out
MOST_HEADERS = 2000
# what the file system says of a moment, and not of a photo
PASSING = {
    getattr(errno, name, None)
    for name in ("EACCES", "EPERM", "EIO", "EREMOTEIO", "EMFILE", "ENFILE", "ENOMEM", "EAGAIN",
                 "EBUSY", "ETIMEDOUT", "ESTALE", "ENOTCONN", "EHOSTDOWN", "ENODEV", "ENXIO",
                 "ENOENT", "ENOTDIR")
} - {None}  # fmt: skip
HeaderOf = Callable[[str], Header | None]


@dataclass(frozen=True)
class PhotoFile:
    """A file in the folder of a class.

    name: path below the folder of the split, with forward slashes. label: its class.
    size: in bytes; -1 where it cannot be read now. time: of its last change, in nanoseconds.
    """

    name: str
    label: int
    size: int
    time: int


class FolderSource(Source):
    """The photos of a folder, decoded one by one."""

    def __init__(self, where: Path, files: list[PhotoFile], geometry: Geometry) -> None:
        super().__init__()
        self._where = where
        self._names = [file.name for file in files]
        self._readable = [file.size >= 0 for file in files]
        self._digests: dict[int, bytes] = {}
        self._geometry = geometry
        header_of = cache(lambda name: read_header(where / name))
        looked_at = _looked_at(self._names)
        height, width = _common_size(where, looked_at, geometry, header_of)
        self.shape = _channels(looked_at, header_of), height, width
        self.dtype = np.dtype(np.uint8)
        digest = hashlib.sha256(repr((VERSION, self.shape, geometry)).encode())
        for file in files:
            digest.update(
                f"{file.name}\0{file.label}\0{file.size}\0{file.time}\n".encode(
                    "utf-8", "surrogateescape"
                )
            )
        self.fingerprint = digest.hexdigest()

    def load(self, rows: IntArray) -> dict[int, AnyArray]:
        """Decode the photos of rows.

        Raises InputError where a photo cannot be read now, but could be when it was listed: the
        fingerprint says that it is there.
        """
        loaded = {}
        for row in map(int, rows):
            path = self._where / self._names[row]
            try:
                photo = read_photo(path, self.shape[0], self._geometry)
                if photo.shape != self.shape:
                    _, height, width = photo.shape
                    expected = " x ".join(map(str, self.shape[:0:-1]))
                    raise ValueError(f"{width} x {height} pixels, expected {expected}")
            except Exception as error:
                # Pillow's decoders raise OSError, SyntaxError, DecompressionBombError and others
                if self._readable[row] and getattr(error, "errno", None) in PASSING:
                    raise InputError(
                        f"photo {path}: cannot be read now ({class_and_line(error)}); make it"
                        " readable or remove it, and run the command with --retry-failed"
                    ) from error
                self.faults[row] = f"photo {path}: cannot be read ({class_and_line(error)})"
                continue
            self._digests[row] = hashlib.sha256(photo.data).digest()
            loaded[row] = photo
        return loaded

    def content(self, rows: IntArray) -> bytes | None:
        """Return the hashes of the decoded photos, which are taken as they are read."""
        found = [self._digests.get(int(row)) for row in rows]
        return None if None in found else b"".join(d for d in found if d is not None)


def from_folder(root: Path, split: Split, geometry: Geometry | None = None) -> Images:
    """Return the photos in one folder per class, in the folder of the split where there is one.

    That folder is the one of `split_folder`. Nothing is decoded yet. The index of a photo is its
    position by class and name. Hidden folders and files are left out.

    geometry: None to take the photos as they are; all must then have one size.

    Raises InputError for missing folders, `train` included, and for photos that differ in size.
    """
    if not root.is_dir():
        raise InputError(f"image folder {root}: no such folder; name one with a folder per class")
    others: Counter[str] = Counter()
    where = root
    try:
        where = split_folder(root, split)
        classes = find_classes(where, root)
        trained_on = train_folder(root) if split == "test" and where != root else None
        if trained_on is not None and classes.source == "folders":
            classes = with_classes_of_training(classes, find_classes(trained_on, root))
        files = list(_photos(where, classes, others))
    except OSError as error:
        raise InputError(f"image folder {where}: cannot be listed ({error})") from error
    endings = ", ".join(f"{n} {suffix}" for suffix, n in others.most_common(SHOWN_SUFFIXES))
    if not files:
        inside = f"; the folders of the classes hold {endings}" if others else ""
        if where == root and list(others) == ["folders"]:
            inside += ", and none of them is called test or val"
        raise InputError(f"image folder {where}: no images (expected one folder per class){inside}")
    notes = list(classes.notes)
    if split == "test" and where != root and where.name != "test":
        notes.append(f"test images from {where.name}/")
    if others:
        notes.append(
            f"left out {others.total()} files that are no images by their ending"
            f"{' or kind' if others[SPECIAL] else ''} ({endings})"
        )
    source = FolderSource(where, files, geometry or Geometry())
    rows = np.arange(len(files), dtype=np.int64)
    labels = np.array([file.label for file in files], dtype=np.int64)
    pixels = Streamed(source, rows)
    return Images(pixels, labels, rows, classes.names, classes.source, tuple(notes))


def uniform_size(root: Path, split: Split) -> tuple[int, int] | None:
    """Return height and width of the photos of a folder; None where they differ."""
    try:
        return from_folder(root, split).shape[1:]
    except MixedSizes:
        return None


class MixedSizes(InputError):
    """Photos of several sizes in a folder whose name says no size."""


def _photos(where: Path, classes: Classes, others: Counter[str]) -> Iterator[PhotoFile]:
    """Yield the photos by class and name; count the endings of other files."""
    for name, label in sorted(classes.labels.items(), key=lambda item: item[1]):
        if not (where / name).is_dir():
            continue  # a class of the file without a folder
        with os.scandir(where / name) as entries:
            listed = sorted(
                (e for e in entries if not e.name.startswith(".")), key=lambda e: e.name
            )
        for entry in listed:
            suffix = os.path.splitext(entry.name)[1].lower()
            if suffix not in IMAGE_SUFFIXES:
                others["folders" if entry.is_dir() else suffix or "without"] += 1
                continue
            try:
                about = entry.stat()
                size, time = about.st_size, about.st_mtime_ns
                if not stat.S_ISREG(about.st_mode):
                    # opening a pipe waits for ever
                    others["folders" if stat.S_ISDIR(about.st_mode) else SPECIAL] += 1
                    continue
                # such a photo is left out, and computed when its rights allow it
                if not os.access(entry.path, os.R_OK):
                    size = time = -1
            except OSError:
                size = time = -1  # a broken link: reading it says so
            yield PhotoFile(f"{name}/{entry.name}", label, size, time)


def _looked_at(names: list[str]) -> list[str]:
    """Return the photos whose headers are read at the start: all, or MOST_HEADERS of them."""
    if len(names) <= MOST_HEADERS:
        return names
    return [names[at] for at in np.linspace(0, len(names) - 1, MOST_HEADERS).astype(int)]


def _channels(names: list[str], header_of: HeaderOf) -> int:
    """Return 1 where every photo is grey, else 3; the first colour photo ends the search."""
    grey = False
    for header in filter(None, map(header_of, names)):
        if not header.grey:
            return 3
        grey = True
    return 1 if grey else 3


def _common_size(
    where: Path, names: list[str], geometry: Geometry, header_of: HeaderOf
) -> tuple[int, int]:
    """Return height and width of all photos; MixedSizes where they differ."""
    if geometry.crop is not None:
        return geometry.crop, geometry.crop
    first: tuple[str, tuple[int, int]] | None = None
    for name in names:
        header = header_of(name)
        if header is None:
            continue
        size = size_after(header, geometry)
        first = first or (name, size)
        if size != first[1]:
            sizes = [f"{width} x {height}" for height, width in (first[1], size)]
            raise MixedSizes(
                f"image folder {where}: photos of several sizes ({first[0]}: {sizes[0]},"
                f" {name}: {sizes[1]}); say the size that the network takes:"
                f" {FOLDER}:PATH[resize=256,crop=224]"
            )
    if first is None:
        raise InputError(f"image folder {where}: no photo can be read ({names[0]} and all others)")
    return first[1]

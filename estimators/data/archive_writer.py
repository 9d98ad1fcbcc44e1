"""npz archives written array by array, block by block: no array need be in memory as a whole."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

# of every entry: the same arrays give the same bytes at any time
DATE = (1980, 1, 1, 0, 0, 0)
# of zlib, 1 to 9; random floats hardly get smaller by higher ones
LEVEL = 1


@dataclass(frozen=True)
class Blocks:
    """An array in parts.

    shape, dtype: of the whole array. parts: arrays [n, ...], one after the other along the first
    axis, of any dtype that `dtype` holds.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Iterable[npt.NDArray[Any]]


def write_archive(path: Path, arrays: Mapping[str, npt.NDArray[Any] | Blocks]) -> None:
    """Write a compressed npz archive, as `numpy.load` reads it without pickle.

    Raises ValueError where the parts of an array do not fill its shape.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # the level of the archive counts only for entries that it dates itself
            entry._compresslevel = LEVEL  # type: ignore[attr-defined]
            blocks = array if isinstance(array, Blocks) else Blocks(array.shape, array.dtype, ())
            header = {"descr": npy.dtype_to_descr(blocks.dtype), "fortran_order": False}
            with archive.open(entry, "w", force_zip64=True) as file:
                npy.write_array_header_1_0(file, {**header, "shape": blocks.shape})
                parts = blocks.parts if isinstance(array, Blocks) else (array,)
                written = 0
                for part in parts:
                    content = np.ascontiguousarray(part, dtype=blocks.dtype)
                    file.write(content.tobytes())
                    written += content.size
            if written != int(np.prod(blocks.shape)):
                raise ValueError(f"{name}: {written} numbers do not fill {blocks.shape}")

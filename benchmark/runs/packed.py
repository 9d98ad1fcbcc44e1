"""The predictions of a cell as compressed bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

# the narrowest types of predictions; wider ones where ids or the number of classes need them
_TYPES = {"id": "i4", "label": "i2", "clean": "i2", "adversarial": "i2"}
COLUMNS = tuple(_TYPES)
# columns that only some cells have (see `Outcome`)
_OPTIONAL_TYPES = {"part": "i2", "hits": "i2"}
OPTIONAL = tuple(_OPTIONAL_TYPES)
Types = dict[str, np.dtype[Any]]
# the predictions of a cell by column, each [N]
Predicted = dict[str, npt.NDArray[np.signedinteger[Any]]]
# predictions of wider types begin with this and the types of COLUMNS, those with optional columns
# with the other and the types of all columns, `--` for one that the cell lacks; zlib's own bytes
# begin with b"x"
_WIDE, _MORE = b"w", b"m"
_ABSENT = "--"
_HEADS = {_WIDE: COLUMNS, _MORE: (*COLUMNS, *OPTIONAL)}
# bytes that are unpacked at once
_PART = 1 << 24
LONGEST_HEAD = 1 + 2 * len(_HEADS[_MORE])


def _types(codes: Mapping[str, str]) -> Types:
    return {column: np.dtype("<" + code) for column, code in codes.items()}


def _narrowest(values: npt.NDArray[Any], least: str) -> str:
    """Return the code of integers, from `least` up, that hold the values.

    16 and 32 bits are taken as they come: they follow the number of classes.
    """
    if values.dtype in (np.dtype("i2"), np.dtype("i4")):
        return f"i{max(int(least[1]), values.dtype.itemsize)}"
    if not len(values):
        return least
    wide = np.promote_types(np.min_scalar_type(values.min()), np.min_scalar_type(values.max()))
    fits = (code for code in ("i2", "i4") if code >= least and np.can_cast(wide, code))
    return next(fits, "i8")


def pack(table: pd.DataFrame) -> bytes:
    """Return predictions as compressed bytes, column after column."""
    least = _TYPES | {name: _OPTIONAL_TYPES[name] for name in OPTIONAL if name in table}
    arrays = {name: table[name].to_numpy() for name in least}
    codes = {name: _narrowest(arrays[name], code) for name, code in least.items()}
    columns = (np.ascontiguousarray(arrays[c], dtype=kind) for c, kind in _types(codes).items())
    packed = zlib.compress(b"".join(column.tobytes() for column in columns), level=1)
    if codes == _TYPES:
        return packed
    mark = _WIDE if len(codes) == len(COLUMNS) else _MORE
    return mark + "".join(codes.get(name, _ABSENT) for name in _HEADS[mark]).encode() + packed


def head_types(blob: bytes) -> tuple[Types, int]:
    """Return the types of packed predictions, and where their compressed bytes begin."""
    columns = _HEADS.get(blob[:1])
    if columns is None:
        return _types(_TYPES), 0
    end = 1 + 2 * len(columns)
    text = blob[1:end].decode()
    codes = {name: text[2 * at : 2 * at + 2] for at, name in enumerate(columns)}
    return _types({name: code for name, code in codes.items() if code != _ABSENT}), end


def unpack(blob: bytes, most: int) -> pd.DataFrame:
    """Return the predictions that `pack` packed; see `columns_of`."""
    return pd.DataFrame(columns_of(blob, most))


def columns_of(blob: bytes, most: int) -> Predicted:
    """Return the predictions that `pack` packed, by column; a frame for each cell takes far longer.

    most: images. ValueError where there are more, before they are unpacked, and for bytes that
    `pack` does not write.
    """
    types, start = head_types(blob)
    if any(kind.kind != "i" for kind in types.values()) or not set(COLUMNS) <= set(types):
        raise ValueError("not the types of predictions")
    width = sum(kind.itemsize for kind in types.values())
    content = _unpacked(blob[start:], most * width)
    if content is None:
        raise ValueError("more or fewer predictions than the row states")
    n, rest = divmod(len(content), width)
    if rest:
        raise ValueError("a part of a prediction")
    table: Predicted = {}
    offset = 0
    for column, dtype in types.items():
        table[column] = np.frombuffer(content, dtype, n, offset)
        offset += table[column].nbytes
    return table


def _unpacked(packed: bytes, most: int) -> memoryview | None:
    """Return bytes without compression; None where they are more than `most`, or damaged.

    They are unpacked in parts: zlib's own buffer would need their size a second time.
    """
    unpacker, content = zlib.decompressobj(), bytearray()
    while not unpacker.eof:
        # one byte more than allowed, so that more is noticed
        part = unpacker.decompress(packed, min(_PART, most - len(content) + 1))
        if len(content) + len(part) > most or not (part or unpacker.eof):
            return None
        content += part
        packed = unpacker.unconsumed_tail
    return None if unpacker.unused_data else memoryview(content).toreadonly()


def widest_types(heads: Iterable[bytes]) -> Types:
    """Return the integers that hold the predictions of several cells, by column.

    heads: the first LONGEST_HEAD bytes of each cell's packed predictions.
    """
    widest = _types(_TYPES)
    for head in heads:
        own = head_types(head)[0]
        widest |= {c: np.promote_types(own[c], widest.get(c, own[c])) for c in own}
    return {column: widest[column] for column in _HEADS[_MORE] if column in widest}

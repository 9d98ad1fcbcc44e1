"""Archives written in blocks, and pixels as grey levels where nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from estimators.data.archive_writer import Blocks, write_archive
from estimators.data.images import as_floats, as_levels


def test_blocks_give_the_bytes_of_the_whole(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((7, 1, 4, 4), dtype=np.float32)
    others = {"ids": np.arange(7), "about": np.array('{"eps": 0.1}')}
    parts = Blocks(x.shape, x.dtype, iter([x[:3], x[3:3], x[3:]]))
    for name, array in (("whole", x), ("parts", parts)):
        write_archive(tmp_path / f"{name}.npz", {"x": array, **others})
    assert (tmp_path / "whole.npz").read_bytes() == (tmp_path / "parts.npz").read_bytes()
    with np.load(tmp_path / "parts.npz", allow_pickle=False) as held:
        assert held.files == ["x", "ids", "about"]
        assert held["x"].dtype == np.float32 and np.array_equal(held["x"], x)
        assert np.array_equal(held["ids"], others["ids"])
        assert str(held["about"]) == '{"eps": 0.1}'


def test_parts_that_do_not_fill_the_array_are_no_archive(tmp_path: Path) -> None:
    blocks = Blocks((5, 2), np.dtype(np.uint8), iter([np.zeros((4, 2), np.uint8)]))
    with pytest.raises(ValueError, match="8 numbers do not fill"):
        write_archive(tmp_path / "short.npz", {"x": blocks})


def test_every_grey_level_comes_back_and_nothing_else_becomes_one() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    x = as_floats(levels)
    assert as_levels(x).dtype == np.uint8 and np.array_equal(as_levels(x), levels)
    for pixel in (np.nextafter(x[0, 0, 3, 3], np.float32(2)), np.nan, -0.1, 1.1, np.inf):
        other = x.copy()
        other[0, 0, 3, 3] = pixel
        assert as_levels(other) is other

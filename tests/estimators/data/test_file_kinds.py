"""Files of another kind in place of an archive of arrays: said what they seem to be."""

from __future__ import annotations

import gzip
import io
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from estimators.data.load import load_images
from estimators.errors import InputError


def one_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((4, 8, 8)))
    return file.getvalue()


KINDS = {
    "npy": (one_array(), "one array of NumPy (.npy)"),
    "csv": (b"label,pixel0\n1,2\n", "a text, such as CSV"),
    "pickle": (pickle.dumps({"x": 1}), "a pickle"),
    "gzip": (gzip.compress(b"x"), "a gzip file"),
    "numbers": (bytes(range(64)), "no archive"),
    "nothing": (b"", "empty"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_archive(tmp_path: Path, kind: str) -> None:
    content, words = KINDS[kind]
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    expected = f"data file {path}: is {words}, expected an archive of NumPy (.npz); save images"
    with pytest.raises(InputError, match=re.escape(expected)):
        load_images(f"npz:{path}", "test")


def test_an_archive_that_is_cut_off_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x_test=np.zeros((4, 8, 8)), y_test=np.zeros(4, np.int64))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be read"):
        load_images(f"npz:{path}", "test")

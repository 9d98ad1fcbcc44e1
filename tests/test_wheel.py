"""The built wheel holds no pickle: installing the package brings no file that runs when read."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
# of files that programs write as pickles, or that may hold one
SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".dill", ".model", ".npy",
            ".npz")  # fmt: skip
ZIP, NPY = b"PK\x03\x04", b"\x93NUMPY"


def is_pickle(name: str, content: bytes) -> bool:
    """Whether a file is a pickle or an archive, by its name or its first bytes."""
    by_name = name.lower().endswith(SUFFIXES)
    # protocols 2 to 5; text files of protocol 0 have no mark
    by_content = content[:1] == b"\x80" and content[1:2] in b"\x02\x03\x04\x05"
    return by_name or by_content or content.startswith((ZIP, NPY))


def test_pickles_are_found() -> None:
    import pickle

    import torch

    for protocol in range(2, 6):
        assert is_pickle("a.txt", pickle.dumps({"a": 1}, protocol))
    for legacy in (False, True):
        out = BytesIO()
        torch.save({"a": torch.zeros(1)}, out, _use_new_zipfile_serialization=not legacy)
        assert is_pickle("a.txt", out.getvalue())
    array = BytesIO()
    np.save(array, np.array([None]), allow_pickle=True)
    assert is_pickle("a.txt", array.getvalue())
    assert is_pickle("weights.PT", b"")
    assert not is_pickle("a.py", b"import pickle\n")


@pytest.mark.slow
def test_the_wheel_holds_no_pickle(tmp_path: Path) -> None:
    copy = tmp_path / "source"
    unwanted = shutil.ignore_patterns(".*", "tests", "docs", "*.egg-info", "build", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=unwanted)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), "."]
    built = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    if "No matching distribution found for setuptools" in built.stderr:
        pytest.skip("pip cannot download setuptools, which builds the wheel")
    assert built.returncode == 0, built.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert any(name.endswith(".safetensors") for name in files)
    assert "benchmark/cli/app.py" in files
    assert [name for name, content in files.items() if is_pickle(name, content)] == []

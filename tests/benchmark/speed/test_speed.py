"""`bench speed` on made-up images: it measures, compares, and writes what it found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def test_speed_of_jpeg(bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    x = np.random.RandomState(0).randint(0, 256, (1000, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "data" / "mnist.npz", x_test=x, y_test=np.arange(1000) % 10)
    code, out = bench("speed", "--repeat", "1", "--only", "jpeg", "--json", "speed.json")
    assert code == 0, out
    assert "28x28 grey" in out
    found = json.loads((tmp_path / "speed.json").read_text())
    assert [line["same"] for line in found["lines"]] == [True, True]
    assert found["machine"]["device"] == "cpu"

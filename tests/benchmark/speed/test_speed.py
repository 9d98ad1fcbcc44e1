"""`bench speed` on made-up images: it measures, compares, and writes its lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmark.speed.memory import peaks
from benchmark.speed.timing import alternate


def test_speed_of_jpeg(bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    x = np.random.RandomState(0).randint(0, 256, (1000, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "data" / "mnist.npz", x_test=x, y_test=np.arange(1000) % 10)
    code, out = bench("speed", "--repeat", "1", "--only", "jpeg", "--json", "speed.json")
    assert code == 0, out
    assert "28x28 grey" in out
    record = json.loads((tmp_path / "speed.json").read_text())
    assert [line["same"] for line in record["lines"]] == [True, True]
    assert record["machine"]["device"] == "cpu"


def test_alternating_runs_are_paired() -> None:
    order = []
    pair = alternate(lambda: order.append("ours") or 1, lambda: order.append("theirs") or 2, 3)
    assert order == ["ours", *["ours", "theirs"] * 3]
    assert (pair.our_result, pair.their_result) == (1, 2)
    line = pair.line("work", "rival", None, "note")
    assert line.ours == pair.our_seconds and line.ratio == pair.ratio > 0


def test_peak_of_a_process_is_in_megabytes() -> None:
    ((count, megabytes),) = peaks((50,))
    assert count == 50 and 50 < megabytes < 5000

"""Killed at random moments and started again: nothing lost, nothing computed twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from killing import output_of

KILLS = 50


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_fifty_kills_change_no_byte(tmp_path: Path) -> None:
    report = output_of("kills.py", tmp_path, KILLS, 0)
    assert sum(report["phases"].values()) == KILLS
    # the kills came where cells are computed, and stored cells were there to be computed twice
    assert report["phases"].get("computing", 0) >= 3, report
    assert report["kept"] > 100
    assert report["recomputed"] == 0
    assert len(report["runs"]) >= 5
    expected = tmp_path / "uninterrupted"
    for name in report["runs"]:
        for file in ("results.csv", "predictions.parquet"):
            assert (tmp_path / name / file).read_bytes() == (expected / file).read_bytes(), name
        assert not list((tmp_path / name).glob("*.part"))

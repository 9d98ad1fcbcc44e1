"""Killed at random moments and started again: nothing lost, nothing computed twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KILLS = 50


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_fifty_kills_change_no_byte(tmp_path: Path) -> None:
    script = ROOT / "tests" / "helpers" / "kills.py"
    out = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(KILLS), "0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert out.returncode == 0, out.stderr[-3000:]
    report = json.loads(out.stdout.splitlines()[-1])
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

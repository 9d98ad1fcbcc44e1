"""A run on workers by the command line: the bytes of a run in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GRID = "{samples: 20, threats: [oblivious], attacks: [{name: fgsm, eps: [0, 0.1]}]"
GRID += ", certify: [ibp, {name: crown, rows: 0}]}"


def test_a_worker_gives_the_same_bytes(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    for out, where in (("here", "--threads"), ("there", "--workers")):
        images = ("--save-adversarial", "--out", out)
        code, printed = bench("run", "--grid", "grid.yaml", *images, where, "1")
        assert code == 0, printed
    for name in ("results.csv", "predictions.parquet", "certificates.parquet"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    archives = sorted(path.name for path in (tmp_path / "here" / "adversarial").iterdir())
    assert len(archives) == 3  # two eps, and the index
    for name in archives:
        both = ((tmp_path / out / "adversarial" / name).read_bytes() for out in ("here", "there"))
        assert len(set(both)) == 1
    machine = json.loads((tmp_path / "there" / "manifest.json").read_text())["machine"]
    assert sum(machine["workers"].values()) == 1 + 2 * 2  # two methods, two eps

"""How long the small reproduction of the paper takes, in a process with empty folders."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmark.speed.startup import BENCH
from benchmark.speed.timing import Measured
from estimators.errors import InputError

# seconds that it should take on two cores
GOAL = 300.0
# where trained networks and compiled code are kept
CACHE = "BENCH_CACHE_DIR"


def paper_line(data_dir: Path | None) -> Measured:
    """Time `bench paper --quick` once, with nothing trained before, against its goal."""
    with tempfile.TemporaryDirectory(prefix="art-bench-") as folder:
        command = [*BENCH, "paper", "--quick", "--out", str(Path(folder) / "run")]
        if data_dir is not None:
            command += ["--data-dir", str(data_dir.resolve())]
        start = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, CACHE: str(Path(folder) / "cache")},
            capture_output=True,
            text=True,
        )
        took = time.perf_counter() - start
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise InputError(f"bench paper --quick: {last[0] if last else 'failed'}")
    work = "bench paper --quick, nothing trained before, one run"
    return Measured(work, "its goal", took, GOAL, GOAL / took, None)

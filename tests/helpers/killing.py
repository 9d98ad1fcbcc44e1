"""Runs of the helpers that kill themselves, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def output_of(script: str, *args: object) -> Any:
    """Return what a helper prints as JSON in its last line; it may take hours."""
    out = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "helpers" / script), *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert out.returncode == 0, out.stderr[-3000:]
    return json.loads(out.stdout.splitlines()[-1])

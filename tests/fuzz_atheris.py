"""The same inputs by coverage-guided fuzzing, where atheris is installed; no part of the suite.

    pip install atheris && cd tests && python fuzz_atheris.py grid -max_total_time=600

grid, archive, table or command; further arguments are libFuzzer's. A fault is an exception.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["benchmark", "estimators", "reports"]):
    from benchmark.grid import load_grid
    from estimators.datasets import load_images
    from estimators.errors import InputError
    from estimators.spec import parse_spec
    from reports.tables import TableError, read_results


def from_file(suffix: str, read: Callable[[Path], Any]) -> Callable[[bytes], None]:
    """Bytes as a file, read by `read`."""
    path = Path(tempfile.mkdtemp()) / f"fuzz{suffix}"

    def one(content: bytes) -> None:
        path.write_bytes(content)
        with contextlib.suppress(InputError, TableError):
            read(path)

    return one


def command(content: bytes) -> None:
    """A name with parameters, as the command line takes it."""
    with contextlib.suppress(InputError):
        parse_spec(content.decode("utf-8", "replace"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "grid": from_file(".yaml", lambda path: load_grid(path)),
    "archive": from_file(".npz", lambda path: load_images(f"npz:{path}", "test")),
    "table": from_file(".csv", read_results),
    "command": command,
}

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()

"""How long commands take to start: whole processes, each beside the import of torch."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.speed.timing import Measured, alternate

# commands that answer at once, by what the table calls them; RUN stands for a finished run
RUN = "RUN"
COMMANDS: dict[str, tuple[str, ...]] = {
    "bench --help": ("--help",),
    "bench list": ("list",),
    "bench compare": ("compare", RUN, RUN),
    "bench summary RUN": ("summary", RUN),
    "bench init": ("init", "--network", "lenet", "--dataset", "digits", "--force", "--out",
                   "made.yaml"),
    "the command of a finished run": ("run", "--grid", "quick", "--out", RUN),
}  # fmt: skip
BENCH = (sys.executable, "-c", "from benchmark.cli import main; main()")


def startup_lines(repeat: int) -> Iterator[Measured]:
    """Time each command against `import torch`, in processes of their own.

    The grid `quick` is run first, in a folder of its own.
    """
    with tempfile.TemporaryDirectory(prefix="art-bench-") as folder:
        made = str(Path(folder) / "run")
        _process([*BENCH, "run", "--grid", "quick", "--out", made], folder)
        for name, words in COMMANDS.items():
            command = [*BENCH, *(made if word == RUN else word for word in words)]
            torch = [sys.executable, "-c", "import torch"]
            pair = alternate(
                lambda c=command: _process(c, folder),  # type: ignore[misc]
                lambda c=torch: _process(c, folder),  # type: ignore[misc]
                repeat,
            )
            yield pair.line(f"{name}, whole process", "import torch", None, "")


def _process(command: Sequence[str], folder: str) -> int:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.returncode

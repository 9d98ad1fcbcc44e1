"""How long commands take to start: whole processes, each beside the import of torch."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
# commands that are timed until their first line of progress, in a terminal of their own
FIRST_LINES: dict[str, tuple[str, ...]] = {
    "bench run": ("run", "--network", "lenet", "--dataset", "digits", "--out", "first")
}
# what every line of progress begins with while a command is starting
STARTING = b"starting"
# commands that are refused, which takes no torch
REFUSED: dict[str, tuple[str, ...]] = {
    "bench run, a mistyped network": ("run", "--network", "lenett", "--out", "none")
}
MISTAKE = 2  # their exit code
IMPORT_TORCH = (sys.executable, "-c", "import torch")
BENCH = (sys.executable, "-c", "from benchmark.cli import main; main()")


def startup_lines(repeat: int) -> Iterator[Measured]:
    """Time each command against `import torch`, in processes of their own.

    Some are timed as a whole, some until their first line of progress (not on Windows).

    The grid `quick` is run first, in a folder of its own.
    """
    with tempfile.TemporaryDirectory(prefix="art-bench-") as folder:
        made = str(Path(folder) / "run")
        _process([*BENCH, "run", "--grid", "quick", "--out", made], folder)
        for name, words in COMMANDS.items():
            command = [*BENCH, *(made if word == RUN else word for word in words)]
            yield _line(f"{name}, whole process", partial(_process, command, folder), repeat)
        for name, words in REFUSED.items():
            refused = partial(_process, [*BENCH, *words], folder, MISTAKE)
            yield _line(f"{name}, refused", refused, repeat)
        if os.name == "posix":
            for name, words in FIRST_LINES.items():
                first = partial(first_line, [*BENCH, *words], folder)
                yield _line(f"{name}, first line of progress", first, repeat)


def _line(work: str, ours: Callable[[], object], repeat: int) -> Measured:
    """Time a start beside the import of torch."""
    with tempfile.TemporaryDirectory(prefix="art-bench-") as folder:
        pair = alternate(ours, partial(_process, IMPORT_TORCH, folder), repeat)
    return pair.line(work, "import torch", None, "")


def first_line(command: Sequence[str], folder: str) -> bytes:
    """Return what a command has printed to a terminal when it first says that it is starting.

    It is killed then. Raises RuntimeError where it ends before.
    """
    import pty  # not on Windows

    ours, its = pty.openpty()
    # a dumb terminal would get whole lines, the first of them later
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=folder, stdout=its, stderr=its, env=environment)
    os.close(its)
    printed = b""
    try:
        while STARTING not in printed:
            try:
                part = os.read(ours, 4096)
            except OSError:  # it closed its side: the end, on Linux
                part = b""
            if not part:
                text = printed.decode(errors="replace").strip()
                raise RuntimeError(f"{' '.join(command)}: no line of progress: {text}")
            printed += part
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return printed


def _process(command: Sequence[str], folder: str, expected: int = 0) -> int:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != expected:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.returncode

"""A server of real runs that are killed at chosen steps of their writing; a script for test_whole.

A step is one call that changes a run directory: a file opened for writing, a rename, an exchange,
a removal. Python's audit hook sees each of them before it happens; there the process gets SIGKILL.
Each run is a fork of this process, which has imported torch and does nothing with it itself.

    python placed_kills.py DIRECTORY PLACE...
    python placed_kills.py DIRECTORY --spread MOST

prints a JSON list, one record for each run that was killed. PLACE: a name of PLACES. MOST: how many
steps at most, evenly spread over a run on a system without an exchange of folders.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# imported for the children
import art.attacks.evasion
import matplotlib.figure  # noqa: F401
import numba  # noqa: F401

from benchmark.grids.model import Grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from reports.results.unfinished import is_unfinished

BASE = {"name": "placed", "samples": 12, "defences": ["none", "quantize"]}
OLD = {**BASE, "attacks": [{"name": "fgsm", "eps": [0, 0.3]}, {"name": "noise", "eps": [0.1, 0.2]}]}
NEW = {**BASE, "attacks": [{"name": "fgsm", "eps": [0, 0.2]}, {"name": "pgd", "eps": [0.1, 0.3]}]}
# what a run shows and exports; the store and the logs are its own
SETS = ("results.csv", "predictions.parquet", "audit.csv", "worst_case.csv", "report.html")
FOLDERS = ("plots", "gallery")
# how a step begins, and which of the steps that begin so: where the process dies
PLACES = {
    "the mark is set": ("os.rename run.unfinished", 0),
    "the table is new": ("os.rename predictions.parquet", 0),
    "inside the plots": ("open plots/", 2),
    "inside the gallery": ("open gallery/", 3),
    "before the page": ("open report.html", 0),
    "before the plots are exchanged": ("exchange", -2),
    "between plots and gallery": ("exchange", -1),
    "between gallery and page": ("os.rename report.html", -1),
    "before the mark goes": ("os.remove run.unfinished", 0),
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def watch(directory: Path, step: Callable[[str], object]) -> None:
    """Call `step` with each step of this process in a directory, before it happens."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "ctypes.dlopen" and args[0] is None:
            step("exchange")
            return
        if event == "open" and not (isinstance(args[2], int) and args[2] & _WRITING):
            return
        if event not in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"):
            return
        named = args[1] if event in ("os.rename", "os.link") else args[0]
        if not isinstance(named, str | bytes | os.PathLike):
            return
        parts = Path(os.fsdecode(named)).parts
        own = Path(os.fsdecode(named)).is_relative_to(directory)
        if own and "store" not in parts[-1]:
            inside = [p for p in parts[len(directory.parts) :] if not p.startswith(".art-bench-")]
            folder = "/" if inside and inside[-1] in FOLDERS else ""
            step(f"{event} {'/'.join(inside)}{folder}")

    sys.addaudithook(hook)


def start(directory: Path, grid: dict[str, Any], step: Callable[[str], object], bare: bool) -> int:
    """Run a grid in a process of its own; return how it ended. bare: without an exchange."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = 1
    try:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        if bare:
            honest = ctypes.CDLL

            def missing(name: Any, *args: Any, **kwargs: Any) -> Any:
                step("exchange") if name is None else None
                if name is None:
                    raise OSError
                return honest(name, *args, **kwargs)

            ctypes.CDLL = missing  # type: ignore[assignment, misc]
        watch(directory, step)
        run(Grid(**grid), RunOptions(out=directory, threads=1, replace=True))
        code = 0
    finally:
        os._exit(code)


def files(directory: Path) -> dict[str, bytes]:
    """Everything that a run shows and exports, by name."""
    found = [directory / name for name in SETS if (directory / name).is_file()]
    found += [p for name in FOLDERS for p in (directory / name).rglob("*") if p.is_file()]
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in found}


def chosen(steps: list[str], places: list[str], most: int) -> dict[str, int]:
    """The numbers of the steps at which runs are killed, by what they are called."""
    if most:
        every = -(-len(steps) // most)
        return {f"{n} {steps[n]}": n for n in range(0, len(steps), every)}
    found = {}
    for name in places:
        part, which = PLACES[name]
        found[name] = [n for n, step in enumerate(steps) if step.startswith(part)][which]
    return found


def differing(directory: Path, expected: dict[str, bytes]) -> list[str]:
    """Names of files that are missing, too many, or have other bytes."""
    now = files(directory)
    return sorted(n for n in {*now, *expected} if now.get(n) != expected.get(n))


def main(root: Path, places: list[str], most: int) -> list[dict[str, Any]]:
    bare = bool(most)
    template, log = root / "template", root / "steps"

    def count(step: str) -> None:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, step.encode() + b"\n")
        os.close(handle)

    def nothing(step: str) -> None:
        return None

    # a store with the cells of both grids; then only files are written
    for grid in (NEW, OLD):
        assert start(template, grid, nothing, False) == 0
    old = files(template)
    # every run is in a directory of the same name: pages have it as a title
    work = root / "work" / "run"

    def again() -> None:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(template, work)

    again()
    assert start(work, NEW, count, bare) == 0
    steps, new = log.read_text().splitlines(), files(work)
    records = []
    for name, place in chosen(steps, places, most).items():
        again()
        left = [place]

        def die(step: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        status = start(work, NEW, die, bare)
        record: dict[str, Any] = {"place": name, "killed": os.WIFSIGNALED(status)}
        record["unfinished"] = is_unfinished(work)
        record["not_old"], record["not_new"] = differing(work, old), differing(work, new)
        record["second"] = start(work, NEW, nothing, bare)
        record["differ"] = differing(work, new)
        record["left"] = [p.name for p in work.rglob("*") if p.name.startswith(".art-bench-")]
        record["unfinished_after"] = is_unfinished(work)
        records.append(record)
    return records


if __name__ == "__main__":
    assert art.attacks.evasion
    spread = sys.argv[2] == "--spread"
    named, number = ([], int(sys.argv[3])) if spread else (sys.argv[2:], 0)
    print(json.dumps(main(Path(sys.argv[1]).resolve(), named, number)))

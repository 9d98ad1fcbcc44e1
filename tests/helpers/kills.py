"""A server of real runs that are killed at random moments; a script, started by test_kills.py.

Importing torch and ART takes seconds, a small run less: so this process imports them once, and
each run is a fork of it. It does nothing with them itself, so that there are no threads yet.

All kills of a run but the last come some parts after it began to compute, as it tells them: how
far it has got by a time depends on what else the machine does.

    python kills.py DIRECTORY KILLS SEED

prints a JSON object: how many runs were killed in each phase, the directories, how many stored
cells were there to be computed again, and how many lost their rowid or seconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

# imported for the children
import art.attacks.evasion
import numba  # noqa: F401

from benchmark.execution.progress import Progress
from benchmark.grids.model import Grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.jpeg_codec import numba_kernel as jpeg_compiled  # noqa: F401

GRID = {
    "name": "kills",
    "defences": ["none", "quantize", {"name": "jpeg", "quality": [50, 10]}],
    "samples": 12,
    "attacks": [
        {"name": "fgsm", "eps": [0, 0.1]},
        {"name": "noise", "eps": [0.1, 0.2]},
        {"name": "pgd", "eps": [0.1, 0.2], "max_iter": [2, 3, 5]},
    ],
}
# a directory is given this many kills, then it may finish
KILLS_A_RUN = 6
# what a run tells when it has computed a part of its cells
ADVANCED = b"advanced"


def start(directory: Path) -> tuple[int, int]:
    """A run in a process of its own; a pipe tells the phase that it has reached."""
    told, tells = os.pipe()
    child = os.fork()
    if child:
        os.close(tells)
        return child, told
    os.close(told)
    code = 1
    try:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        progress = Progress(
            started=lambda *_: os.write(tells, b"computing\n") and None,
            advanced=lambda *_: os.write(tells, ADVANCED + b"\n") and None,
            message=lambda text: os.write(tells, text.encode() + b"\n") and None,
            finishing=lambda text: os.write(tells, text.encode() + b"\n") and None,
        )
        run(Grid(**GRID), RunOptions(out=directory, threads=2, progress=progress))  # type: ignore[arg-type]
        os.write(tells, b"done\n")
        code = 0
    finally:
        os._exit(code)


def phase_of(told: int, text: bytes = b"") -> str:
    """The last line that a run has written, but for those of its advance."""
    while part := os.read(told, 65536):
        text += part
    os.close(told)
    lines = [line for line in text.splitlines() if line != ADVANCED]
    return (lines or [b"starting"])[-1].decode()


def stored(directory: Path) -> dict[str, tuple[int, float]]:
    """Rowid and seconds of each stored cell: both change where a cell is computed again."""
    path = directory / "store.sqlite"
    if not path.is_file():
        return {}
    with closing(sqlite3.connect(path)) as db:
        tables = db.execute("SELECT name FROM sqlite_master").fetchall()
        if ("cells",) not in tables:
            return {}
        return {k: (r, s) for k, r, s in db.execute("SELECT key, rowid, seconds FROM cells")}


def killed(directory: Path, delay: float, after: bytes, times: int = 1) -> str | None:
    """Start a run and kill it some seconds after it told a word so many times.

    None where it had ended by then.
    """
    child, told = start(directory)
    text = b""
    while text.count(after) < times and (part := os.read(told, 65536)):
        text += part
    deadline = time.monotonic() + delay
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    phase = phase_of(told, text)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, f"a run ended with {status} after: {phase}"
        return None
    return phase


def whole(directory: Path) -> tuple[float, float, int]:
    """A run that nobody kills: its seconds, those that it computed cells, and in how many parts."""
    begin = time.monotonic()
    child, told = start(directory)
    text, marks = b"", {b"computing": begin, b"drawing": begin}
    while part := os.read(told, 65536):
        text += part
        marks.update({word: time.monotonic() for word in marks if word in part})
    _, status = os.waitpid(child, 0)
    assert status == 0, f"a run ended with {status} after: {phase_of(told, text)}"
    os.close(told)
    computing = marks[b"drawing"] - marks[b"computing"]
    return time.monotonic() - begin, computing, text.count(ADVANCED)


def main(root: Path, kills: int, seed: int) -> dict[str, Any]:
    whole(root / "warm")  # compiles and caches; the next one is timed
    usual, computing, advances = whole(root / "uninterrupted")
    a_part = computing / advances
    chance = random.Random(seed)
    phases: Counter[str] = Counter()
    kept, runs, recomputed = 0, [], 0
    while sum(phases.values()) < kills:
        directory = root / f"run-{len(runs)}"
        runs.append(directory.name)
        before: dict[str, tuple[int, float]] = {}
        for number in range(KILLS_A_RUN):
            if sum(phases.values()) == kills:
                break
            if number == KILLS_A_RUN - 1:  # at any moment, mostly after the last cell
                phase = killed(directory, chance.uniform(0.0, usual), b"")
            elif parts := chance.randint(0, advances // 8):
                phase = killed(directory, chance.uniform(0.0, a_part), ADVANCED, parts)
            else:
                phase = killed(directory, chance.uniform(0.0, a_part), b"computing")
            if phase is not None:
                phases[phase] += 1
            now = stored(directory)
            recomputed += sum(now.get(key) != value for key, value in before.items())
            kept += len(before)
            before = now
        whole(directory)
        now = stored(directory)
        recomputed += sum(now.get(key) != value for key, value in before.items())
    return {"phases": phases, "kept": kept, "recomputed": recomputed, "runs": runs}


if __name__ == "__main__":
    assert art.attacks.evasion
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))

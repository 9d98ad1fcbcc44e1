"""Trial of every file that the commands write: no room for exactly this file.

    python tests/tools/file_trial.py [--every] [NAME ...]

Each command first runs undisturbed, and its files are listed in the order in which they are
written. It is then repeated from the same start for each kind of file (with --every, for each
file): half of the bytes of that file fit, every further write to it fails with "no space left".
The command must end with code 2 and one line, or as if nothing had happened. No file under its
final name may be cut off: it is the old one, the new one, or absent. The same command without the
limit must then end as the undisturbed one did, byte for byte. Needs gcc and Linux.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import faulty

SHIM = faulty.restarted()

from click.testing import CliRunner  # noqa: E402
from file_cases import CASES, START, Case, prepare  # noqa: E402

from benchmark.cli import main as bench  # noqa: E402

TEMPORARY = ".art-bench-"
# SQLite's own side files, and the lock of a run
SIDE = re.compile(r"-(wal|shm|journal)$|run\.lock(\.json)?$")
# of these a folder holds many that are written by the same function
MANY = (".png", ".npz", ".npy", ".gif")
Files = dict[str, bytes]


@dataclass(frozen=True)
class Sound:
    """What an undisturbed command left.

    code: its exit code. before, after: the files by name. varying: names of those with times or
    durations in them, which differ from run to run. written: each written file, its final name and
    its bytes, in order.
    """

    code: int
    before: Files
    after: Files
    varying: set[str]
    written: list[tuple[str, int]]


def run(case: Case) -> tuple[int, str]:
    """Run a command; give the exit code and what was printed, a traceback's name included."""
    result = CliRunner().invoke(bench, list(case.args))
    raised = result.exception
    if raised is not None and not isinstance(raised, SystemExit):
        return -1, f"Traceback: {raised!r}"
    return result.exit_code, result.output


def files(place: Path) -> Files:
    """Return the files below a folder that have their final names."""
    found = {p.relative_to(place).as_posix(): p for p in place.rglob("*") if p.is_file()}
    return {
        name: path.read_bytes()
        for name, path in sorted(found.items())
        if not SIDE.search(name) and TEMPORARY not in name
    }


def begin(case: Case, work: Path) -> Path:
    """Lay out the folder that a case begins with, always at the same place."""
    os.chdir(work)
    place = work / "at"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(work / "starts" / (case.start or START), place)
    os.chdir(place)
    return place


def undisturbed(case: Case, work: Path) -> Sound:
    """Run a case twice without a fault."""
    place = begin(case, work)
    before = files(place)
    record = work / "record"
    record.mkdir(exist_ok=True)
    SHIM.faulty_record(str(record).encode())
    SHIM.faulty_file(-1, 0)
    code, told = run(case)
    written = faulty.written(SHIM)
    SHIM.faulty_record(None)
    assert code == case.code, f"{case.name}: exit code {code}: {told[-1000:]}"
    names = faulty.final_names([name for name, _ in written], faulty.events(record))
    after = files(place)
    shutil.rmtree(record)
    begin(case, work)
    SHIM.faulty_file(-1, 0)
    run(case)
    again = files(place)
    varying = {name for name in after if again.get(name) != after[name]}
    places = [Path(name).relative_to(place).as_posix() for name in names]
    sizes = [size for _, size in written]
    return Sound(code, before, after, varying, list(zip(places, sizes, strict=True)))


def chosen(sound: Sound, every: bool) -> list[int]:
    """Return the numbers of the written files that are tried: the first of each kind, or all."""
    kinds: dict[object, int] = {}
    for number, (name, size) in enumerate(sound.written):
        path = Path(name)
        many = path.suffix in MANY and not every
        if size:
            kinds.setdefault((path.parent, path.suffix) if many else name, number)
    return list(kinds.values())


def cut(place: Path, sound: Sound) -> list[str]:
    """Return the files that are neither as before nor as they should be."""
    wrong = []
    for name, content in files(place).items():
        known = [known[name] for known in (sound.before, sound.after) if name in known]
        # of a file with times in it, every known one is about as long
        short = name in sound.varying and len(content) < 0.8 * min(map(len, known))
        if name.endswith(("store.sqlite", "run.unfinished")):
            continue  # transactions, and a mark; the repeated command shows what they are worth
        if name.endswith("failures.log"):
            if not content.endswith(b"\n"):
                wrong.append(name)
            continue  # entries come one after the other, and in any order
        if not known or short or (name not in sound.varying and content not in known):
            wrong.append(name)
    return wrong


def tried(case: Case, work: Path, every: bool) -> list[str]:
    """Run a case for each of its files; return the faults."""
    sound = undisturbed(case, work)
    faults: list[str] = []
    codes: Counter[int] = Counter()
    numbers = chosen(sound, every)
    for number in numbers:
        name, size = sound.written[number]
        where = f"{case.name}, no room for {name}"
        place = begin(case, work)
        SHIM.faulty_file(number, size // 2)
        code, told = run(case)
        # from here on every file has room
        SHIM.faulty_file(-1, 0)
        codes[code] += 1
        errors = [line for line in told.splitlines() if line.startswith("Error: ")]
        refused = code == 2 and len(errors) == 1 and "Traceback" not in told
        if not refused:
            whole = code == sound.code and set(files(place)) >= set(sound.after)
            if not whole or not name.endswith(case.needless):
                faults.append(f"{where}: exit code {code}: {told.strip()[-300:]}")
        faults += [f"{where}: {wrong} is cut off" for wrong in cut(place, sound)]
        code, told = run(case)
        if code != sound.code:
            faults.append(f"{where}: exit code {code} when repeated: {told.strip()[-300:]}")
            continue
        now = files(place)
        for other in sorted({*now, *sound.after}):
            differs = now.get(other) != sound.after.get(other)
            both = other in now and other in sound.after
            varies = other in sound.varying or other.endswith("failures.log")
            if differs and not (both and varies):
                faults.append(f"{where}: {other} differs, is missing or left behind")
        left = [p.relative_to(place) for p in place.rglob(f"*{TEMPORARY}*")]
        faults += [f"{where}: {name} is left behind" for name in left]
    print(
        f"{case.name}: {len(sound.written)} files, {len(numbers)} tried, exit codes {dict(codes)}"
    )
    return faults


def main() -> int:
    """Run the cases that are named, or all; print each fault on a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(case.name for case in CASES))
    parser.add_argument("--every", action="store_true", help="each file, not each kind")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="files")).resolve()
    os.environ["BENCH_CACHE_DIR"] = str(work / "at" / "cache")
    os.environ["BENCH_WORKERS"] = "1"
    sys.path.insert(0, str(work / "at"))
    wanted = [case for case in CASES if case.name in (options.names or [c.name for c in CASES])]
    prepare(work, run, {case.start for case in wanted})
    SHIM.faulty_root(str(work / "at").encode())
    faults: list[str] = []
    for case in wanted:
        start = time.process_time()
        faults += tried(case, work, options.every)
        print(f"{case.name}: {time.process_time() - start:.0f} s of CPU time", flush=True)
    print(*faults, f"{len(faults)} faults", sep="\n")
    os.chdir("/")
    shutil.rmtree(work)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

"""Trials of a run directory: a full disk, power loss, clocks that jump.

    python tests/tools/disk_trial.py [--most 60] [full power clock]

full: a small run is repeated; each time the disk is full from the n-th write on. power: a small
run, and one over it with another title, are recorded; for each sync, rename and removal, the
directory is laid out as a power cut after it would leave it, without anything that was not synced.
clock: the wall clock is decades off, forwards and backwards, within and between runs. After each,
the same command must end as the undisturbed run did, byte for byte. Needs gcc and Linux.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import faulty

SHIM = faulty.restarted()

from click.testing import CliRunner  # noqa: E402

from benchmark.cli import main as bench  # noqa: E402
from benchmark.runs.store import Store  # noqa: E402

GRID = """
samples: 6
threats: [oblivious]
defences: [none, quantize]
attacks: [{name: fgsm, eps: [0, 0.1]}, {name: noise, eps: 0.1}]
"""
CELLS = 6
# another title: every file but the store is written again
AGAIN = ("--title", "another")
EXPORTS = ("results.csv", "predictions.parquet", "audit.csv", "worst_case.csv", "per_class.csv")
YEARS = 365 * 24 * 3600
Faults = list[str]


def run(out: Path, *options: str) -> tuple[int, str]:
    """Run the grid; give the exit code and what was printed, a traceback's name included."""
    args = ["run", "--grid", str(out.parent / "small.yaml"), "--out", str(out), "--threads", "1"]
    result = CliRunner().invoke(bench, [*args, *options])
    raised = result.exception
    if raised is not None and not isinstance(raised, SystemExit):
        return -1, f"Traceback: {raised!r}"
    return result.exit_code, result.output


def exports(out: Path) -> dict[str, bytes]:
    """Return what must not differ: the tables, the title of the page, of other files the name."""
    other = [p for p in out.rglob("*") if p.is_file() and "run.lock" not in p.name]
    names = {str(path.relative_to(out)): b"" for path in other}
    page = (out / "report.html").read_bytes()
    names["report.html"] = page[page.find(b"<title>") : page.find(b"</title>")]
    return {**names, **{name: (out / name).read_bytes() for name in EXPORTS}}


def empty(out: Path, case: str) -> Faults:
    """Return the empty files of a run directory; its lock file is one."""
    files = [path for path in out.rglob("*") if path.is_file() and not path.stat().st_size]
    names = [str(path.relative_to(out)) for path in files if path.name != "run.lock"]
    return [f"{case}: {name} is empty" for name in sorted(names)]


def repaired(out: Path, sound: dict[str, bytes], case: str, *options: str) -> Faults:
    """Repeat the command, and compare."""
    code, told = run(out, *options)
    if code == 2 and "damaged" in told:
        return [f"{case}: store lost: {told.splitlines()[-1]}"]
    if code != 0:
        return [f"{case}: exit code {code} when repeated: {told.strip()[-300:]}"]
    now = exports(out)
    names = [name for name in {**now, **sound} if now.get(name) != sound.get(name)]
    faults = [f"{case}: {name} differs, is missing or left behind" for name in sorted(names)]
    return faults + empty(out, f"{case}, repeated")


def full(work: Path, sound: dict[str, bytes], most: int) -> Faults:
    """The disk is full from the n-th write on."""
    faults, codes = [], Counter[int]()
    SHIM.faulty_full(-1)
    before = SHIM.faulty_writes()
    run(work / "counted")
    total = SHIM.faulty_writes() - before
    for n in faulty.spread(total, most):
        out = work / "full"
        shutil.rmtree(out, ignore_errors=True)
        SHIM.faulty_full(n)
        code, told = run(out)
        SHIM.faulty_full(-1)
        codes[code] += 1
        errors = [line for line in told.splitlines() if line.startswith("Error: ")]
        # nothing but the last write may fail without a consequence
        whole = code == 0 and (out / "report.html").is_file() and exports(out) == sound
        if not whole and (code != 2 or len(errors) != 1 or "Traceback" in told):
            faults.append(f"full at write {n}: exit code {code}: {told.strip()[-300:]}")
        faults += repaired(out, sound, f"full at write {n}")
    print(f"full: {total} writes, {sum(codes.values())} tried, exit codes {dict(codes)}")
    return faults


def power(work: Path, sound: dict[str, bytes], most: int) -> Faults:
    """The power fails during a first run, and during one that writes all files of it again."""
    out, old = work / "power", work / "old"
    faults = _power(out, None, sound, most)
    shutil.rmtree(out)
    run(out)
    shutil.copytree(out, old)
    run(out, *AGAIN)
    again = exports(out)
    shutil.rmtree(out)
    shutil.copytree(old, out)
    return faults + _power(out, old, again, most, *AGAIN)


def _power(
    out: Path, old: Path | None, sound: dict[str, bytes], most: int, *options: str
) -> Faults:
    """The power fails after the n-th thing that reached the disk, or one rename is lost."""
    record = out.parent / f"record{len(options)}"
    record.mkdir()
    SHIM.faulty_record(str(record).encode())
    run(out, *options)
    SHIM.faulty_record(None)
    happened = faulty.events(record)
    cuts = [(f"cut after event {n}", happened[:n]) for n in faulty.spread(len(happened), most)]
    renames = [e for e in happened if e.kind == "rename"]
    for lost in [renames[n - 1] for n in faulty.spread(len(renames), most)]:
        rest = [event for event in happened if event is not lost]
        cuts.append((f"rename of {Path(lost.target).name} lost", rest))
    faults, stored = [], 0
    for case, events in cuts:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        faulty.after_power_cut(record, events, out, out, old)
        if (out / "store.sqlite").exists():
            store = Store(out)
            now = len(store.keys())
            store.close()
            if now < stored and case.startswith("cut"):
                faults.append(f"{case}: {now} cells, {stored} before")
            stored = max(stored, now)
        faults += repaired(out, sound, case, *options)
    # a cut after the last event: what a finished run shows without another run
    shutil.rmtree(out)
    out.mkdir()
    faulty.after_power_cut(record, happened, out, out, old)
    faults += empty(out, "cut after the run")
    faults += [
        f"cut after the run: {name} is not on the disk"
        for name in sorted({*sound} - {str(p.relative_to(out)) for p in out.rglob("*")})
    ]
    kinds = Counter(event.kind for event in happened)
    what = "again" if old else "first run"
    print(
        f"power, {what}: {dict(kinds)}, {len(cuts)} tried, at most {stored} of {CELLS} cells stored"
    )
    return faults


def clock(work: Path, sound: dict[str, bytes], most: int) -> Faults:
    """The clock is off, changes between two runs, and changes while a run is going on."""
    faults = []
    offsets = [0, 30 * YEARS, -50 * YEARS, 1, -1, 80 * YEARS, -56 * YEARS]
    honest = Store.put

    def put(self: Store, cells: object) -> None:
        SHIM.faulty_clock(offsets[int(time.monotonic() * 1e6) % len(offsets)])
        honest(self, cells)  # type: ignore[arg-type]

    for n in range(min(most, 3 * len(offsets))):
        out = work / "clock"
        if n % 3 == 0:
            shutil.rmtree(out, ignore_errors=True)
        Store.put = put if n % 3 == 0 else honest  # type: ignore[method-assign]
        SHIM.faulty_clock(offsets[n % len(offsets)])
        faults += repaired(out, sound, f"clock {n}")
        SHIM.faulty_clock(0)
    Store.put = honest  # type: ignore[method-assign]
    print(f"clock: {min(most, 3 * len(offsets))} runs")
    return faults


TRIALS = {"full": full, "power": power, "clock": clock}


def main() -> int:
    """Run the trials that are named, or all; print each fault on a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", nargs="*", help="full, power, clock; all by default")
    parser.add_argument("--most", type=int, default=60, help="cases of each")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="trial")).resolve()
    (work / "small.yaml").write_text(GRID, encoding="utf-8")
    SHIM.faulty_root(str(work).encode())
    run(work / "sound")
    sound = exports(work / "sound")
    faults = []
    for name in options.trials or TRIALS:
        start = time.process_time()
        faults += TRIALS[name](work, sound, options.most)
        print(f"{name}: {time.process_time() - start:.0f} s of CPU time", flush=True)
    print(*faults, f"{len(faults)} faults", sep="\n")
    shutil.rmtree(work)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

"""Trial of a cluster: workers are killed one after another, then its scheduler; the run goes on.

    python tests/tools/cluster_trial.py [--kills 10]

A run of a small grid joins a scheduler with two workers. Whenever cells were stored, the worker
that has run longest is killed and another one is started. Then the scheduler is killed: the run
must end with code 5 and one line. The same command with threads of this machine must finish the
run, and reuse what was stored, with the bytes of an undisturbed run. A worker needs some seconds to
start, so that ten kills take two to three minutes on two busy cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark.grids.model import load_grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from benchmark.runs.store import Store

# each is a task of its own: enough for ten kills, two of them between two starts of workers
STEPS = [10 + n for n in range(40)]
GRID = f"""
samples: 130
defences: [none]
attacks: [{{name: pgd, eps: 0.1, max_iter: {STEPS}}}]
"""
EXPORTS = ("results.csv", "predictions.parquet")
Process = subprocess.Popen[bytes]


def started(*module: str) -> Process:
    """Start a module of distributed."""
    command = [sys.executable, "-m", *module]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stored(directory: Path) -> int:
    """Return the number of stored cells."""
    if not (directory / "store.sqlite").exists():
        return 0
    store = Store(directory)
    count = len(store.keys())
    store.close()
    return count


def main() -> int:
    """Run the trial; return 1 after a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    kills = parser.parse_args().kills
    work = Path(tempfile.mkdtemp(prefix="cluster"))
    (work / "g.yaml").write_text(GRID, encoding="utf-8")
    grid = load_grid(work / "g.yaml")
    total = len(run(grid, RunOptions(out=work / "sound", threads=1)).table)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address, quiet = f"tcp://127.0.0.1:{port}", ["--no-dashboard"]
    scheduler = started(
        *("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, *quiet),
        *("--dashboard-address", ":0"),
    )
    worker = ["distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1", *quiet]
    workers = [started(*worker) for _ in range(2)]
    out, printed = work / "r", work / "printed"
    time.sleep(3)
    code = "from benchmark.cli import main; main(prog_name='bench')"
    command = ["run", "--grid", str(work / "g.yaml"), "--out", str(out), "--scheduler", address]
    with printed.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *command],
            stdout=file,
            stderr=file,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    killed = seen = 0
    begin = time.monotonic()
    try:
        while process.poll() is None and killed < kills:
            now = stored(out)
            if now > seen:
                seen = now
                workers.append(started(*worker))
                workers.pop(0).kill()
                killed += 1
                print(f"worker {killed} killed, {now} of {total} cells stored", flush=True)
            time.sleep(0.05)
        while process.poll() is None and stored(out) == seen:
            time.sleep(0.05)
        scheduler.kill()
        ended = process.wait(timeout=300)
    finally:
        for each in (scheduler, process, *workers):
            each.kill()
            each.wait()
    seconds = time.monotonic() - begin
    told = printed.read_text(encoding="utf-8")
    kept = stored(out)
    faults = []
    if ended != 5 or "Traceback" in told or "the same command continues" not in told:
        faults.append(f"exit code {ended}: {told[-500:]}")
    if killed < kills:
        faults.append(f"only {killed} workers were killed before the run ended")
    again = run(grid, RunOptions(out=out, threads=1))
    if again.reused != kept:
        faults.append(f"{again.reused} of {kept} stored cells reused")
    for name in EXPORTS:
        if (out / name).read_bytes() != (work / "sound" / name).read_bytes():
            faults.append(f"{name} differs")
    print(
        f"{killed} workers killed, then the scheduler: exit code {ended}, {kept} of {total} stored,"
        f" {seconds:.0f} s"
    )
    print(*faults, f"{len(faults)} faults", sep="\n")
    shutil.rmtree(work)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())

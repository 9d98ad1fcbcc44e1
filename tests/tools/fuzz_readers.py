"""Thousands of damaged files through every reader of files: read, or refused by one line.

    python tests/tools/fuzz_readers.py [--inputs 20000] [--seed 0] [--only store] [--keep FOLDER]

Each input is a good file with some bits, bytes, numbers or blocks changed; all go through one
process. A fault is any other exception than the refusal, 10 seconds of CPU time, 2 GB of
additional memory (also where the refusal hides that), or a refusal of more than one line. An input
that blocks the process for a minute ends it with a traceback. Each kind of fault is printed once,
with its count; `--keep` writes the first input of each into a folder.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

from benchmark.grids.model import SHIPPED, load_grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from benchmark.runs.store import Store
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.spec import Spec
from estimators.training.checkpoints import load_checkpoint, shipped_file
from reports.errors import TableError
from reports.results.manifest import read_manifest
from reports.results.predictions import read_predictions
from reports.results.read_write import read_results
from reports.style.labels import read_labels

SECONDS, BYTES = 10, 2 << 30
GRID = {
    "samples": 6,
    "threats": ["oblivious"],
    "defences": ["none", "quantize"],
    "attacks": [{"name": "fgsm", "eps": [0, 0.1]}, {"name": "noise", "eps": 0.1}],
}
ODD = [b"0", b"-1", b"99999999999999999999", b"1e999", b"nan", b"null", b"[]", b"{}", b'"', b"\0"]
ODD += [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff" * 8, b"[" * 3000, b"!!python/x:y", b"*a"]


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    good: files to begin with. name: of the file within the working folder. read: reads that folder.
    beside: further files of the folder.
    """

    good: list[bytes]
    name: str
    read: Callable[[Path], object]
    beside: dict[str, bytes]


class Slow(BaseException):
    """An input took longer than it may; no reader's `except Exception` stops it."""


def readers(work: Path) -> dict[str, Reader]:
    """Return every reader by name; the files to begin with come from a small run."""
    done = work / "run"
    run(load_grid(GRID), RunOptions(out=done, threads=1))
    archive, picture = work / "good.npz", work / "good.png"
    images, labels = np.zeros((4, 8, 8), np.uint8), np.arange(4) % 2
    np.savez(archive, x_test=images, y_test=labels, x_train=images, y_train=labels)
    noise = np.random.RandomState(0).randint(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    Image.fromarray(noise).save(work / "good.jpg")
    table, manifest = (done / "results.csv").read_bytes(), (done / "manifest.json").read_bytes()
    pictures = [picture.read_bytes(), (work / "good.jpg").read_bytes()]
    store = (done / "store.sqlite").read_bytes()
    sound = read_store(done)
    checkpoint = shipped_file("digits", Spec("lenet")).read_bytes()
    predictions = (done / "predictions.parquet").read_bytes()

    def images_of(folder: Path) -> object:
        found = load_images(f"imagefolder:{folder / 'pictures'}[resize=8,crop=8]", "test")
        # images are read from disk where they are taken
        return found.pixels[np.arange(len(found))]

    grids = [path.read_bytes() for path in sorted(SHIPPED.glob("*.yaml"))]
    return {
        "grid": Reader(grids, "g.yaml", lambda f: load_grid(f / "g.yaml").cells(), {}),
        "npz": Reader(
            [archive.read_bytes()], "x.npz", lambda f: load_images(f"npz:{f / 'x.npz'}", "test"), {}
        ),
        "imagefolder": Reader(
            pictures, "pictures/a/x.png", images_of, {"pictures/b/y.png": pictures[0]}
        ),
        "checkpoint": Reader(
            [checkpoint], "n.safetensors", lambda f: load_checkpoint(f / "n.safetensors"), {}
        ),
        # without a manifest: with one, the hash alone refuses every change
        "table": Reader([table], "results.csv", read_results, {}),
        "manifest": Reader([manifest], "manifest.json", read_all, {"results.csv": table}),
        "store": Reader([store], "store.sqlite", lambda f: same(read_store(f), sound), {}),
        "parquet": Reader(
            [predictions], "predictions.parquet", read_predictions, {"results.csv": table}
        ),
    }


def read_all(folder: Path) -> object:
    """Read what depends on the manifest."""
    return read_manifest(folder), read_labels(folder), read_results(folder)


def read_store(folder: Path) -> dict[str, str]:
    """Read every cell of the store: what is in it, by key."""
    store = Store(folder)
    try:
        list(store.notes())
        keys = sorted(store.keys())
        store.types(keys)
        store.rows()
        seconds = store.seconds()
        cells = [store.get(key) for key in keys]
        tables = [None if c.predictions is None else c.predictions.to_csv() for c in cells]
        pairs = zip(cells, tables, strict=True)
        return {c.key: repr((c.row, seconds[c.key], c.seconds, table)) for c, table in pairs}
    finally:
        store.close()


def same(cells: dict[str, str], sound: dict[str, str]) -> None:
    """Fail where a cell is read as another than was stored; a lost one is computed again."""
    wrong = [key for key, cell in cells.items() if cell != sound.get(key)]
    assert not wrong, "a cell is read with changed values"


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Change a file in one to four places; one in two near its beginning or end."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        size = max(1, len(changed))
        near = chance.choice([size, size, min(size, 400), -min(size, 400)])
        place = chance.randrange(near) if near > 0 else size - 1 - chance.randrange(-near)
        length = chance.choice([1, 2, 4, 8, 30, 500])
        how = chance.randrange(7)
        if how == 0 and changed:
            changed[place] ^= 1 << chance.randrange(8)
        elif how == 1 and changed:
            changed[place] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
        elif how == 2:
            del changed[place : place + length]
        elif how == 3:
            changed[place:place] = changed[place : place + length] * chance.choice([1, 1, 20])
        elif how == 4:
            odd = chance.choice(ODD)
            changed[place : place + chance.choice([0, len(odd)])] = odd
        elif how == 5:
            numbers = list(re.finditer(rb"\d+", changed[place : place + 300]))
            if numbers:
                start, end = chance.choice(numbers).span()
                changed[place + start : place + end] = chance.choice(ODD)
        elif chance.random() < 0.3:
            del changed[place:]
    return bytes(changed)


def one(reader: Reader, folder: Path, content: bytes) -> str:
    """Read one input; return "" when it was read, "refused", or the fault."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in {**reader.beside, reader.name: content}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    # a loop in C that no signal of Python interrupts
    faulthandler.dump_traceback_later(60 * SECONDS, exit=True)
    try:
        reader.read(folder)
    except (InputError, TableError) as error:
        if _was_memory(error):
            return f"asked for more than {BYTES >> 30} GB: {str(error)[:100]}"
        return "refused" if len(str(error).splitlines()) == 1 else f"lines: {str(error)[:200]!r}"
    except Slow:
        return f"longer than {SECONDS} s"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        own = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f[0]]
        place = f"{Path(own[-1].filename).name}:{own[-1].name}"
        return f"{type(error).__name__} in {place}: {str(error)[:100]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
    return ""


def _was_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is a lack of memory."""
    while error is not None:
        if isinstance(error, MemoryError) or re.search("alloc|memory", str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _stop(*_: object) -> None:
    raise Slow


def _bound_memory() -> None:
    """Let this process grow by 2 GB and no more; what asks for more has a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main(arguments: list[str] | None = None) -> int:
    """Fuzz the readers; return 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="over all readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one reader")
    parser.add_argument("--keep", type=Path, help="a folder for the first input of each fault")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, _stop)
    quick = Path("/dev/shm")
    work = Path(tempfile.mkdtemp(prefix="readers", dir=quick if quick.is_dir() else None))
    faults = 0
    every = readers(work)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    _bound_memory()
    chosen = {options.only: every[options.only]} if options.only else every
    for name, reader in chosen.items():
        chance = random.Random(f"{name} {options.seed}")
        found: Counter[str] = Counter()
        start, slowest = time.process_time(), 0.0
        assert not any(one(reader, work / "in", good) for good in reader.good), name
        count = options.inputs // len(chosen)
        for _ in range(count):
            content = damaged(chance.choice(reader.good), chance)
            began = time.process_time()
            verdict = one(reader, work / "in", content)
            slowest = max(slowest, time.process_time() - began)
            # numbers and names within a message differ from input to input
            verdict = re.sub(r"0x[0-9a-f]+|\d+|/\S+", "N", verdict)
            if options.keep and verdict not in ("", "refused") and verdict not in found:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{name}-{len(found)}").write_bytes(content)
            found[verdict] += 1
        read, refused = found.pop("", 0), found.pop("refused", 0)
        faults += sum(found.values())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(
            f"{name}: {count} inputs, {read} read, {refused} refused, {sum(found.values())} faults;"
            f" {time.process_time() - start:.0f} s of CPU time, slowest {slowest:.2f} s,"
            f" at most {memory} MiB",
            flush=True,
        )
        for verdict, times in found.most_common():
            print(f"    {times} x {verdict}", flush=True)
    resource.setrlimit(resource.RLIMIT_AS, limits)
    shutil.rmtree(work)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())

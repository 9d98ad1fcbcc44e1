"""Records of the store that were damaged or changed are set aside, whatever they hold."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.runs.packed import pack, unpack
from benchmark.runs.records import database, lengths
from benchmark.runs.records.check import LONGEST_ROW
from benchmark.runs.store import FILE, Store, Stored
from estimators.errors import InputError

N = 40


def cell(number: int) -> Stored:
    ids = np.arange(N, dtype=np.int32)
    label = (ids % 10).astype(np.int16)
    clean = np.where(ids < 36, label, (label + 1) % 10).astype(np.int16)
    attacked = np.where(ids < 10 + number, label, (label + 2) % 10).astype(np.int16)
    columns = {"id": ids, "label": label, "clean": clean, "adversarial": attacked}
    right = 10 + number
    row = {"status": "ok", "n": N, "clean_correct": 36, "correct": right, "eps": None}
    row |= {"clean_accuracy": 36 / N, "accuracy": right / N, "reason": ""}
    return Stored(f"{number:016x}", row, 0.5 + number, pd.DataFrame(columns))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    store = Store(tmp_path)
    store.put(cell(n) for n in range(12))
    store.close()
    return tmp_path


def forge(directory: Path, row: bytes | None = None, blob: bytes | None = None) -> None:
    """Change cell 5, and give it the checksum that belongs to the change."""
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        query = "SELECT CAST(row AS BLOB), seconds, predictions FROM cells WHERE key = ?"
        old, seconds, packed = db.execute(query, (cell(5).key,)).fetchone()
        row, blob = row or old, blob if blob is not None else packed
        content = cell(5).key.encode() + row + repr(seconds).encode() + blob
        digest = hashlib.sha256(content).hexdigest()[:16]
        change = "UPDATE cells SET row = CAST(? AS TEXT), predictions = ?, checksum = ?"
        db.execute(f"{change} WHERE key = ?", (row, blob, digest, cell(5).key))


def changed(**values: object) -> bytes:
    return json.dumps({**cell(5).row, **values}).encode()


ROWS = {
    "list": b"[]",
    "number": b"7",
    "null": b"null",
    "no JSON": b"{",
    "empty": b" ",
    "no text": b"\xff\xfe",
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "nested value": b'{"status": "ok", "n": 40, "x": ' + b"[" * 900 + b"]" * 900 + b"}",
    "no status": b"{}",
    "unknown status": changed(status="fine"),
    "object in it": changed(eps={}),
    "list in it": changed(id=["a"]),
    "failed with predictions": changed(status="failed"),
    "accuracy": changed(accuracy=0.99),
    "accuracy as text": changed(accuracy="high"),
    "clean accuracy": changed(clean_accuracy=1.0),
    "correct": changed(correct=39),
    "fewer images": changed(n=39),
    "more images": changed(n=41),
    "n as text": changed(n="40"),
    "n as truth": changed(n=True),
    "huge n": changed(n=10**30),
    "negative n": changed(n=-1),
    "parts that are no JSON": changed(broken_by="{"),
    "parts that are no names": changed(broken_by="[1]"),
    "parts that are nested": changed(broken_by="[" * 100_000),
}
BLOBS = {
    "garbage": b"garbage",
    "empty": b"",
    "no types": b"w" + b"zz" * 4 + zlib.compress(b"0" * 320),
    "floats": b"w" + b"f4" * 4 + zlib.compress(bytes(640)),
    "a column missing": b"m" + b"--" + b"i2" * 3 + b"--" * 2 + zlib.compress(bytes(240)),
    "cut short": pack(cell(5).predictions)[:-3],
    "something behind": pack(cell(5).predictions) + b"x",
    "no whole image": zlib.compress(bytes(401)),
    "too few": zlib.compress(bytes(390)),
    "another cell's": pack(cell(6).predictions),
    "a part without a name": pack(cell(5).predictions.assign(part=np.int16(3))),
}


def assert_set_aside(directory: Path) -> None:
    """Cell 5 is said and not used, the others are there; computed again it is as before."""
    store = Store(directory)
    assert store.keys() == set(store.rows()) == {cell(n).key for n in range(12) if n != 5}
    (note,) = store.notes()
    assert "1 cell damaged or changed, set aside" in note and "\n" not in note
    store.put([cell(5)])
    store.close()
    assert_computed_again(directory)


def assert_computed_again(directory: Path) -> None:
    """Cell 5 is as before, and its record of the meantime is kept apart."""
    store = Store(directory)
    assert not list(store.notes())
    found = store.get(cell(5).key)
    assert found.row == cell(5).row
    pd.testing.assert_frame_equal(found.predictions, cell(5).predictions)
    store.close()
    with closing(sqlite3.connect(directory / FILE)) as db:
        assert db.execute("SELECT count(*) FROM set_aside").fetchone() == (1,)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_with_a_right_checksum(directory: Path, name: str) -> None:
    forge(directory, row=ROWS[name])
    assert_set_aside(directory)


@pytest.mark.parametrize("name", BLOBS)
def test_predictions_with_a_right_checksum(directory: Path, name: str) -> None:
    forge(directory, blob=BLOBS[name])
    assert_set_aside(directory)


def test_an_accuracy_changed_by_hand(directory: Path) -> None:
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        change = "UPDATE cells SET row = json_set(row, '$.accuracy', 0.99) WHERE key = ?"
        db.execute(change, (cell(5).key,))
    assert_set_aside(directory)


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """800 MB of zeros."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(800)]
    return b"".join([*parts, packer.flush()])


# a store in a process of its own, whose memory is then known
MEMORY = """
import resource, sys
from pathlib import Path
from benchmark.runs.store import Store
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
before = peak()
store = Store(Path(sys.argv[1]))
print(len(store.keys()), list(store.notes()), peak() - before, sep="|")
"""


@pytest.mark.parametrize("early", [False, True], ids=["", "without checksums"])
@pytest.mark.parametrize("start", ["x", "\0"])
def test_a_row_that_is_too_long_is_not_read(directory: Path, start: str, early: bool) -> None:
    """SQLite's length reads a text, and ends at a NUL."""
    pytest.importorskip("resource")
    if not hasattr(sqlite3.Connection, "blobopen") and sqlite3.sqlite_version_info < (3, 43):
        pytest.skip("needs Python 3.11 or SQLite 3.43")
    size = LONGEST_ROW + (60 << 20)
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        change = "UPDATE cells SET row = ? || CAST(zeroblob(?) AS TEXT) WHERE key = ?"
        db.execute(change, (start, size, cell(5).key))
        if early:
            db.execute("ALTER TABLE cells DROP COLUMN checksum")
    command = [sys.executable, "-c", MEMORY, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    keys, notes, grown = done.stdout.split("|")
    assert keys == "11" and "1 cell damaged or changed, set aside" in notes
    assert int(grown) < size / 2
    with closing(Store(directory)) as store:
        store.put([cell(5)])
    assert_computed_again(directory)


@pytest.mark.parametrize("n", [N, 80 * (1 << 20), 10**9])
def test_a_bomb_is_not_unpacked(directory: Path, bomb: bytes, n: int) -> None:
    forge(directory, row=changed(n=n), blob=bomb)
    tracemalloc.start()
    assert_set_aside(directory)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_blob_that_is_too_long_is_not_read(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite makes zeros of any length without a file of that size."""
    monkeypatch.setitem(lengths.MOST, "predictions", 1 << 20)
    monkeypatch.setitem(lengths.MOST, "row", 1 << 20)
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        change = "UPDATE cells SET predictions = zeroblob(40000000) WHERE key = ?"
        db.execute(change, (cell(5).key,))
    tracemalloc.start()
    assert_set_aside(directory)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    with closing(sqlite3.connect(directory / FILE)) as db:
        kept = db.execute("SELECT key, predictions FROM set_aside").fetchall()
    assert kept == [(cell(5).key, None)]


def test_a_row_without_predictions_is_checked(directory: Path) -> None:
    forge(directory, blob=b"")
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        # the checksum is that of no bytes
        db.execute("UPDATE cells SET predictions = NULL WHERE key = ?", (cell(5).key,))
    assert_set_aside(directory)


def test_unpack_refuses_more_than_it_may(bomb: bytes) -> None:
    table = cell(1).predictions
    pd.testing.assert_frame_equal(unpack(pack(table), N), table)
    for most, blob in ((N - 1, pack(table)), (1000, bomb)):
        with pytest.raises(ValueError, match="more or fewer"):
            unpack(blob, most)


def outcome(directory: Path) -> tuple[dict[str, Stored], bool]:
    """What a store gives, and whether it said anything."""
    store = Store(directory)
    try:
        keys = store.keys()
        return {key: store.get(key) for key in keys}, bool(list(store.notes()))
    finally:
        store.close()


def test_flip_every_nth_bit(directory: Path) -> None:
    """Each flip is without effect, or is said in one line and costs cells."""
    content = (directory / FILE).read_bytes()
    said = 0
    wanted = {cell(n).key: cell(n) for n in range(12)}
    # a prime: over the file, every place of a byte comes
    for bit in range(0, 8 * len(content), 1499):
        for path in directory.glob("*"):
            path.unlink()
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        (directory / FILE).write_bytes(damaged)
        try:
            found, noted = outcome(directory)
        except InputError as error:
            assert "\n" not in str(error)
            said += 1
            continue
        said += noted
        assert noted or set(found) == set(wanted), bit
        for key, stored in found.items():
            assert stored.row == wanted[key].row, bit
            assert stored.seconds == wanted[key].seconds
            pd.testing.assert_frame_equal(stored.predictions, wanted[key].predictions)
    assert said > 5


def test_a_store_without_checksums(directory: Path) -> None:
    """Of an early version: cells that agree with their predictions are taken, others are not."""
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        db.execute("UPDATE cells SET row = json_set(row, '$.accuracy', 1) WHERE rowid = 6")
        db.execute("ALTER TABLE cells DROP COLUMN checksum")
    store = Store(directory)
    early, aside = store.notes()
    assert "12 cells are of an early version" in early
    assert "1 cell damaged or changed" in aside
    assert len(store.keys()) == 11
    store.close()
    store = Store(directory)
    assert not list(store.notes()) and len(store.keys()) == 11
    store.close()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER t AFTER INSERT ON cells BEGIN DELETE FROM cells; END",
        "CREATE VIEW v AS SELECT * FROM cells",
    ],
)
def test_code_in_the_schema(directory: Path, sql: str) -> None:
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        db.execute(sql)
    with pytest.raises(InputError, match="views or triggers"):
        Store(directory)


@pytest.fixture
def locking(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that holds the store for itself alone."""
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        " db.execute('PRAGMA locking_mode=EXCLUSIVE'); db.execute('BEGIN EXCLUSIVE');"
        " db.execute('UPDATE cells SET seconds = seconds'); print('held', flush=True);"
        " sys.stdin.readline(); db.execute('ROLLBACK'); db.close()"
    )
    command = [sys.executable, "-c", code, str(directory / FILE)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_of_another_program(
    directory: Path, locking: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (directory / FILE).read_bytes()
    monkeypatch.setattr(database, "WAIT", 0.5)
    with pytest.raises(InputError, match="locked by") as raised:
        Store(directory)
    text = str(raised.value)
    assert "damaged" not in text and "move" not in text and "\n" not in text
    if Path("/proc/locks").exists() and str(locking.pid) in Path("/proc/locks").read_text():
        assert f"process {locking.pid} (python" in text
    assert (directory / FILE).read_bytes() == before
    # it ends while a run waits
    monkeypatch.setattr(database, "WAIT", 60.0)
    assert locking.stdin
    locking.stdin.write("\n")
    locking.stdin.flush()
    store = Store(directory)
    assert len(store.keys()) == 12
    store.close()


def test_a_writer_beside_the_run(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT", 0.3)
    store = Store(directory)
    with closing(sqlite3.connect(directory / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match="close that program"):
            store.put([cell(20)])
        other.execute("ROLLBACK")
    store.put([cell(20)])
    assert len(store.keys()) == 13
    store.close()


def test_a_schema_that_is_no_text(directory: Path) -> None:
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET sql = CAST(x'435245415445205441424c4520ff28' AS TEXT)")
    with pytest.raises(InputError, match=r"run store .* damaged \(.*schema.*move it away"):
        Store(directory)

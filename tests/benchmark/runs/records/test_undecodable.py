"""A store with text that is no UTF-8: SQLite returns it, and quotes it in its messages."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from benchmark.runs.records.database import sqlite_errors
from benchmark.runs.store import FILE, Store, Stored
from estimators.errors import InputError


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store of three cells."""
    folder = tmp_path_factory.mktemp("sound")
    store = Store(folder)
    ids = [0, 1]
    table = pd.DataFrame({name: ids for name in ("id", "label", "clean", "adversarial")})
    row = {"status": "ok", "n": 2, "correct": 2, "accuracy": 1.0}
    store.put(Stored(f"{n:016x}", row, 0.5, table) for n in range(3))
    store.close()
    return (folder / FILE).read_bytes()


@pytest.mark.parametrize("damage", [b"\xff", b"\xff\xfe\xfd\xfc", b"'\xff", b"\xc3(\xff"])
def test_a_schema_that_is_no_text_is_refused_or_repaired(
    content: bytes, tmp_path: Path, damage: bytes
) -> None:
    start = content.index(b"tablecells")
    end = content.index(b"checksum TEXT NOT NULL") + 30
    refused = 0
    for number, place in enumerate(range(start, end, 3)):
        folder = tmp_path / str(number)
        folder.mkdir()
        changed = content[:place] + damage + content[place + len(damage) :]
        (folder / FILE).write_bytes(changed)
        try:
            store = Store(folder)
        except InputError as error:
            assert len(str(error).splitlines()) == 1 and FILE in str(error)
            refused += 1
        else:
            cells = store.keys()
            assert len(list(store.notes())) <= 2 and set(store.rows()) == cells
            store.types(cells)
            assert set(store.seconds()) >= cells
            store.close()
    assert refused > 20


def test_every_text_that_is_read_may_be_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE cells SET key = CAST(? AS TEXT) WHERE key LIKE '%1'", (b"\xff\xfe",))
    db.close()
    store = Store(tmp_path)
    assert [note for note in store.notes() if "1 cell damaged" in note]
    assert len(store.keys()) == len(store.rows()) == len(store.seconds()) == 2
    store.close()


def test_a_message_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / FILE)
    with pytest.raises(InputError, match="damaged"), sqlite_errors(tmp_path / FILE):
        db.execute("SELECT CAST(? AS TEXT)", (b"\xff",)).fetchall()
    said = pytest.raises(InputError, match=r"damaged \(unreadable text\); move it away")
    with said, sqlite_errors(tmp_path / FILE):
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    db.close()

"""The run store: damaged cells are recognised and never used, what is whole is kept."""

from __future__ import annotations

import json
import random
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faults import little_room, no_rights

from benchmark.runs.export import _write_predictions
from benchmark.runs.lock import HOLDER, hold, refuse_if_held
from benchmark.runs.store import FILE, Store, Stored
from estimators.errors import InputError

CELLS = 60


def cell(number: int) -> Stored:
    n = 50 + number
    predictions = pd.DataFrame(
        {
            "id": np.arange(n, dtype=np.int32),
            "label": np.arange(n, dtype=np.int16) % 10,
            "clean": np.arange(n, dtype=np.int16) % 9,
            "adversarial": np.arange(n, dtype=np.int16) % 7,
        }
    )
    row = {"status": "failed" if number == 3 else "ok", "accuracy": number / 7, "text": "é" * 300}
    return Stored(f"{number:016x}", row, 0.1 * number, None if number == 3 else predictions)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    store = Store(tmp_path / "run")
    store.put(cell(number) for number in range(CELLS))
    store.close()
    return tmp_path / "run"


def assert_true(store: Store, key: str) -> None:
    """What the store gives for a key is what was put."""
    expected, stored = cell(int(key, 16)), store.get(key)
    assert (stored.row, stored.seconds) == (expected.row, expected.seconds)
    if expected.predictions is None:
        assert stored.predictions is None
    else:
        pd.testing.assert_frame_equal(stored.predictions, expected.predictions)


WIDTHS = {
    "as ever": ({}, "i4 i2 i2 i2"),
    "many classes": ({"clean": np.int32, "adversarial": np.int32}, "i4 i2 i4 i4"),
    "large ids": ({"id": np.int64}, "i8 i2 i2 i2"),
}


@pytest.mark.parametrize("width", WIDTHS)
def test_predictions_of_any_width(tmp_path: Path, width: str) -> None:
    kinds, expected = WIDTHS[width]
    stored = cell(1)
    assert stored.predictions is not None
    table = stored.predictions.astype(kinds)
    table.iloc[0, [list(table).index(name) for name in kinds]] = 2**31 if "id" in kinds else 39_999
    store = Store(tmp_path)
    store.put([Stored(stored.key, stored.row, 1.0, table), cell(2), cell(3)])
    found = store.get(stored.key).predictions
    pd.testing.assert_frame_equal(found, table)
    types = store.types([stored.key, cell(2).key, cell(3).key])
    assert " ".join(kind.str[1:] for kind in types.values()) == expected
    store.close()


@pytest.mark.parametrize("names", [("part",), ("hits",), ("part", "hits")])
def test_columns_that_some_cells_have(tmp_path: Path, names: tuple[str, ...]) -> None:
    plain, stored = cell(2), cell(1)
    assert plain.predictions is not None and stored.predictions is not None
    more = {name: np.arange(len(stored.predictions)).astype(np.int16) - 1 for name in names}
    table = stored.predictions.assign(**more)
    store = Store(tmp_path)
    parts = [f"part {n}" for n in range(len(table))]
    row = {**stored.row, "broken_by": json.dumps(dict.fromkeys(parts, 0))}
    store.put([Stored(stored.key, row, 1.0, table), plain])
    pd.testing.assert_frame_equal(store.get(stored.key).predictions, table)
    keys = [plain.key, stored.key]
    assert list(store.types(keys)) == ["id", "label", "clean", "adversarial", *names]
    _write_predictions(tmp_path / "p.parquet", store, keys)
    store.close()
    written = pd.read_parquet(tmp_path / "p.parquet")
    absent = written[written["cell"] == plain.key]
    right = plain.predictions["adversarial"] == plain.predictions["label"]
    if "part" in names:
        assert absent["part"].isna().all()
    if "hits" in names:
        assert absent["hits"].tolist() == right.astype(int).tolist()
    present = written[written["cell"] == stored.key]
    if "part" in names:
        # the first image is broken by none
        assert present["part"].isna().tolist() == [True] + [False] * (len(table) - 1)
        assert present["part"].tolist()[1:] == parts[: len(table) - 1]
    if "hits" in names:
        assert present["hits"].tolist() == table["hits"].tolist()


def test_narrow_predictions_keep_their_bytes(tmp_path: Path) -> None:
    """Stores of earlier versions are read, and hold what is written now."""
    stored = cell(1)
    assert stored.predictions is not None
    store = Store(tmp_path)
    # wide types whose values fit, as pandas gives them
    store.put([Stored(stored.key, stored.row, 1.0, stored.predictions.astype({"id": np.int64}))])
    store.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        (blob,) = db.execute("SELECT predictions FROM cells").fetchone()
    columns = (stored.predictions[name].to_numpy().tobytes() for name in stored.predictions)
    assert blob == zlib.compress(b"".join(columns), level=1)


def test_gives_back_what_was_put(directory: Path) -> None:
    store = Store(directory)
    assert len(store.keys()) == CELLS
    assert len(store.keys(failed=False)) == CELLS - 1
    assert set(store.rows()) == set(store.seconds()) == store.keys()
    assert not list(store.notes())
    for key in sorted(store.keys()):
        assert_true(store, key)
    store.close()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 8))]
)
def test_flipped_bits_are_found(directory: Path, seed: int) -> None:
    """Wherever a bit turns: the file is refused, or what it gives is what was put."""
    content = (directory / FILE).read_bytes()
    chance = random.Random(seed)
    lost, refused = 0, 0
    for trial in range(12):
        # the header and its neighbours as often as all else
        place = chance.randrange(200 if trial % 3 == 0 else len(content))
        damaged = bytearray(content)
        damaged[place] ^= 1 << chance.randrange(8)
        for path in directory.iterdir():
            path.unlink()
        (directory / FILE).write_bytes(damaged)
        store = None
        try:
            store = Store(directory)
            keys, notes = store.keys(), list(store.notes())
        except InputError as error:
            refused += 1
            assert FILE in str(error)
            if store is not None:
                store.close()
            continue
        assert keys <= {f"{n:016x}" for n in range(CELLS)} or notes
        for key in keys & {f"{n:016x}" for n in range(CELLS)}:
            assert_true(store, key)
        missing = CELLS - len(keys)
        assert missing == 0 or notes, place
        lost += missing
        store.put([cell(n) for n in range(CELLS)])
        assert len(store.keys()) >= CELLS
        store.close()
    # one bit costs a cell or a page of them, or the header
    assert lost < 12 * CELLS / 3
    assert refused < 6


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_truncated(directory: Path, share: float) -> None:
    path = directory / FILE
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    try:
        store = Store(directory)
    except InputError as error:
        assert "damaged" in str(error)
        assert "move it away" in str(error)
        return
    for key in sorted(store.keys()):
        assert_true(store, key)
    store.put([cell(n) for n in range(CELLS)])
    assert len(store.keys()) == CELLS
    store.close()


def test_a_bad_page_costs_its_own_cells_alone(directory: Path) -> None:
    path = directory / FILE
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = bytes(4096)
    path.write_bytes(content)
    store = Store(directory)
    assert CELLS - 25 < len(store.keys()) < CELLS
    (note,) = store.notes()
    assert "was damaged and is kept as store.sqlite.damaged" in note
    assert (directory / "store.sqlite.damaged").read_bytes() == bytes(content)
    store.close()
    store = Store(directory)
    assert not list(store.notes())
    store.close()


@pytest.mark.parametrize("column", ["key", "row", "seconds", "predictions", "checksum"])
def test_every_column_is_under_the_checksum(directory: Path, column: str) -> None:
    with closing(sqlite3.connect(directory / FILE)) as db, db:
        old = "CAST(SUBSTR(CAST({0} AS BLOB), 1, 5) || 'x' || SUBSTR({0}, 7) AS TEXT)"
        change = f"{column} + 1" if column == "seconds" else old.format(column)
        db.execute(f"UPDATE cells SET {column} = {change} WHERE rowid = 6")
    db.close()
    store = Store(directory)
    assert store.keys() == {f"{n:016x}" for n in range(CELLS) if n != 5}
    assert set(store.rows()) == store.keys()
    (note,) = store.notes()
    assert "1 cell damaged or changed, set aside" in note
    if column != "key":
        with pytest.raises(InputError, match="damaged"):
            store.get(f"{5:016x}")
    store.close()


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("somebody's notes\n" * 100)
    with pytest.raises(InputError, match="not a database"):
        Store(tmp_path)
    assert (tmp_path / FILE).read_text() == "somebody's notes\n" * 100


def test_a_full_disk_keeps_what_is_stored(directory: Path) -> None:
    store = Store(directory)
    size = (directory / FILE).stat().st_size
    many = [cell(CELLS + n) for n in range(400)]
    with little_room(size + 20_000), pytest.raises(InputError, match="free some space") as raised:
        store.put(many)
    assert str(directory) in str(raised.value)
    store.close()
    store = Store(directory)
    assert len(store.keys()) == CELLS
    store.put(many)
    assert len(store.keys()) == CELLS + 400
    store.close()


def test_a_directory_without_rights(tmp_path: Path) -> None:
    place = tmp_path / "locked"
    Store(place).close()
    with no_rights(place):
        with pytest.raises(OSError, match="ermission"):
            hold(place)
        with pytest.raises((InputError, OSError)):
            Store(place).put([cell(1)])
        with pytest.raises(OSError, match="ermission"):
            Store(place / "below")
    refuse_if_held(place)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    refuse_if_held(tmp_path)
    assert not list(tmp_path.iterdir())
    claim = hold(tmp_path)
    for request in (hold, refuse_if_held):
        with pytest.raises(InputError, match=r"another run holds it \(process \d+ on .* since"):
            request(tmp_path)
    (tmp_path / HOLDER).write_text("{")
    with pytest.raises(InputError, match="unknown process"):
        refuse_if_held(tmp_path)
    claim.release()
    refuse_if_held(tmp_path)
    hold(tmp_path).release()
    assert not (tmp_path / HOLDER).exists()

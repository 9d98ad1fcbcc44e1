"""Archives of arrays: names, damage, bombs, and those that are larger than the memory."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from benchmark.attacks.adapters.image_files import image_file
from estimators.data import archive, archive_rows
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.errors import InputError


def read_test(path: Path) -> Images:
    return load_images(f"npz:{path}", "test")


X = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
Y = np.arange(20) % 4

NAMES = {
    "own": ("x_test", "y_test"),
    "capital": ("X_test", "y_test"),
    "split first": ("test_images", "test_labels"),
    "short": ("x", "y"),
    "words": ("images", "labels"),
    "data": ("data", "target"),
    "positions": ("arr_0", "arr_1"),
}


@pytest.mark.parametrize("case", NAMES)
def test_usual_names_of_arrays(tmp_path: Path, case: str) -> None:
    names = NAMES[case]
    np.savez(tmp_path / "a.npz", **dict(zip(names, (X, Y), strict=True)))
    images = read_test(tmp_path / "a.npz")
    assert np.array_equal(images.pixels, X) and np.array_equal(images.y, Y)


INDICES = {
    "own": ("x_test", "y_test", "idx_test"),
    "other name": ("x_test", "y_test", "ids_test"),
    "capital": ("X_test", "y_test", "Test_Indices"),
    "split first": ("test_images", "test_labels", "test_index"),
    "adversarial images": ("x", "y", "ids"),
    "short": ("x", "y", "idx"),
    "words": ("images", "labels", "indices"),
    "positions": ("arr_0", "arr_1", "arr_2"),
}


@pytest.mark.parametrize("case", INDICES)
def test_usual_names_of_indices(tmp_path: Path, case: str) -> None:
    """Without them two runs would be compared on images that are not the same."""
    given = np.arange(100, 120)[::-1]
    np.savez(tmp_path / "a.npz", **dict(zip(INDICES[case], (X, Y, given), strict=True)))
    assert np.array_equal(read_test(tmp_path / "a.npz").ids, given)


def test_indices_of_another_split_are_not_taken(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_test=X, y_test=Y, ids_train=np.arange(20) + 5)
    assert np.array_equal(read_test(tmp_path / "a.npz").ids, np.arange(20))


def test_other_names_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pictures=X, classes_of=Y)
    with pytest.raises(InputError, match=r"lacks .*x_test.*holds classes_of, pictures, expected"):
        read_test(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=X, y=Y)
    with pytest.raises(InputError, match="lacks the array x_train, y_train"):
        load_images(f"npz:{tmp_path / 'b.npz'}", "train")


def entries(path: Path, compressed: bool = False, **content: bytes) -> Path:
    """Write a zip file with the given entries; `__` stands for the dot."""
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, raw in content.items():
            file.writestr(name.replace("__", "."), raw)
    return path


def raw(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """An array as npy bytes; with another shape in its header."""
    import io

    out = io.BytesIO()
    header = npy.header_data_from_array_1_0(array)
    header["shape"] = shape or array.shape
    npy.write_array_header_1_0(out, header)
    return out.getvalue() + array.tobytes("A")


DAMAGED = {
    "no ending, no array": ({"x_test": b"hello world", "y_test__npy": raw(Y)}, "is no NumPy array"),
    "no array": ({"x_test__npy": b"", "y_test__npy": raw(Y)}, "is no NumPy array"),
    "a larger shape": (
        {"x_test__npy": raw(X, (10**12, 3, 8, 8)), "y_test__npy": raw(Y)},
        "damaged",
    ),
    "labels too": ({"x_test__npy": raw(X), "y_test__npy": raw(Y, (10**13,))}, "damaged"),
    "version 9": ({"x_test__npy": b"\x93NUMPY\x09\x00  ", "y_test__npy": raw(Y)}, "cannot be read"),
    "no header": ({"x_test__npy": b"\x93NUMPY\x01\x00", "y_test__npy": raw(Y)}, "cannot be read"),
    "0-d": ({"x_test__npy": raw(np.array(3.0)), "y_test__npy": raw(np.array(1))}, "no pixels"),
    "empty": ({"x_test__npy": raw(X[:0]), "y_test__npy": raw(Y[:0])}, "no pixels"),
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_archives_give_one_line(tmp_path: Path, case: str, compressed: bool) -> None:
    content, message = DAMAGED[case]
    path = entries(tmp_path / "a.npz", compressed, **content)
    with pytest.raises(InputError, match=message) as told:
        read_test(path)
    assert "a.npz" in str(told.value) and "\n" not in str(told.value)


def test_an_entry_without_ending_may_be_an_array(tmp_path: Path) -> None:
    path = entries(tmp_path / "a.npz", x_test=raw(X), y_test=raw(Y))
    assert np.array_equal(read_test(path).pixels, X)


def test_bombs_are_refused_by_their_declared_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = np.zeros((2000, 3, 8, 8), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", x_test=zeros, y_test=np.zeros(2000, int))
    monkeypatch.setattr(archive, "LARGEST_COMPRESSED", zeros.nbytes - 1)
    monkeypatch.setattr(npy, "read_array", lambda *a, **k: pytest.fail("unpacked"), raising=True)
    with pytest.raises(InputError, match=r"unpacks to 384,000 bytes.*zip bomb") as told:
        monkeypatch.setattr("estimators.data.files.LARGEST_LABELS", 10**9)
        archive.member(tmp_path / "a.npz", "x_test", archive.members(tmp_path / "a.npz")["x_test"])
    assert "\n" not in str(told.value)


def test_many_small_rows_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros take no room in an archive, and a run keeps indices and labels of 64 bits."""
    x, y = np.zeros((2000, 1, 2, 2), np.uint8), np.zeros(2000, np.int8)
    names = np.array([str(n) for n in range(300)])
    np.savez_compressed(tmp_path / "a.npz", x_test=x, y_test=y)
    np.savez_compressed(tmp_path / "b.npz", x_test=x[:9], y_test=y)
    np.savez_compressed(tmp_path / "c.npz", x_test=x[:9], y_test=y[:9], idx_test=y)
    np.savez_compressed(tmp_path / "d.npz", x_test=x[:9], y_test=y[:9], classes=names)
    np.savez_compressed(tmp_path / "e.npz", x=x)
    monkeypatch.setattr("estimators.data.files.MOST_IMAGES", 1999)
    monkeypatch.setattr("estimators.data.files.MOST_CLASSES", 299)
    monkeypatch.setattr("benchmark.attacks.adapters.image_files.MOST_IMAGES", 1999)
    for file, text in {
        "a": "x_test has 2,000 images, expected at most 1,999",
        "b": "y_test has 2,000 labels, expected at most 1,999",
        "c": "idx_test has 2,000 indices, expected at most 1,999",
        "d": "classes has 300 names, expected at most 299",
    }.items():
        with pytest.raises(InputError, match=text):
            read_test(tmp_path / f"{file}.npz")
    with pytest.raises(InputError, match="x has 2,000 images, expected at most 1,999"):
        image_file(tmp_path / "e.npz")


def test_an_entry_that_is_larger_than_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(
        path, x_test=np.zeros((2000, 3, 8, 8), np.uint8), y_test=np.zeros(2000, int)
    )
    with zipfile.ZipFile(path) as file:
        (true,) = (i.file_size for i in file.infolist() if i.filename == "x_test.npy")
    small = len(raw(np.zeros((20, 3, 8, 8), np.uint8)))
    # both headers declare 20 images; the array's own still has 2,000
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", true), struct.pack("<I", small)))
    with pytest.raises(InputError, match=r"damaged|cannot be read"):
        read_test(path)


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every archive is large."""
    monkeypatch.setattr(archive_rows, "LARGE", 0)


ARRAYS = {
    "bytes": X,
    "float32": (X / 255).astype(np.float32),
    "float64": X / 255,
    "big endian": (X / 255).astype(">f8"),
    "channels last": np.ascontiguousarray(X.transpose(0, 2, 3, 1)),
    "one channel": X[:, 0],
}


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("case", ARRAYS)
def test_large_archives_give_the_same_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, compressed: bool
) -> None:
    x = ARRAYS[case]
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", x_test=x, y_test=Y)
    images = read_test(tmp_path / "a.npz")
    assert images.streamed
    with monkeypatch.context() as patch:
        patch.setattr(archive_rows, "LARGE", 1 << 30)
        whole = read_test(tmp_path / "a.npz")
    assert not whole.streamed
    assert images.shape == whole.shape
    for part in (slice(3, 7), np.array([19, 0, 7]), slice(None), np.array([5])):
        assert np.array_equal(images[part].x, whole[part].x)
        assert images[part].x.dtype == np.float32
    chosen = subset(images, 6, 0).read()
    assert np.array_equal(chosen.x, subset(whole, 6, 0).x)
    assert images.scored_sha256 != "" and images.fingerprint != whole.fingerprint


@pytest.mark.usefixtures("small_limit")
def test_a_large_archive_in_fortran_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_test=np.asfortranarray(X), y_test=Y)
    assert np.array_equal(read_test(tmp_path / "a.npz").x, X.astype(np.float32) / 255)
    np.savez_compressed(tmp_path / "b.npz", x_test=np.asfortranarray(X), y_test=Y)
    with pytest.raises(InputError, match=r"in Fortran order.*ascontiguousarray"):
        read_test(tmp_path / "b.npz")


@pytest.mark.usefixtures("small_limit")
def test_pixels_of_a_large_archive_are_checked_as_they_are_read(tmp_path: Path) -> None:
    x = (X / 255).astype(np.float32)
    x[7, 0, 0, 0], x[9, 0, 0, 0] = np.nan, 3
    np.savez(tmp_path / "a.npz", x_test=x, y_test=Y)
    images = read_test(tmp_path / "a.npz")
    assert len(images[:7].read()) == 7
    with pytest.raises(InputError, match=r"a\.npz: x has NaN"):
        images[7:8].read()
    with pytest.raises(InputError, match="must lie in"):
        images[9:].read()


@pytest.mark.usefixtures("small_limit")
def test_a_compressed_archive_is_unpacked_to_disk_at_most_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", x_test=X, y_test=Y)
    monkeypatch.setattr("estimators.data.streamed.KEPT_BYTES", 0)
    images = read_test(tmp_path / "a.npz")
    files = 0
    make = archive_rows.tempfile.TemporaryFile

    def counted() -> object:
        nonlocal files
        files += 1
        return make()

    monkeypatch.setattr(archive_rows.tempfile, "TemporaryFile", counted)
    last = images[np.array([19, 2])]
    for n in range(6):
        assert np.array_equal(np.asarray(last.pixels), X[[19, 2]])
        assert files == (n >= 2)

    def full() -> object:
        raise OSError(28, "No space left on device")

    again = read_test(tmp_path / "a.npz")
    monkeypatch.setattr(archive_rows.tempfile, "TemporaryFile", full)
    with pytest.raises(InputError, match=r"No space left.*TMPDIR"):
        for _ in range(3):
            again[19:].read()


@pytest.mark.usefixtures("small_limit")
def test_the_fingerprint_follows_the_content_and_not_the_file(tmp_path: Path) -> None:
    other = X.copy()
    other[5, 0, 0, 0] ^= 1
    for name, x in (("a", X), ("b", X), ("c", other)):
        np.savez(tmp_path / f"{name}.npz", x_test=x, y_test=Y)
    a, b, c = (read_test(tmp_path / f"{name}.npz") for name in "abc")
    assert a.fingerprint == b.fingerprint != c.fingerprint
    assert a.scored_sha256 == b.scored_sha256 != c.scored_sha256


def test_small_archives_are_read_whole_and_checked(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_test=X, y_test=Y)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[500] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read.*CRC"):
        read_test(tmp_path / "a.npz")

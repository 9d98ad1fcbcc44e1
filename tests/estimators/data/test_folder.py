"""Folders of photos: which classes and files, in which order, and what is read when."""

from __future__ import annotations

import os
import pickle
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimators.data import folder as folders
from estimators.data import streamed
from estimators.data.images import Images, subset
from estimators.data.load import image_shape, load_images
from estimators.errors import InputError
from tests.helpers.photos import write_photos


def photos(root: Path, options: str = "") -> Images:
    return load_images(f"imagefolder:{root}{options}", "test")


def test_image_folder(tmp_path: Path) -> None:
    images = photos(write_photos(tmp_path / "pets", ("cat", "dog")))
    assert images.x.shape == (6, 3, 16, 20)
    assert images.classes == ("cat", "dog")
    assert images.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.x[1, 0, 0, 0] == np.float32(21) / np.float32(255)
    assert image_shape(f"imagefolder:{tmp_path / 'pets'}") == ((3, 16, 20), 2)


def test_hidden_folders_and_other_files_are_left_out_and_named(tmp_path: Path) -> None:
    root = write_photos(tmp_path, ("cat", "dog"))
    for hidden in (".ipynb_checkpoints", "__MACOSX"):
        (root / "test" / hidden).mkdir()
        shutil.copy(root / "test" / "cat" / "0.png", root / "test" / hidden / "0.png")
    for other in ("Thumbs.db", "a.heic", "b.heic", "._0.png", ".DS_Store"):
        (root / "test" / "cat" / other).write_bytes(b"x")
    images = photos(root)
    assert len(images) == 6 and images.classes == ("cat", "dog")
    notes = "\n".join(images.notes)
    assert "left out the folders .ipynb_checkpoints, __MACOSX" in notes
    assert "left out 3 files that are no images by their ending (2 .heic, 1 .db)" in notes


def test_links_are_followed(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "a", ("cat", "dog"))
    (tmp_path / "b" / "test" / "dog").mkdir(parents=True)
    try:
        (tmp_path / "b" / "test" / "cat").symlink_to(root / "test" / "cat")
        for n in range(3):
            link = tmp_path / "b" / "test" / "dog" / f"{n}.png"
            link.symlink_to(root / "test" / "dog" / f"{n}.png")
    except OSError:
        pytest.skip("no symbolic links here")
    assert photos(tmp_path / "b").sha256 == photos(root).sha256


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_only_regular_files_are_photos(tmp_path: Path) -> None:
    root = write_photos(tmp_path, ("cat", "dog"))
    os.mkfifo(root / "test" / "cat" / "pipe.jpg")
    (root / "test" / "cat" / "zero.png").symlink_to("/dev/zero")
    (root / "test" / "cat" / "inside.png").mkdir()
    (root / "test" / "dog" / "broken.png").symlink_to("nowhere.png")
    images = photos(root)
    assert len(images) == 7
    note = "by their ending or kind (2 pipes, sockets or devices, 1 folders)"
    assert note in images.notes[-1]
    assert len(images.read()) == 6 and list(images.unreadable()) == [6]


@pytest.mark.parametrize("ending", ["JPEG", "jpg", "png", "webp", "bmp", "tiff", "gif", "ppm"])
def test_formats(tmp_path: Path, ending: str) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8), (200, 200, 200)).save(tmp_path / name / f"a.{ending}")
    pixels = photos(tmp_path).read().pixels
    assert pixels.shape == (2, 3, 8, 8)
    assert np.abs(np.asarray(pixels).astype(int) - 200).max() <= 1


def test_a_folder_of_grey_photos_stays_grey(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), 9).save(tmp_path / name / "a.png")
    assert photos(tmp_path).shape == (1, 8, 8)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "dog" / "b.png")
    images = photos(tmp_path)
    assert images.shape == (3, 8, 8)
    assert np.asarray(images.pixels)[0, :, 0, 0].tolist() == [9, 9, 9]


def test_of_many_photos_some_headers_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cat").mkdir()
    for n in range(40):
        Image.new("L", (8, 8), n).save(tmp_path / "cat" / f"{n:02d}.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "cat" / "21.png")
    Image.new("L", (9, 8)).save(tmp_path / "cat" / "22.png")
    with pytest.raises(InputError, match="several sizes"):
        photos(tmp_path)
    monkeypatch.setattr(folders, "MOST_HEADERS", 4)
    images = photos(tmp_path)
    assert images.shape == (1, 8, 8)
    assert len(images.read()) == 38
    reasons = images.unreadable()
    assert "in colour, expected grey" in reasons[21]
    assert "9 x 8 pixels, expected 8 x 8" in reasons[22]


def test_mixed_sizes_need_a_size(tmp_path: Path) -> None:
    root = write_photos(tmp_path, ("cat", "dog"))
    Image.new("RGB", (30, 50)).save(root / "test" / "dog" / "odd.png")
    with pytest.raises(InputError, match=r"several sizes .*\[resize=256,crop=224\]") as told:
        photos(root)
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="several sizes"):
        photos(root, "[resize=12]")
    images = photos(root, "[resize=12,crop=8]")
    assert images.x.shape == (7, 3, 8, 8)
    assert images.fingerprint != photos(root, "[resize=13,crop=8]").fingerprint


def test_the_folders_of_splits(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "a", ("cat", "dog"))
    (root / "test").rename(root / "val")
    shutil.copytree(root / "val", root / "train")
    (root / "train" / "cat" / "0.png").unlink()
    assert len(photos(root)) == 6
    assert len(load_images(f"imagefolder:{root}", "train")) == 5
    (root / "val").rename(root / "test")
    assert len(photos(root)) == 6


def test_empty_folders_and_missing_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images"):
        photos(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        photos(tmp_path / "nowhere")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="no photo can be read"):
        photos(tmp_path)
    # other formats and folders inside those of the classes are named
    (tmp_path / "cat" / "a.png").rename(tmp_path / "cat" / "a.avif")
    (tmp_path / "cat" / "inside").mkdir()
    with pytest.raises(InputError, match=r"the folders of the classes hold 1 \.avif, 1 folders$"):
        photos(tmp_path)


def broken(root: Path) -> None:
    """Break three photos of `cat`: no bytes, no image, cut off."""
    cat = root / "test" / "cat"
    (cat / "0.png").write_bytes(b"")
    (cat / "1.png").write_bytes(b"not an image")
    noise = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(cat / "2.png")
    content = (cat / "2.png").read_bytes()
    (cat / "2.png").write_bytes(content[: len(content) // 2])


def test_broken_photos_are_left_out_with_a_reason(tmp_path: Path) -> None:
    root = write_photos(tmp_path, {"cat": 4, "dog": 3})
    broken(root)
    images = photos(root)
    assert len(images) == 7
    assert images.unreadable() == {}
    read = images.read()
    assert read.ids.tolist() == [3, 4, 5, 6] and read.y.tolist() == [0, 1, 1, 1]
    assert len(read.x) == 4
    reasons = images.unreadable()
    assert sorted(reasons) == [0, 1, 2]
    assert all(f"cat{os.sep}{n}.png: cannot be read (" in reasons[n] for n in range(3))
    assert images.beginning(2).ids.tolist() == [3, 4]
    with pytest.raises(InputError, match=r"0\.png: cannot be read"):
        _ = images.x
    with pytest.raises(InputError, match="none of 3 images can be read"):
        images[:3].beginning(2)


def test_only_what_is_taken_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_photos(tmp_path, {"cat": 20, "dog": 20})
    decoded: list[str] = []
    read_photo = folders.read_photo

    def counted(path: Path, *rest: object) -> object:
        decoded.append(path.name)
        return read_photo(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(folders, "read_photo", counted)
    images = photos(root, "[resize=12,crop=8]")
    part = subset(images, 10, 0)
    assert part.fingerprint and images.fingerprint and images.shape == (3, 8, 8)
    assert decoded == []
    assert len(part[:4].read()) == 4 == len(decoded)
    assert len(part[:4].read()) == 4 == len(decoded), "the latest photos are kept"
    monkeypatch.setattr(streamed, "KEPT_BYTES", 0)
    part[4:8].read()
    part[4:8].read()
    assert len(decoded) == 12, "none are kept beyond the limit"


def test_hashes_of_content_and_fingerprints_of_files(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "a", ("cat", "dog"))
    images = photos(root)
    assert images.scored_sha256 == ""
    copied = photos(Path(shutil.copytree(root, tmp_path / "b")))
    for path in (tmp_path / "b").rglob("*.png"):
        os.utime(path, (1, 1))
    touched = photos(tmp_path / "b")
    assert images.sha256 == touched.sha256 == copied.sha256 == images.scored_sha256
    assert images.fingerprint != touched.fingerprint
    assert photos(root).fingerprint == images.fingerprint
    Image.new("RGB", (20, 16), (1, 2, 3)).save(tmp_path / "b" / "test" / "dog" / "2.png")
    changed = photos(tmp_path / "b")
    assert changed.sha256 != images.sha256
    assert changed[:5].sha256 == images[:5].sha256


def test_a_source_can_be_pickled_and_shared_by_threads(tmp_path: Path) -> None:
    images = photos(write_photos(tmp_path, {"cat": 30, "dog": 30}))
    expected = images.x
    assert np.array_equal(pickle.loads(pickle.dumps(images)).x, expected)
    wrong: list[int] = []

    def read(start: int) -> None:
        for _ in range(20):
            if not np.array_equal(
                images[start : start + 20].read().x, expected[start : start + 20]
            ):
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(10 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_photos_of_others(real_data: Path | None) -> None:
    if real_data is None or not (real_data / "photos").is_dir():
        pytest.skip("needs the photos that BENCH_DATA_DIR names")
    images = photos(real_data / "photos", "[resize=256,crop=224,interpolation=bicubic]")
    assert (len(images), len(images.classes)) == (500, 1000)
    assert images.classes[:2] == ("tench", "goldfish")
    assert images.y[:3].tolist() == [0, 2, 4]
    assert images[::50].x.shape == (10, 3, 224, 224)

"""Folders of `datasets`, with the real package: columns, class names, splits, sizes, refusals."""

from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from estimators.data.geometry import (
    Geometry,
    dataset_name,
    hf_choices,
    split_options,
    with_geometry,
)
from estimators.data.handed.huggingface import uniform_size
from estimators.data.handed.objects import from_object
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.spec import Spec

LEVELS = np.random.RandomState(0).randint(0, 256, (6, 8, 9, 3), dtype=np.uint8)
LABELS = [0, 2, 1, 0, 2, 1]


@pytest.fixture(scope="module")
def package() -> Any:
    found = pytest.importorskip("datasets", reason="needs the extra huggingface")
    found.disable_progress_bars()
    return found


@pytest.fixture
def table(package: Any):
    """Make a table; columns are replaced or added by name: values and feature."""

    def make(**columns: tuple[Any, Any]) -> Any:
        photos = [Image.fromarray(x) for x in LEVELS]
        own: dict[str, tuple[Any, Any]] = {
            "img": (photos, package.Image()),
            "fine": (LABELS, package.ClassLabel(names=["cat", "dog", "ape"])),
            "id": (list(range(6)), package.Value("int64")),
            **columns,
        }
        kept = {name: pair for name, pair in own.items() if pair[0] is not None}
        features = package.Features({name: feature for name, (_, feature) in kept.items()})
        return package.Dataset.from_dict({n: v for n, (v, _) in kept.items()}, features=features)

    return make


def refused(name: str, split: Any = "test") -> str:
    with pytest.raises(InputError) as error:
        load_images(name, split)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.slow
def test_columns_and_names_by_features(table, tmp_path: Path) -> None:
    table().save_to_disk(tmp_path / "d")
    images = load_images(f"hf:{tmp_path}/d", "test")
    assert np.array_equal(np.asarray(images.pixels), LEVELS.transpose(0, 3, 1, 2))
    assert (images.y.tolist(), images.classes) == (LABELS, ("cat", "dog", "ape"))
    assert images.class_source == "names"
    assert uniform_size(tmp_path / "d", "test") == (8, 9)
    assert images.ids.tolist() == list(range(6))


@pytest.mark.slow
def test_objects_in_memory_are_read_in_the_same_way(table, package, tmp_path: Path) -> None:
    images = from_object(table(), "d")
    assert np.array_equal(np.asarray(images.pixels), LEVELS.transpose(0, 3, 1, 2))
    streamed = from_object(table().to_iterable_dataset(), "d")
    assert streamed.sha256 == images.sha256
    assert from_object(table().with_format("torch"), "d").sha256 == images.sha256
    arrays = table(
        img=(None, None), pixels=(LEVELS.tolist(), package.Array3D(shape=(8, 9, 3), dtype="uint8"))
    )
    assert from_object(arrays, "d").sha256 == images.sha256


@pytest.mark.slow
def test_splits(table, package, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    whole = table()
    parts = {"train": whole, "validation": whole.select([0, 1]), "extra": whole.select([5])}
    package.DatasetDict(parts).save_to_disk(folder)

    def sizes(name: str) -> list[int]:
        return [len(load_images(f"hf:{name}", split)) for split in ("test", "train")]

    assert sizes(str(folder)) == [2, 6]
    assert sizes(f"{folder}[split=extra]") == [1, 6]
    assert "unknown split" in refused(f"hf:{folder}[split=text]")
    shutil.rmtree(folder)
    package.DatasetDict({"train": whole}).save_to_disk(folder)
    assert f"choose one: hf:{folder}[split=train]" in refused(f"hf:{folder}")
    assert sizes(f"{folder}[split=train]") == [6, 6]


@pytest.mark.slow
def test_sizes(table, tmp_path: Path, package: Any) -> None:
    mixed = [Image.fromarray(np.full((10 + at, 12, 3), at * 40, np.uint8)) for at in range(6)]
    table(img=(mixed, package.Image())).save_to_disk(tmp_path / "d")
    told = refused(f"hf:{tmp_path}/d")
    assert "several sizes" in told and "hf:FOLDER[resize=256,crop=224]" in told
    images = load_images(f"hf:{tmp_path}/d[resize=9,crop=8]", "test")
    assert images.shape == (3, 8, 8)
    assert np.asarray(images.pixels).reshape(6, -1).mean(1).tolist() == [at * 40 for at in range(6)]
    assert uniform_size(tmp_path / "d", "test") is None
    assert uniform_size(tmp_path / "d", "test", {"image": "img"}) is None
    squashed = load_images(f"hf:{tmp_path}/d[resize=7,squash=true]", "test")
    assert squashed.shape == (3, 7, 7)


@pytest.mark.slow
def test_columns_that_leave_a_choice(table, package: Any, tmp_path: Path) -> None:
    coarse = ([1, 0, 1, 0, 1, 0], package.ClassLabel(names=["x", "y"]))
    table(coarse=coarse).save_to_disk(tmp_path / "two")
    assert "several columns may be the label: fine, coarse" in refused(f"hf:{tmp_path}/two")
    images = load_images(f"hf:{tmp_path}/two[label=coarse]", "test")
    assert images.classes == ("x", "y") and images.y.tolist() == coarse[0]
    assert "unknown column" in refused(f"hf:{tmp_path}/two[label=course]")
    table(fine=(None, None)).save_to_disk(tmp_path / "none")
    assert "no column is the label (it has img (Image), id (Value))" in refused(
        f"hf:{tmp_path}/none"
    )
    table(fine=(None, None), label=(LABELS, package.Value("int64"))).save_to_disk(tmp_path / "n")
    numbered = load_images(f"hf:{tmp_path}/n", "test")
    assert (numbered.classes, numbered.class_source) == (("0", "1", "2"), "labels")
    table(img=(None, None)).save_to_disk(tmp_path / "blind")
    assert "cast the column to datasets.Image()" in refused(f"hf:{tmp_path}/blind")


@pytest.mark.slow
def test_no_file_outside_the_folder_is_opened(package: Any, tmp_path: Path) -> None:
    Image.fromarray(LEVELS[0]).save(tmp_path / "secret.png")
    features = package.Features({"image": package.Image(), "label": package.Value("int64")})
    rows = {"image": [{"bytes": None, "path": str(tmp_path / "secret.png")}], "label": [0]}
    made = package.Dataset.from_dict(rows, features=features)
    assert len(from_object(made, "d")) == 1  # in memory: the user's own
    from datasets.arrow_writer import ArrowWriter

    made.save_to_disk(tmp_path / "d")
    file = next((tmp_path / "d").glob("*.arrow"))
    file.unlink()
    with ArrowWriter(path=str(file), features=features) as writer:
        writer.write({"image": {"bytes": None, "path": str(tmp_path / "secret.png")}, "label": 0})
        writer.finalize()
    assert "are not in the folder" in refused(f"hf:{tmp_path}/d")


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such folder; save one where .*'uoft/cifar10'"):
        load_images("hf:uoft/cifar10", "test")
    (tmp_path / "d").mkdir()
    assert "not a folder of save_to_disk" in refused(f"hf:{tmp_path}/d")


def test_names_with_options() -> None:
    name = "hf:a/b[split=val,label=fine,resize=256,crop=224]"
    assert dataset_name(Spec(name)) == name
    assert dataset_name(Spec("hf:a/b[crop=224,label=fine,resize=256,split=val]")) == name
    assert dataset_name(Spec.of("hf:a/b", split="val", label="fine", resize=256, crop=224)) == name
    assert split_options(name) == ("hf:a/b", Geometry(256, 224))
    assert split_options("hf:a/b[split=val]") == ("hf:a/b", None)
    assert hf_choices(name) == {"split": "val", "label": "fine"}
    assert hf_choices("hf:a/b") == hf_choices("imagefolder:a[crop=8]") == {}
    for bare in ("hf:a/b", "hf:a/b[split=val]"):
        sized = with_geometry(bare, Geometry(256, 224))
        assert split_options(sized) == ("hf:a/b", Geometry(256, 224))
        assert hf_choices(sized) == hf_choices(bare)
    with pytest.raises(InputError, match="unknown option"):
        dataset_name(Spec("hf:a/b[splits=val]"))
    name = "hf:a/b[resize=9,crop=8,floor=true]"
    assert split_options(name) == ("hf:a/b", Geometry(9, 8, floor=True))
    assert dataset_name(Spec(name)) == name
    with pytest.raises(InputError, match="squash: expected true or false, beside resize"):
        dataset_name(Spec("hf:a/b[squash=true]"))


def test_results_of_folders_of_photos_keep_their_hashes() -> None:
    """The hash of an image folder contains this text."""
    assert repr(Geometry(256, 224)) == "Geometry(resize=256, crop=224, interpolation='bilinear')"
    assert repr(Geometry()) == "Geometry(resize=None, crop=None, interpolation='bilinear')"
    assert repr(Geometry(8, squash=True)).endswith("squash=True)")


def _bad(package: Any, kind: str) -> tuple[list[Any], Any]:
    """Six labels, of which one is odd, and their feature."""
    return {
        "2^62": ([*LABELS[:5], 2**62], package.Value("int64")),
        "negative": ([*LABELS[:5], -(2**40)], package.Value("int64")),
        "hidden": ([*LABELS[:5], -1], package.ClassLabel(names=["cat", "dog", "ape"])),
        "missing": ([*LABELS[:5], None], package.Value("int64")),
        "missing name": ([*LABELS[:5], None], package.ClassLabel(names=["cat", "dog", "ape"])),
        "fraction": ([*map(float, LABELS[:5]), 0.5], package.Value("float64")),
        "nan": ([*map(float, LABELS[:5]), float("nan")], package.Value("float64")),
        "text": (list("abcabc"), package.Value("string")),
        "two ones": ([[1, 0, 0]] * 5 + [[1, 1, 0]], package.Sequence(package.Value("int64"))),
        "other lengths": ([[1, 0, 0]] * 5 + [[1, 0]], package.Sequence(package.Value("int64"))),
    }[kind]


BAD_LABELS = {
    "2^62": "y has class 4611686018427387904, expected fewer than 100,000 classes",
    "negative": "y has the negative class -1099511627776",
    "hidden": "y has the negative class -1; leave images without a label out",
    "missing": "item 5: its label is 'None'; expected the number of a class",
    "missing name": "item 5: its label is 'None'; expected the number of a class",
    "fraction": "y must be one integer per image, got float64 with fractions",
    "nan": "y must be one integer per image, got float64 with fractions, NaN",
    "text": "item 0: its label is 'a'; expected the number of a class",
    "two ones": "not one 1 and zeros in each row",
    "other lengths": "labels differ in shape",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BAD_LABELS)
def test_labels_that_are_none(table, package, tmp_path: Path, kind: str) -> None:
    """One line, and no memory for as many classes."""
    table(fine=(None, None), label=_bad(package, kind)).save_to_disk(tmp_path / "d")
    tracemalloc.start()
    told = refused(f"hf:{tmp_path}/d[label=label]")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told.startswith(f"data set hf:{tmp_path}/d: ")
    assert BAD_LABELS[kind] in told
    assert peak < 30 << 20


@pytest.mark.slow
def test_one_hot_labels(table, package, tmp_path: Path) -> None:
    hot = np.eye(3, dtype=int)[LABELS].tolist()
    feature = package.Sequence(package.Value("int64"))
    table(fine=(None, None), label=(hot, feature)).save_to_disk(tmp_path / "d")
    images = load_images(f"hf:{tmp_path}/d[label=label]", "test")
    assert (images.y.tolist(), images.classes) == (LABELS, ("0", "1", "2"))

"""Which folder of an image folder is the training split, and which the test split."""

from __future__ import annotations

from pathlib import Path

import pytest

from estimators.data.images import Images
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.spec import Spec
from estimators.training.train_or_load import train_or_load
from tests.helpers.photos import write_photos


def splits(root: Path, **counts: int) -> Path:
    """Write two classes of so many photos below each folder."""
    for name, count in counts.items():
        write_photos(root, {"cat": count, "dog": count})
        (root / "test").rename(root / "moved")
        (root / "moved").rename(root / name)
    return root


def found(root: Path, split: str) -> Images:
    return load_images(f"imagefolder:{root}", split)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", ["test", "val", "validation", "valid", "Test", "VAL"])
def test_names_of_the_test_split(tmp_path: Path, other: str) -> None:
    root = splits(tmp_path, Train=2, **{other: 1})
    assert (len(found(root, "test")), len(found(root, "train"))) == (2, 4)
    told = f"test images from {other}/" in found(root, "test").notes
    assert told == (other != "test"), "what is not called test is said"


def test_the_best_name_is_taken(tmp_path: Path) -> None:
    root = splits(tmp_path, train=5, valid=4, validation=3, val=2)
    assert len(found(root, "test")) == 4
    assert len(found(splits(root, Test=1), "test")) == 2


def test_a_validation_split_alone_is_tested_on(tmp_path: Path) -> None:
    assert len(found(splits(tmp_path, val=1), "test")) == 2


def test_classes_may_be_called_train_and_test(tmp_path: Path) -> None:
    write_photos(tmp_path, {"bus": 1, "test": 1, "train": 1, "val": 1})
    for name in ("bus", "train", "val"):
        (tmp_path / "test" / name).rename(tmp_path / name)
    (tmp_path / "test").rename(tmp_path / "moved")
    (tmp_path / "moved" / "test").rename(tmp_path / "test")
    (tmp_path / "moved").rmdir()
    assert found(tmp_path, "test").classes == ("bus", "test", "train", "val")
    with pytest.raises(InputError, match="has no folder train"):
        found(tmp_path, "train")


@pytest.mark.parametrize("below", ["test", "."])
def test_no_network_is_trained_on_its_test_images(tmp_path: Path, bench, below: str) -> None:
    root = splits(tmp_path, a=2) / "a"
    name = f"imagefolder:{root}"
    if below == "test":
        root.rename(tmp_path / "test")
        name = f"imagefolder:{tmp_path}"
    with pytest.raises(InputError, match=r"has no folder train.*put photos into train/CLASS"):
        train_or_load(name, Spec("lenet"), 1, 0, out=tmp_path / "net.safetensors")
    code, out = bench("run", "--dataset", name, "--network", "lenet", "--samples", "all")
    assert code == 2 and "has no folder train" in " ".join(out.split())


def test_folders_without_a_test_split_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has train/ and neither test/ nor val/; add one"):
        found(splits(tmp_path / "a", train=1), "test")
    root = splits(tmp_path / "b", training=1, testing=1)
    with pytest.raises(InputError, match=r"hold 4 folders, and none of them is called test or val"):
        found(root, "test")

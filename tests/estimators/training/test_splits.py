"""Networks are trained and scored on splits with the same classes and images of one shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.spec import Spec
from estimators.training.splits import as_trained
from estimators.training.train_or_load import train_or_load
from reports.results.read_write import read_results

LENET = Spec("lenet")
FEW = ("--attack", "fgsm:eps=0.01", "--threat", "oblivious", "--defence", "none", "--samples",
       "all", "--threads", "1", "--out", "out")  # fmt: skip


def some(classes: tuple[int, ...], count: int, side: int = 16) -> tuple[Any, Any]:
    """Return grey images whose brightness is their class, and the labels."""
    y = np.repeat(classes, count)
    noise = np.random.default_rng(0).normal(0, 4, (len(y), side, side))
    return np.clip(40 + 70 * y[:, None, None] + noise, 0, 255).astype(np.uint8), y


def write_folder(root: Path, train: str, test: str, test_mode: str = "RGB") -> str:
    """Write photos of one letter per class, whose brightness goes by the alphabet."""
    for split, letters, mode in (("train", train, "RGB"), ("test", test, test_mode)):
        for letter in letters:
            folder = root / split / letter
            folder.mkdir(parents=True)
            for n, pixels in enumerate(some(("abcd".index(letter),), 40)[0]):
                Image.fromarray(pixels).convert(mode).save(folder / f"{n}.png")
    return f"imagefolder:{root}"


def write_archive(path: Path, train: Any, test: Any, **more: Any) -> str:
    (x, y), (x_test, y_test) = train, test
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test, **more)
    return f"npz:{path}"


@pytest.fixture(params=["more", "names", "size", "channels", "photos", "grey photos"])
def differing(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A data set whose splits differ, and what is said of it."""
    two, three = some((0, 1), 4), some((0, 1, 2), 4)
    path = tmp_path / "a.npz"
    if request.param == "more":
        return write_archive(path, two, three), "training split has 2 classes, the test split 3"
    if request.param == "size":
        large = some((0, 1), 4, 20)
        return write_archive(path, two, large), r"shape \[1, 16, 16\], .* split \[1, 20, 20\]"
    if request.param == "channels":
        colour = (np.stack([two[0]] * 3, 1), two[1])
        return write_archive(path, two, colour), r"shape \[1, 16, 16\], .* split \[3, 16, 16\]"
    if request.param == "names":
        name = write_folder(tmp_path / "p", "ab", "ab")
        (tmp_path / "p" / "test" / "classes.txt").write_text("b\na\n")
        return name, "class 0 is 'a' in the training split and 'b' in the test split"
    if request.param == "photos":
        return write_folder(tmp_path / "p", "abc", "abd"), "only the test split has the class 'd'"
    return write_folder(tmp_path / "p", "ab", "ab", "L"), r"shape \[3, .* split \[1, 16, 16\]"


def test_splits_that_differ_are_refused(
    differing: tuple[str, str], monkeypatch: pytest.MonkeyPatch, bench
) -> None:
    name, message = differing

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a training began")

    monkeypatch.setattr("estimators.training.train_or_load.train", never)
    with pytest.raises(InputError, match=message) as told:
        train_or_load(name, LENET, 1, 0)
    assert "\n" not in str(told.value) and name in str(told.value)
    code, out = bench("run", "--dataset", name, "--network", "lenet", *FEW)
    assert code == 2 and str(told.value) in out


def test_counted_classes_are_those_of_the_training_split(tmp_path: Path, bench) -> None:
    name = write_archive(tmp_path / "a.npz", some((0, 1, 2), 60), some((0, 1), 10))
    test = as_trained(load_images(name, "test"), name, LENET, None)
    assert test.classes == ("0", "1", "2") and len(test) == 20
    code, out = bench("run", "--dataset", name, "--network", "lenet", *FEW)
    assert code == 0, out
    assert "3 classes as in the training split" in " ".join(out.split())
    assert read_results(tmp_path / "out")["n"].tolist() == [20]


def test_a_class_without_test_photos_keeps_its_output(tmp_path: Path, bench) -> None:
    name = write_folder(tmp_path / "p", "abc", "ac")
    test = load_images(name, "test")
    assert test.classes == ("a", "b", "c") and sorted(set(test.y.tolist())) == [0, 2]
    assert "those of the training split (1 without a folder in the test split)" in test.notes[0]
    code, out = bench("run", "--dataset", name, "--network", "lenet", *FEW)
    assert code == 0, out
    assert read_results(tmp_path / "out")["n"].tolist() == [80]


def test_an_order_beside_the_training_photos_is_that_of_the_test_photos(tmp_path: Path) -> None:
    name = write_folder(tmp_path / "p", "abc", "ac")
    (tmp_path / "p" / "train" / "classes.txt").write_text("c\nb\na\n")
    assert load_images(name, "test").classes == load_images(name, "train").classes
    # what the training split lacks leaves the test split as it is
    (tmp_path / "p" / "test" / "d").mkdir()
    assert load_images(name, "test").classes == ("a", "c", "d")


def test_an_empty_folder_and_a_file_of_classes_are_classes(tmp_path: Path) -> None:
    name = write_folder(tmp_path / "p", "ac", "abc")
    out = tmp_path / "net.safetensors"
    with pytest.raises(InputError, match=r"only the test split has the class 'b'.*empty folders"):
        train_or_load(name, LENET, 1, 0, out=out)
    (tmp_path / "p" / "train" / "b").mkdir()
    first = train_or_load(name, LENET, 1, 0, out=out)
    (tmp_path / "p" / "train" / "b").rmdir()
    (tmp_path / "p" / "classes.txt").write_text("a\nb\nc\n")
    again = train_or_load(name, LENET, 1, 0, out=tmp_path / "again.safetensors")
    assert again.sha256 == first.sha256

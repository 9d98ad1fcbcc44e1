"""Images, their official indices, and subsets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torchvision

from estimators.data.choice import stratified_order
from estimators.data.images import Images, subset
from estimators.data.load import image_shape, load_images
from estimators.data.registry import DATASETS
from estimators.errors import DataUnavailable, InputError


def test_digits_are_fixed(digits: Images) -> None:
    train = load_images("digits", "train")
    assert (len(train), len(digits)) == (1297, 500)
    assert not set(train.ids) & set(digits.ids)
    assert digits.x.dtype == np.float32
    assert digits.x.shape == (500, 1, 28, 28)
    assert 0 <= digits.x.min() < digits.x.max() <= 1
    assert np.bincount(digits.y).min() >= 45
    # whole grey levels, as MNIST has them
    assert np.array_equal(digits.x, np.round(digits.x * 255).astype(np.float32) / 255)
    assert digits.sha256 == load_images("digits", "test").sha256


@pytest.mark.parametrize("seed", [0, 1])
def test_subsets_are_nested_stratified_and_seeded(digits: Images, seed: int) -> None:
    small, large = subset(digits, 100, seed), subset(digits, 400, seed)
    assert np.array_equal(small.ids, large.ids[:100])
    assert np.abs(np.bincount(small.y, minlength=10) - 10).max() <= 2
    assert not np.array_equal(small.ids, subset(digits, 100, seed + 7).ids)
    assert set(subset(digits, "all", seed).ids) == set(digits.ids)


def test_every_beginning_is_stratified() -> None:
    y = np.repeat(np.arange(3), (600, 300, 100))
    order = stratified_order(y, seed=3)
    assert np.array_equal(np.sort(order), np.arange(1000))
    for n in (10, 50, 100, 500):
        counts = np.bincount(y[order[:n]], minlength=3)
        assert np.abs(counts - n * np.array([0.6, 0.3, 0.1])).max() <= 1.5


@pytest.mark.parametrize("samples", [0, 501, -1])
def test_subset_sizes(digits: Images, samples: int) -> None:
    with pytest.raises(InputError, match="500 images"):
        subset(digits, samples, 0)


def test_own_npz(npz) -> None:
    images = load_images(f"npz:{npz()}", "test")
    assert images.x.shape == (20, 1, 16, 16)
    assert images.classes == ("0", "1", "2", "3")
    ids = np.arange(100, 120)
    named = npz(idx_test=ids, classes=np.array(["a", "b", "c", "d"]))
    again = load_images(f"npz:{named}", "test")
    assert np.array_equal(again.ids, ids)
    assert again.classes == ("a", "b", "c", "d")
    assert again.sha256 != images.sha256
    assert image_shape(f"npz:{named}") == ((1, 16, 16), 4)


def test_channels_first_and_last_are_the_same(npz) -> None:
    x = np.random.RandomState(1).rand(20, 3, 16, 16).astype(np.float32)
    first = load_images(f"npz:{npz(x_test=x)}", "test")
    last = load_images(f"npz:{npz(x_test=x.transpose(0, 2, 3, 1))}", "test")
    assert np.array_equal(first.x, x)
    assert first.sha256 == last.sha256


BAD = {
    "nan": ({"x_test": np.full((20, 16, 16), np.nan)}, "NaN"),
    "above one": ({"x_test": np.full((20, 16, 16), 1.5)}, "must lie in"),
    "negative": ({"x_test": np.full((20, 16, 16), -0.5)}, "must lie in"),
    "integers": ({"x_test": np.zeros((20, 16, 16), dtype=np.int64)}, "uint8 or float"),
    "channels": ({"x_test": np.zeros((20, 5, 16, 16), dtype=np.uint8)}, "1 or 3 channels"),
    "length": ({"y_test": np.arange(19)}, "differ in length"),
    "float labels": ({"y_test": np.linspace(0, 1, 20)}, "integer per image"),
    "negative label": ({"y_test": np.arange(20) - 1}, "negative class"),
    "no x": ({"x_test": None}, "lacks the array x_test"),
    "few classes": ({"classes": np.array(["a", "b"])}, "2 are named"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_npz(npz, case: str) -> None:
    changes, message = BAD[case]
    with pytest.raises(InputError, match=message) as told:
        load_images(f"npz:{npz(**changes)}", "test")
    assert "own.npz" in str(told.value)


def test_damaged_npz(npz) -> None:
    path = npz()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read"):
        load_images(f"npz:{path}", "test")
    with pytest.raises(InputError, match="no such file"):
        load_images("npz:nowhere.npz", "test")


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "pickle.npz"
    array = np.array([{"a": 1}] * 3, dtype=object)
    np.savez(path, x_test=array, y_test=np.arange(3))
    with pytest.raises(InputError, match="Python objects, which are not unpickled"):
        load_images(f"npz:{path}", "test")


def test_npz_in_the_data_directory_goes_first(npz, tmp_path: Path) -> None:
    npz().rename(tmp_path / "mnist.npz")
    images = load_images("mnist", "test", tmp_path)
    assert len(images) == 20
    assert images.classes == tuple("0123456789")


def test_missing_data_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(root: str, train: bool, download: bool) -> None:
        raise RuntimeError("Error downloading")

    monkeypatch.setattr(torchvision.datasets, "MNIST", offline)
    with pytest.raises(DataUnavailable, match=r"put mnist\.npz"):
        load_images("mnist", "test", tmp_path)


def test_unknown_data_set() -> None:
    with pytest.raises(InputError, match="did you mean 'cifar10'"):
        load_images("cifar-10", "test")


def test_known_shapes() -> None:
    # the user's photos decide what `photos` has
    known = [entry for name, entry in DATASETS.items() if name != "photos"]
    assert all(entry.shape and entry.classes for entry in known)
    assert image_shape("digits") == (load_images("digits", "test").shape, 10)

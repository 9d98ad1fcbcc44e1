"""Data sets as objects: torch's, MAITE's in form, loaders; what is refused and streamed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset
from torchvision.datasets import FakeData

from estimators.data.handed import items
from estimators.data.handed.objects import from_object, is_dataset
from estimators.data.load import load_images
from estimators.errors import InputError

LEVELS = np.random.RandomState(0).randint(0, 256, (6, 3, 8, 9), dtype=np.uint8)
LABELS = [0, 2, 1, 0, 2, 1]
NAMES = ("cat", "dog", "ape")


class Own(Dataset[Any]):
    """Images of one form, in order."""

    def __init__(self, form: str, classes: Any = NAMES) -> None:
        self.form, self.classes = form, classes

    def __len__(self) -> int:
        return len(LEVELS)

    def __getitem__(self, at: int) -> Any:
        if not 0 <= at < len(LEVELS):
            raise IndexError(at)
        image: Any = LEVELS[at]
        if self.form == "pil":
            image = Image.fromarray(image.transpose(1, 2, 0))
        elif self.form == "float":
            image = torch.from_numpy(image).float() / 255
        elif self.form == "hwc":
            image = image.transpose(1, 2, 0)
        elif self.form == "bytes tensor":
            image = torch.from_numpy(image)
        return image, torch.tensor(LABELS[at])


class Maite:
    """A data set in the form of MAITE's protocol, without the package."""

    metadata = {"id": "mine", "index2label": {0: "cat", 1: "dog", 2: "ape"}}

    def __len__(self) -> int:
        return len(LEVELS)

    def __getitem__(self, at: int) -> tuple[Any, Any, Any]:
        return LEVELS[at], np.eye(3)[LABELS[at]], {"id": at}


class Stream(IterableDataset[Any]):
    """Items that can only be read one after another."""

    def __iter__(self) -> Any:
        return iter(Own("uint8"))


@pytest.mark.parametrize("form", ["uint8", "hwc", "pil", "float", "bytes tensor"])
def test_every_form_gives_the_same_pixels_in_order(form: str) -> None:
    images = from_object(Own(form), "data set d")
    assert np.array_equal(np.round(images.x * 255), LEVELS)
    assert images.pixels.dtype == (np.float32 if form == "float" else np.uint8)
    assert images.y.tolist() == LABELS
    assert images.ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert (images.classes, images.class_source) == (NAMES, "names")


def test_of_maite_in_form() -> None:
    images = from_object(Maite(), "data set d")
    assert (images.y.tolist(), images.classes) == (LABELS, NAMES)
    assert np.array_equal(np.asarray(images.pixels), LEVELS)


def test_iterables_loaders_subsets_and_lists() -> None:
    whole = from_object(Own("uint8"), "d").sha256
    assert from_object(Stream(), "d").y.tolist() == LABELS
    assert from_object(DataLoader(Own("uint8"), batch_size=4), "d").sha256 == whole
    assert from_object(DataLoader(Own("uint8"), batch_size=4, shuffle=True), "d").sha256 == whole
    part = from_object(Subset(Subset(Own("uint8"), [5, 1, 0]), [1, 0]), "d")
    assert (part.y.tolist(), part.classes) == ([2, 1], NAMES)
    listed = from_object([(LEVELS[0], 0), (LEVELS[1], 1)], "d")
    assert (listed.classes, listed.class_source) == (("0", "1"), "labels")
    tensors = TensorDataset(torch.from_numpy(LEVELS), torch.tensor(LABELS))
    assert np.array_equal(np.asarray(from_object(tensors, "d").pixels), LEVELS)


def test_grey_among_colour_becomes_colour() -> None:
    grey = Image.fromarray(LEVELS[0, 0])
    images = from_object([(grey, 0), (Image.fromarray(LEVELS[1].transpose(1, 2, 0)), 1)], "d")
    assert images.shape == (3, 8, 9)
    assert np.array_equal(images.pixels[0], np.repeat(LEVELS[0, :1], 3, axis=0))
    assert from_object([(grey, 0), (grey, 1)], "d").shape == (1, 8, 9)


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ([], "d: has no items"),
        ([LEVELS[0]], r"item 0: expected \(image, label\), got ndarray"),
        ([(LEVELS[0], 0), (LEVELS[0], "cat")], "item 1: its label is 'cat'"),
        ([(LEVELS[0].astype(int), 0)], "item 0: pixels must be uint8 or float"),
        ([(LEVELS[0] / 100, 0)], r"item 0: pixels from .* must lie in \[0, 1\]"),
        ([(LEVELS[0] * np.nan, 0)], "item 0: pixels from nan"),
        ([(LEVELS[0, :2], 0)], r"expected an image \[C,H,W\]"),
        ([(LEVELS[0], 0), (LEVELS[0][:, :4], 0)], "several sizes .*item 1: 9 x 4"),
        ([(LEVELS[0], 0), (LEVELS[0] / 255, 0)], "several kinds"),
        ([(LEVELS[0], 0), (LEVELS[0], [0, 1])], "labels differ in shape"),
        ([(LEVELS[0], -1)], "negative class -1"),
        (7, "expected a data set with __len__ and __getitem__"),
    ],
    ids=str,
)
def test_what_is_refused(listed: Any, told: str) -> None:
    with pytest.raises(InputError, match=told) as error:
        from_object(listed, "d")
    assert str(error.value).startswith("d: ")
    assert "\n" not in str(error.value)


def test_random_transforms_are_refused() -> None:
    class Random(Own):
        def __getitem__(self, at: int) -> Any:
            return torch.rand(3, 8, 8), 0

    with pytest.raises(InputError, match="item 0 is another image when it is read again"):
        from_object(Random("x"), "d")


def test_an_item_that_raises_is_named() -> None:
    class Broken(Own):
        def __getitem__(self, at: int) -> Any:
            if at == 4:
                raise OSError("gone")
            return super().__getitem__(at)

    with pytest.raises(InputError, match=r"item 4 cannot be read \(OSError: gone\)"):
        from_object(Broken("uint8"), "d")


def test_more_than_the_memory_may_hold_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = from_object(Own("uint8"), "d")
    monkeypatch.setattr(items, "LARGE", LEVELS[0].nbytes * 3)
    images = from_object(Own("uint8"), "d")
    assert images.streamed
    assert np.array_equal(images.x, whole.x)
    assert np.array_equal(images[np.array([4, 1])].x, whole.x[[4, 1]])
    assert np.array_equal(pickle.loads(pickle.dumps(images)).x, whole.x)
    other = from_object(Own("float"), "d")
    assert other.fingerprint != images.fingerprint
    with pytest.raises(InputError, match="can only be read in one go"):
        from_object(Stream(), "d")


def test_by_dotted_name(module, tmp_path: Path) -> None:
    module(
        "mine",
        """
        import numpy as np
        from torchvision.datasets import FakeData

        ready = FakeData(size=4, image_size=(3, 8, 8), num_classes=3)

        def made():
            return ready

        def of(split, data_dir):
            return FakeData(size=2 if split == "test" else 5, image_size=(3, 8, 8))

        class Like:
            classes = ["a", "b"]

            def __init__(self, root, train=True):
                self.n = 3 if train else 2

            def __len__(self):
                return self.n

            def __getitem__(self, at):
                return np.full((3, 8, 8), at, np.uint8), at % 2

        number = 5
        """,
    )
    expected = from_object(FakeData(size=4, image_size=(3, 8, 8), num_classes=3), "d")
    assert load_images("mine:ready", "test").sha256 == expected.sha256
    assert load_images("mine:made", "test").sha256 == expected.sha256
    assert [len(load_images("mine:of", s)) for s in ("test", "train")] == [2, 5]
    assert [len(load_images("mine:Like", s)) for s in ("test", "train")] == [2, 3]
    assert load_images("mine:Like", "test").classes == ("a", "b")
    with pytest.raises(InputError, match="expected Images, arrays"):
        load_images("mine:number", "test")


def test_what_is_a_data_set() -> None:
    assert is_dataset(Own("pil")) and is_dataset(Stream()) and is_dataset([])
    assert not is_dataset(Own) and not is_dataset((1, 2)) and not is_dataset(len)

"""The data set `photos`: a folder or an archive in the data directory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from estimators.data.load import image_shape, load_images
from estimators.errors import DataUnavailable


def test_no_photos_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"photos/test/CLASS/") as raised:
        load_images("photos", "test", tmp_path)
    assert "\n" not in str(raised.value)


def test_a_folder_is_cut_to_224_pixels(tmp_path: Path) -> None:
    for name, colour in (("n02", (250, 0, 0)), ("n01", (0, 0, 250))):
        folder = tmp_path / "photos" / "test" / name
        folder.mkdir(parents=True)
        Image.new("RGB", (400, 300), colour).save(folder / "one.png")
    (tmp_path / "photos" / "classes.tsv").write_text("n02\tred\nn03\tnone\nn01\tblue\n")
    images = load_images("photos", "test", tmp_path)
    assert images.shape == (3, 224, 224) and image_shape("photos", tmp_path) == ((3, 224, 224), 3)
    found = {images.classes[images.y[n]]: images.x[n].mean(axis=(1, 2)) * 255 for n in range(2)}
    np.testing.assert_allclose(found["red"], (250, 0, 0), atol=0.01)
    np.testing.assert_allclose(found["blue"], (0, 0, 250), atol=0.01)


def test_an_archive_comes_before_a_folder(tmp_path: Path) -> None:
    x = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "photos.npz", x_test=x, y_test=np.array([0, 1]))
    assert load_images("photos", "test", tmp_path).shape == (3, 8, 8)

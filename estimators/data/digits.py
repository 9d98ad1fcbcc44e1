"""scikit-learn's digits, which need no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from estimators.data.choice import stratified_order
from estimators.data.images import Images, Split, nchw
from estimators.data.registry import TEN_DIGITS

DIGITS_TEST_SIZE = 500


def digits(split: Split, folder: Path) -> Images:
    """Return scikit-learn's 8x8 digits, scaled to 28x28; 500 of the 1,797 are the test split.

    Pillow scales 8-bit images with integer arithmetic: the same pixels on every machine.
    """
    bunch = load_digits()
    grey = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    scaled = [Image.fromarray(g).resize((28, 28), Image.Resampling.BICUBIC) for g in grey]
    x = nchw(np.stack([np.asarray(image) for image in scaled]), "digits")
    y = bunch.target.astype(np.int64)
    order = stratified_order(y, seed=0)
    chosen = order[:DIGITS_TEST_SIZE] if split == "test" else order[DIGITS_TEST_SIZE:]
    ids = np.sort(chosen)
    return Images(x[ids], y[ids], ids, TEN_DIGITS)

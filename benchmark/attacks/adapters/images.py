"""Adversarial images that others made, as an attack: `images:FILE` scores them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from benchmark.attacks.adapters.image_files import ImageFile, image_file
from benchmark.attacks.steps.budget import limit, sizes
from benchmark.attacks.steps.checks import FloatArray, IntArray, Labels
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier
from estimators.data.images import BLOCK, Images, as_floats
from estimators.errors import InputError
from estimators.spec import Spec

# images whose distances show whether a file without ids is paired with the right images
COMPARED = 200
# the least share of images that are nearer to their own clean image than to another; by chance it
# is one half
PAIRED = 0.6
# ids in a message
SHOWN = 3


class SavedImages(TensorAttack):
    """Images of a file, each in the place of the image that has its id."""

    def __init__(
        self,
        estimator: Classifier,
        file: str,
        norm: float | str = "inf",
        eps: float | None = None,
        key: str | None = None,
    ) -> None:
        """Read nothing yet; norm and eps are those that `check_images` and the run compare with."""
        super().__init__(estimator)
        self.file, self.key = Path(file), key

    def generate(
        self, x: FloatArray, y: Labels | None = None, ids: IntArray | None = None, seed: int = 0
    ) -> FloatArray:
        """Return the images of the file for images x [N, C, H, W] with indices ids [N]."""
        indices = np.arange(len(x)) if ids is None else ids
        return as_floats(image_file(self.file, self.key).take(indices))

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Raise TypeError: the images come from the file, not from those of a batch."""
        raise TypeError("images of a file are taken by id; call generate")


def check_images(spec: Spec, file: Path, images: Images, own_indices: bool) -> None:
    """Compare a file with the images of a cell, before any work.

    spec: of the attack. images: those that are chosen. own_indices: the data set has indices that
        are not the places of its images.

    Raises InputError, in one line, for a file that cannot be read, lacks an image, has other shapes
    or labels or pixels outside [0, 1], is not paired with the images, or leaves the bound.
    """
    key = spec.get("key")
    found = image_file(file, None if key is None else str(key))
    where = f"attack {spec}"
    rows = found.rows(images.ids)
    lacks = images.ids[rows < 0]
    if not found.has_ids and own_indices:
        raise InputError(
            f"{where}: has no ids, and the data set numbers its images in its own way; add an array"
            " ids with the index of each image"
        )
    if len(lacks):
        has, advice = "has ids", "choose other samples"
        if not found.has_ids:
            has = f"has no ids (its rows are the images 0 to {len(found) - 1} of the data set)"
            advice = "add an array ids with the index of each image"
        raise InputError(
            f"{where}: {has} and lacks {len(lacks)} of the {len(images)} images that are scored"
            f" ({_listed(lacks)}); {advice}"
        )
    if found.y is not None:
        other = images.ids[found.y[rows] != images.y]
        if len(other):
            raise InputError(
                f"{where}: {len(other)} of {len(images)} labels are not those of the data set"
                f" ({_listed(other)}); is it of another data set or split?"
            )
    _check_pixels(spec, found, images, where)


def _check_pixels(spec: Spec, found: ImageFile, images: Images, where: str) -> None:
    """Raise InputError for shapes, pairs and bounds that do not fit, block by block."""
    eps, norm = spec.get("eps"), str(spec.get("norm", "inf"))
    far: list[IntArray] = []
    excess = 0.0
    for start in range(0, len(images), BLOCK):
        clean = images[start : start + BLOCK].read()
        if not len(clean):
            continue
        pixels = as_floats(found.take(clean.ids))
        if pixels.shape != clean.x.shape:
            shapes = f"{list(pixels.shape[1:])}, those of the data set {list(clean.x.shape[1:])}"
            raise InputError(f"{where}: its images are {shapes}")
        if start == 0 and not found.has_ids:
            _check_pairs(pixels, clean.x, where)
        if isinstance(eps, float):
            size = sizes(pixels - clean.x, norm)
            far.append(clean.ids[~(size <= limit(eps, norm))])
            excess = max(excess, float((size - eps).max()))
    ids = np.concatenate(far) if far else np.empty(0, np.int64)
    if len(ids):
        name = "Linf" if norm == "inf" else f"L{norm}"
        raise InputError(
            f"{where}: {len(ids)} of {len(images)} images leave {name} {eps:g}"
            f" ({_listed(ids)}), by up to {excess:.3g}; name a larger eps, or none to score them"
            " without a bound"
        )


def _check_pairs(pixels: FloatArray, clean: FloatArray, where: str) -> None:
    """Raise InputError for images without ids that are as near to any others as to their own."""
    few = min(COMPARED, len(clean))
    own, other = (
        sizes(pixels[:few] - np.roll(clean[:few], shift, axis=0), "2") for shift in (0, few // 2)
    )
    share = float((own < other).mean())
    if few > 1 and share < PAIRED:
        raise InputError(
            f"{where}: has no ids, and row by row its images are not those of the data set"
            f" ({100 * share:.0f} % are nearer to the image of their row than to another); add an"
            " array ids with the index of each image"
        )


def _listed(ids: IntArray) -> str:
    """Return the first indices for a message."""
    shown = ", ".join(str(i) for i in ids[:SHOWN].tolist())
    return f"image {shown}" if len(ids) == 1 else f"images {shown}{', ...' * (len(ids) > SHOWN)}"

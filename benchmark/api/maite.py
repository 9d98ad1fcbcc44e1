"""Data sets and networks of this project as objects of MAITE's protocols, for its users' tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.runs.images import output_order, with_classes_of, with_declared_size
from estimators.data.images import Images, Split
from estimators.data.load import load_images
from estimators.networks.given import guarded_network, in_order, is_given
from estimators.spec import Spec, parse_spec
from estimators.training.splits import as_trained
from estimators.training.train_or_load import trained_network

FloatArray = npt.NDArray[np.float32]
BATCH = 125


class MaiteDataset:
    """Images as a MAITE image-classification data set.

    An item is an image [C, H, W] in [0, 1] (float32), a one-hot label [classes] and
    `{"id": INDEX}` with the official index.
    """

    def __init__(self, images: Images, name: str) -> None:
        self._images = images
        names = dict(enumerate(images.classes))
        self.metadata: dict[str, Any] = {"id": name, "index2label": names}

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int, /) -> tuple[FloatArray, FloatArray, dict[str, Any]]:
        """Return image, label and metadata of a position; IndexError beyond the last one."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        at = index % len(self)
        one = self._images[at : at + 1]
        label = np.zeros(len(self._images.classes), np.float32)
        label[int(one.y[0])] = 1
        return one.x[0], label, {"id": int(one.ids[0])}

    def __iter__(self) -> Iterator[tuple[FloatArray, FloatArray, dict[str, Any]]]:
        """Return an iterator over all items."""
        return (self[at] for at in range(len(self)))


class MaiteModel:
    """A network as a MAITE image-classification model.

    network: the torch module itself, for attacks that need gradients; it maps images [N, C, H, W]
        in [0, 1] to logits.
    """

    def __init__(self, network: torch.nn.Module, name: str, classes: Sequence[str]) -> None:
        self.network = network
        self.metadata: dict[str, Any] = {"id": name, "index2label": dict(enumerate(classes))}

    def __call__(self, batch: Sequence[Any], /) -> list[FloatArray]:
        """Return the logits [classes] of each image [C, H, W] in [0, 1]."""
        found: list[FloatArray] = []
        for start in range(0, len(batch), BATCH):
            part = [np.asarray(image, dtype=np.float32) for image in batch[start : start + BATCH]]
            with torch.no_grad():
                logits = self.network(torch.from_numpy(np.stack(part)))
            found += list(logits.float().numpy())
        return found


def export_maite(
    dataset: str, network: str | Spec, split: Split = "test", data_dir: str | Path | None = None
) -> tuple[MaiteDataset, MaiteModel]:
    """Return a data set and a network, as grids name them, as objects of MAITE's protocols.

    They have one order of classes and one size of images, as in a run. A network that is trained
    here is loaded or trained.

    Raises InputError as a run does.
    """
    spec = parse_spec(network) if isinstance(network, str) else network
    folder = None if data_dir is None else Path(data_dir)
    name, _ = with_declared_size(dataset, [spec])
    images = load_images(name, split, folder)
    if is_given(spec):
        found = guarded_network(spec, images.shape, len(images.classes))
        images, _ = with_classes_of(images, found.network, spec)
        order = output_order(images, found.network, spec)
        found = found if order is None else in_order(found, order)
    else:
        images = as_trained(images, name, spec, folder) if split == "test" else images
        found = trained_network(name, spec, folder)
    module = found.network.cpu().eval()
    return MaiteDataset(images, dataset), MaiteModel(module, str(spec), images.classes)

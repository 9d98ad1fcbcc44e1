"""What `bench speed` measures on, and the plain ART loop that it compares with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from art.attacks.evasion import FastGradientMethod
from art.defences.preprocessor import JpegCompression as ArtJpeg
from art.defences.preprocessor.preprocessor import Preprocessor
from art.estimators.classification import PyTorchClassifier
from torch import nn

from benchmark.execution.environment import default_threads
from estimators.data.images import Images

EPS = tuple(round(0.03 * n, 2) for n in range(10))
QUALITIES = (95, 90, 80, 70, 60, 50, 40, 30, 20, 10, 5)
# crafts the adversarial images of all images of a bench
Attack = Callable[[], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Bench:
    """What the timings use.

    network: a trained network. images: the images. repeat: number of timed runs.
    eps, qualities: of FGSM and of JPEG, in a grid. name: of the network; "" for that of its class.
    """

    network: nn.Module
    images: Images
    repeat: int
    eps: tuple[float, ...] = EPS
    qualities: tuple[int, ...] = QUALITIES
    name: str = ""

    @property
    def classes(self) -> int:
        """Return the number of classes."""
        return len(self.images.classes)


def plain_loop(bench: Bench, threat: str) -> list[int]:
    """Run the loop that a user writes: ART's own classes and defaults, one cell at a time.

    Returns the number of right images per eps and quality.
    """
    torch.set_num_threads(default_threads("cpu"))
    x, y = bench.images.x, bench.images.y
    hits = []
    for eps in bench.eps:
        bare = art_classifier(bench)
        adversarial = FastGradientMethod(bare, eps=eps).generate(x, y=y)
        for quality in bench.qualities:
            defence = ArtJpeg((0.0, 1.0), quality=quality, channels_first=True)
            if threat == "adaptive":
                behind = art_classifier(bench, [defence])
                adversarial = FastGradientMethod(behind, eps=eps).generate(x, y=y)
                predicted = behind.predict(adversarial)
            else:
                predicted = bare.predict(defence(adversarial)[0])
            hits.append(int((predicted.argmax(1) == y).sum()))
    return hits


def art_classifier(bench: Bench, defences: Sequence[Preprocessor] = ()) -> PyTorchClassifier:
    """Return the network in ART's own classifier, as a user would wrap it."""
    return PyTorchClassifier(
        bench.network.requires_grad_(True),
        nn.CrossEntropyLoss(),
        bench.images.shape,
        bench.classes,
        clip_values=(0.0, 1.0),
        device_type="cpu",
        preprocessing_defences=list(defences) or None,
    )

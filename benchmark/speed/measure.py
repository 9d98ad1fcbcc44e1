"""`bench speed`: this project against ART, foolbox and torchattacks in alternating runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from art.defences.preprocessor import JpegCompression as ArtJpeg
from torch import nn

from benchmark.speed.attacks import carlini_lines, pgd_lines
from benchmark.speed.grid import grid_line
from benchmark.speed.rivals import Bench
from benchmark.speed.timing import Measured, alternate
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.defences.jpeg import JpegCompression
from estimators.errors import InputError
from estimators.networks.given import guarded_network
from estimators.spec import Spec
from estimators.training.checkpoints import load_checkpoint, shipped_file

LITE0 = Spec("efficientnet:lite0")


def measure(
    data_dir: Path | None,
    repeat: int = 5,
    only: str = "",
    skipped: Callable[[str], object] = lambda text: None,
) -> Iterable[Measured]:
    """Yield the lines of the table; each is the median of `repeat` pairs.

    They are measured on MNIST, and on photos with EfficientNet-Lite0.
    only: a part of the names of the lines to measure.
    skipped: called with one line of text for each line that is left out, for want of its data or
        network. With `only`, these raise InputError.
    """

    def mnist(network: str, samples: int) -> Bench:
        images = subset(load_images("mnist", "test", data_dir), samples, 0)
        return Bench(load_checkpoint(shipped_file("mnist", Spec(network))).network, images, repeat)

    def photos() -> Bench:
        name = "EfficientNet-Lite0, 224x224"
        images = subset(load_images("photos", "test", data_dir), 50, 0).read()
        network = guarded_network(LITE0, images.shape, len(images.classes)).network
        return Bench(network, images, repeat, (4 / 255,), (95, 75, 50, 25, 10), name)

    def colour() -> Bench:
        x = np.random.RandomState(0).rand(1000, 3, 32, 32).astype(np.float32)
        ids = np.arange(1000)
        return Bench(nn.Identity(), Images(x, ids % 10, ids), repeat)

    lines: dict[str, Callable[[], Iterable[Measured]]] = {
        "grid lenet oblivious": lambda: [grid_line(mnist("lenet", 1000), "oblivious")],
        "grid lenet adaptive": lambda: [grid_line(mnist("lenet", 1000), "adaptive")],
        "grid resnet oblivious": lambda: [grid_line(mnist("resnet", 250), "oblivious")],
        "jpeg grey": lambda: [_jpeg_line(mnist("lenet", 1000), "grey")],
        "jpeg rgb": lambda: [_jpeg_line(colour(), "RGB")],
        "photos oblivious": lambda: [grid_line(photos(), "oblivious")],
        "photos adaptive": lambda: [grid_line(photos(), "adaptive")],
        "pgd": lambda: pgd_lines(mnist("lenet", 250)),
        "cw": lambda: carlini_lines(mnist("lenet", 100)),
    }
    for name, line in lines.items():
        if only in name:
            try:
                yield from line()
            except InputError as error:
                if only:
                    raise
                # photos and their network are not everywhere
                skipped(f"{name}: left out: {error}")


def _jpeg_line(bench: Bench, kind: str) -> Measured:
    """Time JPEG compression and decompression on one thread, ART's class against ours."""
    torch.set_num_threads(1)
    x = bench.images.x
    theirs = ArtJpeg((0.0, 1.0), quality=50, channels_first=True)
    ours = JpegCompression(quality=50)
    pair = alternate(lambda: ours(x)[0], lambda: theirs(x)[0], bench.repeat)
    return pair.line(
        f"JPEG round trip, {x.shape[2]}x{x.shape[3]} {kind}, 1,000 images, one thread",
        "ART's JpegCompression",
        np.array_equal(pair.our_result, pair.their_result),
        f"{len(x) / pair.our_seconds:,.0f} images/s",
    )

"""`bench speed`: this project against ART and other libraries in alternating runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from art.defences.preprocessor import JpegCompression as ArtJpeg
from torch import nn

from benchmark.execution.memory import keep_memory
from benchmark.speed.attacks import carlini_lines, pgd_lines
from benchmark.speed.grid import grid_line
from benchmark.speed.lines import chosen
from benchmark.speed.original import autoattack_line
from benchmark.speed.paper import paper_line
from benchmark.speed.rivals import Bench
from benchmark.speed.startup import startup_lines
from benchmark.speed.timing import Measured, alternate
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.defences.jpeg import JpegCompression
from estimators.errors import InputError
from estimators.networks.given import guarded_network
from estimators.spec import Spec
from estimators.training.checkpoints import load_checkpoint, shipped_file

LITE0 = Spec("efficientnet:lite0")


@dataclass(frozen=True)
class Subjects:
    """What the lines are measured on.

    data_dir: folder of the data files; None for the default one. repeat: pairs of timings.
    skipped: called with one line of text for each comparison that is left out.
    weights: the folder of `bench anchors`. original: a checkout of AutoAttack's authors.
    """

    data_dir: Path | None
    repeat: int
    skipped: Callable[[str], object] = lambda text: None
    weights: Path | None = None
    original: Path | None = None

    def mnist(self, network: str, samples: int) -> Bench:
        """Return some images of MNIST and a network that the package has trained."""
        images = subset(load_images("mnist", "test", self.data_dir), samples, 0)
        checkpoint = shipped_file("mnist", Spec(network))
        return Bench(load_checkpoint(checkpoint).network, images, self.repeat)


def measure(
    data_dir: Path | None,
    repeat: int = 5,
    only: str = "",
    skipped: Callable[[str], object] = lambda text: None,
    begun: Callable[[str, int, int], object] = lambda name, number, count: None,
    weights: Path | None = None,
    original: Path | None = None,
) -> Iterable[Measured]:
    """Yield the lines of the table; each is the median of `repeat` pairs.

    They are measured on MNIST, and on photos with EfficientNet-Lite0.
    only: a part of the names of the lines to measure, see `lines.chosen`.
    skipped: called with one line of text for each line that is left out, for want of its data or
        network. With `only`, these raise InputError.
    weights, original: see Subjects.
    begun: called before each line with its name, its number and how many there are.
    """
    lines = chosen(only)
    keep_memory()  # for both sides: else the first lines pay page faults that later ones do not
    for number, line in enumerate(lines, 1):
        begun(line.name, number, len(lines))
        try:
            of = Subjects(data_dir, repeat, skipped, weights, original)
            for measured in line.load()(of, *line.arguments):
                yield replace(measured, goal=line.goal)
        except InputError as error:
            if only:
                raise InputError(f"{line.name}: {error}") from error
            # photos and their network are not everywhere
            skipped(f"{line.name}: left out: {error}")


def mnist_grid(subjects: Subjects, network: str, samples: int, threat: str) -> Iterable[Measured]:
    """Time a grid on MNIST."""
    yield grid_line(subjects.mnist(network, samples), threat)


def photo_grid(subjects: Subjects, threat: str) -> Iterable[Measured]:
    """Time a grid on photos."""
    name = "EfficientNet-Lite0, 224x224"
    images = subset(load_images("photos", "test", subjects.data_dir), 50, 0).read()
    network = guarded_network(LITE0, images.shape, len(images.classes)).network
    of = Bench(network, images, subjects.repeat, (4 / 255,), (95, 75, 50, 25, 10), name)
    yield grid_line(of, threat)


def jpeg_grey(subjects: Subjects) -> Iterable[Measured]:
    """Time JPEG on MNIST."""
    yield _jpeg_line(subjects.mnist("lenet", 1000), "grey")


def jpeg_colour(subjects: Subjects) -> Iterable[Measured]:
    """Time JPEG on random colour images."""
    x = np.random.RandomState(0).rand(1000, 3, 32, 32).astype(np.float32)
    ids = np.arange(1000)
    yield _jpeg_line(Bench(nn.Identity(), Images(x, ids % 10, ids), subjects.repeat), "RGB")


def pgd(subjects: Subjects) -> Iterable[Measured]:
    """Time PGD on MNIST."""
    yield from pgd_lines(subjects.mnist("lenet", 250), subjects.skipped)


def carlini(subjects: Subjects) -> Iterable[Measured]:
    """Time C&W on MNIST."""
    yield from carlini_lines(subjects.mnist("lenet", 100), subjects.skipped)


def autoattack(subjects: Subjects) -> Iterable[Measured]:
    """Time AutoAttack against its authors' code."""
    yield autoattack_line(subjects.original, subjects.weights, subjects.data_dir)


def startup(subjects: Subjects) -> Iterable[Measured]:
    """Time the start of commands."""
    yield from startup_lines(subjects.repeat)


def paper_quick(subjects: Subjects) -> Iterable[Measured]:
    """Time the small reproduction of the paper."""
    yield paper_line(subjects.data_dir)


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

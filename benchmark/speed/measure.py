"""`bench speed`: the harness against the loop that a user of ART writes, in one alternating run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmark.execution.environment import default_threads
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.plan import Task, plan
from benchmark.execution.threads import ThreadExecutor
from benchmark.grids.cell import Cell
from benchmark.speed.rivals import (
    EPS,
    QUALITIES,
    Bench,
    art_classifier,
    carlini_peers,
    pgd_peers,
    plain_loop,
)
from estimators.classifier import BATCH, Classifier, channels_last, folded
from estimators.data.images import Images, subset
from estimators.data.registry import load_images
from estimators.defences.jpeg import JpegCompression
from estimators.spec import Spec
from estimators.training.checkpoints import load_checkpoint, shipped_file


@dataclass(frozen=True)
class Measured:
    """One line of the table.

    work: what was done. rival: whom against. ours, theirs: median seconds.
    ratio: theirs / ours, pair by pair, the median. same: tables or images are identical; None
        where they are not meant to be. note: what else there is to say.
    """

    work: str
    rival: str
    ours: float
    theirs: float
    ratio: float
    same: bool | None
    note: str = ""


def measure(data_dir: Path | None, repeat: int = 5, only: str = "") -> Iterable[Measured]:
    """Every line in turn, on MNIST; each is the median of `repeat` alternating pairs.

    only: a part of the names of the lines to measure.
    """

    def mnist(network: str, samples: int) -> Bench:
        images = subset(load_images("mnist", "test", data_dir), samples, 0)
        return Bench(load_checkpoint(shipped_file("mnist", Spec(network))).network, images, repeat)

    def colour() -> Bench:
        x = np.random.RandomState(0).rand(1000, 3, 32, 32).astype(np.float32)
        ids = np.arange(1000)
        return Bench(nn.Identity(), Images(x, ids % 10, ids), repeat)

    lines: dict[str, Callable[[], Iterable[Measured]]] = {
        "grid lenet oblivious": lambda: [_grid(mnist("lenet", 1000), "oblivious")],
        "grid lenet adaptive": lambda: [_grid(mnist("lenet", 1000), "adaptive")],
        "grid resnet oblivious": lambda: [_grid(mnist("resnet", 250), "oblivious")],
        "jpeg grey": lambda: [_jpeg(mnist("lenet", 1000), "grey")],
        "jpeg rgb": lambda: [_jpeg(colour(), "RGB")],
        "pgd": lambda: _pgd(mnist("lenet", 250)),
        "cw": lambda: _carlini(mnist("lenet", 100)),
    }

    for name, line in lines.items():
        if only in name:
            yield from line()


def _alternate(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeat: int
) -> tuple[float, float, float, Any, Any]:
    """Median seconds of both, median ratio of the pairs, and the last result of each."""
    pairs, mine, other = [], None, None
    ours()  # warm: compiled kernels, allocated buffers
    for _ in range(repeat):
        start = time.perf_counter()
        mine = ours()
        middle = time.perf_counter()
        other = theirs()
        pairs.append((middle - start, time.perf_counter() - middle))
    a, b = (statistics.median(p[n] for p in pairs) for n in (0, 1))
    return a, b, statistics.median(t / o for o, t in pairs), mine, other


def _grid(bench: Bench, threat: str) -> Measured:
    """FGSM at 10 eps behind 11 qualities, against the plain loop; and the floor."""
    network = Spec("own")
    cells = [
        Cell(
            "own",
            network,
            Spec.of("fgsm", eps=e),
            threat,
            Spec.of("jpeg", quality=q),
            len(bench.images),
            0,
        )
        for e in EPS
        for q in QUALITIES
    ]
    tasks = plan(cells)
    models = {("own", network): TrainedNetwork(bench.network, bench.images.shape, bench.classes)}

    def ours() -> list[int]:
        hits: dict[Cell, int] = {}

        def done(task: Task, found: Any, seconds: float) -> None:
            for part in found:
                for cell, outcome in part.items():
                    right = int((outcome.adversarial == outcome.label).sum())
                    hits[cell] = hits.get(cell, 0) + right

        executor = ThreadExecutor(default_threads("cpu"))
        executor.execute(tasks, lambda task: bench.images, models, lambda *_: None, done)
        return [hits[cell] for cell in cells]

    a, b, ratio, mine, other = _alternate(ours, lambda: plain_loop(bench, threat), bench.repeat)
    floor = _floor(bench, forwards=len(cells), gradients=1 if threat == "oblivious" else 11)
    name = type(bench.network).__name__
    return Measured(
        f"{name}, 10 eps x 11 qualities, {len(bench.images):,} images, {threat}",
        "plain ART loop",
        a,
        b,
        ratio,
        mine == other,
        f"floor {floor:.2f} s, {a / floor:.2f} times the floor",
    )


def _floor(bench: Bench, forwards: int, gradients: int) -> float:
    """Seconds of nothing but forward and backward passes, at the engine's batch and threads."""
    from concurrent.futures import ThreadPoolExecutor

    torch.set_num_threads(1)
    x, y = torch.from_numpy(bench.images.x), torch.from_numpy(bench.images.y)

    def job(part: tuple[torch.Tensor, torch.Tensor]) -> None:
        torch.set_num_threads(1)
        classifier = Classifier(bench.network, bench.images.shape, bench.classes)
        scorer, at = folded(classifier.network), channels_last(part[0])
        for _ in range(gradients):
            classifier.input_gradient(*part)
        with torch.inference_mode():
            for _ in range(forwards):
                scorer(at)

    parts = list(zip(torch.split(x, BATCH), torch.split(y, BATCH), strict=True))
    times = []
    for _ in range(bench.repeat):
        start = time.perf_counter()
        with ThreadPoolExecutor(default_threads("cpu")) as pool:
            list(pool.map(job, parts))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _jpeg(bench: Bench, kind: str) -> Measured:
    """The round trip behind one network, one thread: bytes to bytes, ART's class to ours."""
    from art.defences.preprocessor import JpegCompression as ArtJpeg

    torch.set_num_threads(1)
    x = bench.images.x
    theirs = ArtJpeg((0.0, 1.0), quality=50, channels_first=True)
    ours = JpegCompression(quality=50)
    a, b, ratio, mine, other = _alternate(lambda: ours(x)[0], lambda: theirs(x)[0], bench.repeat)
    return Measured(
        f"JPEG round trip, {x.shape[2]}x{x.shape[3]} {kind}, 1,000 images, one thread",
        "ART's JpegCompression",
        a,
        b,
        ratio,
        np.array_equal(mine, other),
        f"{len(x) / a:,.0f} images/s",
    )


def _pgd(bench: Bench) -> Iterable[Measured]:
    """PGD-40 against ART and, where they are installed, foolbox and torchattacks."""
    from art.attacks.evasion import ProjectedGradientDescent

    from benchmark.attacks.projected_gradient import ProjectedGradient

    torch.set_num_threads(1)
    options: dict[str, Any] = {"eps": 0.3, "eps_step": 0.01, "max_iter": 40}
    x, y = bench.images.x, bench.images.y
    fast = Classifier(bench.network, bench.images.shape, bench.classes)
    ours = ProjectedGradient(fast, batch_size=BATCH, **options)
    rivals: dict[str, Callable[[], Any]] = {
        f"ART, batches of {size}": lambda size=size: ProjectedGradientDescent(  # type: ignore[misc]
            art_classifier(bench), batch_size=size, verbose=False, **options
        ).generate(x, y=y)
        for size in (32, 125)
    }
    rivals.update(pgd_peers(bench))
    twin = ProjectedGradientDescent(fast, batch_size=BATCH, verbose=False, **options)
    images = twin.generate(x, y=y)
    for name, rival in rivals.items():
        a, b, ratio, mine, other = _alternate(lambda: ours.generate(x, y=y), rival, bench.repeat)
        # ART's class on the same classifier: on its own the convolutions round differently
        same = np.array_equal(mine, images) if name.startswith("ART") else None
        far = float(np.abs(mine - np.asarray(other)).max())
        yield Measured(
            f"PGD-40, LeNet, {len(x)} images, one thread",
            name,
            a,
            b,
            ratio,
            same,
            f"largest difference to its images {far:.1e}",
        )


def _carlini(bench: Bench) -> Iterable[Measured]:
    """C&W: stock settings for identical images; the default against foolbox's, at full success."""
    from art.attacks.evasion import CarliniL2Method

    from benchmark.attacks.carlini import CarliniL2
    from benchmark.attacks.carlini_art import CarliniL2Exact

    torch.set_num_threads(1)
    x, y = bench.images.x, bench.images.y
    name = f"C&W, LeNet, {len(x)} images, one thread"

    def fast() -> Classifier:
        return Classifier(bench.network, bench.images.shape, bench.classes)

    exact = CarliniL2Exact(fast(), batch_size=BATCH)
    stock = CarliniL2Method(art_classifier(bench), batch_size=BATCH, verbose=False)
    a, b, ratio, mine, other = _alternate(
        lambda: exact.generate(x, y=y), lambda: stock.generate(x, y=y), bench.repeat
    )
    # ART's class on the same classifier: on its own the convolutions round differently
    twin = CarliniL2Method(fast(), batch_size=BATCH, verbose=False).generate(x, y=y)
    alike = (mine == twin).reshape(len(x), -1).all(1)
    yield Measured(
        f"{name}, stock settings",
        "ART's CarliniL2Method",
        a,
        b,
        ratio,
        bool(alike.all()),
        f"{alike.sum()} of {len(x)} images identical; ours {_told(bench, mine)};"
        f" ART {_told(bench, other)}",
    )
    default = CarliniL2(fast(), batch_size=BATCH)
    for rival, attack in carlini_peers(bench).items():
        a, b, ratio, mine, other = _alternate(
            lambda: default.generate(x, y=y), attack, bench.repeat
        )
        yield Measured(
            f"{name}, default",
            rival,
            a,
            b,
            ratio,
            None,
            f"ours {_told(bench, mine)}; {rival} {_told(bench, other)}",
        )


def _told(bench: Bench, images: Any) -> str:
    """Success rate among the images that were right, and their mean L2 where it succeeded."""
    classifier = Classifier(bench.network, bench.images.shape, bench.classes)
    x, y = torch.from_numpy(bench.images.x), torch.from_numpy(bench.images.y)
    attacked = torch.from_numpy(np.asarray(images, dtype=np.float32))
    right = classifier.logits(x).argmax(1) == y
    broken = right & (classifier.logits(attacked).argmax(1) != y)
    far = (attacked - x).flatten(1).norm(dim=1)[broken].mean()
    return f"success {float(broken.sum() / right.sum()):.3f}, mean L2 {float(far):.3f}"


def as_json(lines: Sequence[Measured]) -> list[dict[str, Any]]:
    """The lines ready for JSON."""
    return [asdict(line) for line in lines]

"""Attack the networks with known answers, and compare our answers with them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.anchors.anchor import FACTORIES, Anchor, Check, File
from benchmark.attacks.lookup import check_attack
from benchmark.attacks.registry import ATTACKS
from benchmark.execution.chunk_size import need
from benchmark.execution.executor import ChunkOutcomes, Failure, TrainedNetwork
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Work, plan
from benchmark.execution.progress import Parts
from benchmark.execution.threads import ThreadExecutor
from benchmark.grids.cell import Cell
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.errors import DataUnavailable, InputError
from estimators.networks.given import given_network
from estimators.spec import Spec, parse_spec
from reports.results.manifest import sha256_of
from reports.statistics.intervals import median_smallest_eps, wilson

Verdict = Literal["pass", "fail", "skipped"]
# a share of 200 images and its decimal text differ by this at most
ROUNDING = 1e-6


@dataclass(frozen=True)
class Mark:
    """One check of an anchor, done.

    anchor, check: what was checked. verdict: `pass`, `fail` or `skipped`.
    ours: our answer, in the unit of the check; NaN where it was skipped.
    low, high: 95 % limits of our answer for all images of the check; `ours` where all were used.
    n: images used. note: why it was skipped, or what is wrong; empty otherwise.
    """

    anchor: Anchor
    check: Check
    verdict: Verdict
    ours: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    note: str = ""


def sit(
    anchor: Anchor,
    folder: Path,
    data_dir: Path | None = None,
    samples: int | None = None,
    full: bool = False,
    threads: int = 1,
    share: Callable[[float], None] = lambda share: None,
) -> Iterator[Mark]:
    """Yield the mark of every check of an anchor, one after another.

    folder: has the files of weights and images. samples: images per check at most. full: all
    images of all checks. share: takes the share of the images of the checks that is done.
    """
    for file in (anchor.weights, anchor.data):
        if isinstance(file, File):
            found = fault(file, folder)
            if found is not None:
                yield from (Mark(anchor, check, *found) for check in anchor.checks)
                return
    try:
        data = anchor.data
        images = load_images(
            data if isinstance(data, str) else f"npz:{folder / data.file}", "test", data_dir
        )
    except DataUnavailable as error:
        yield from (Mark(anchor, check, "skipped", note=str(error)) for check in anchor.checks)
        return
    spec = Spec.of(f"{FACTORIES}:{anchor.network}", weights=str(folder / anchor.weights.file))
    network = given_network(spec, images.shape, len(images.classes)).network
    chunk = need(network, images.shape).chunk
    trained = TrainedNetwork(network, images.shape, len(images.classes), chunk=chunk)
    counts = []
    for check in anchor.checks:
        count = check.of if full else check.samples
        counts.append(min(count, samples or count, len(images)))
    parts = Parts.of(share, {f"{i}": float(count) for i, count in enumerate(counts)})
    for i, (check, count) in enumerate(zip(anchor.checks, counts, strict=True)):
        on_share = partial(parts.share, f"{i}")
        yield _mark(anchor, check, trained, images, count, threads, on_share)
        parts.finish(f"{i}")


def fault(file: File, folder: Path) -> tuple[Verdict, float, float, float, int, str] | None:
    """Return what a file spoils: it is missing, or another one; None for the right one."""
    path, nan = folder / file.file, math.nan
    if not path.is_file():
        return "skipped", nan, nan, nan, 0, f"no file {path}; it is {file.address}"
    found = sha256_of(path)
    if found != file.sha256:
        note = f"{path} is another file: sha256 {found[:16]}..., expected {file.sha256[:16]}..."
        return "fail", nan, nan, nan, 0, note
    return None


def _mark(
    anchor: Anchor,
    check: Check,
    trained: TrainedNetwork,
    images: Images,
    count: int,
    threads: int,
    share: Callable[[float], None],
) -> Mark:
    """Return the mark of one check on so many images."""
    if not count:
        return Mark(anchor, check, "skipped", note="with --full alone")
    # at eps 0 no image changes
    attack = parse_spec(check.attack or "noise:eps=0")
    if attack.name not in ATTACKS:
        note = f"this version has no attack {attack.name}"
        return Mark(anchor, check, "skipped", note=note)
    try:
        some = subset(images, count, 0)
        result = _attacked(check_attack(attack), trained, some, threads, share)
    except InputError as error:
        return Mark(anchor, check, "fail", n=count, note=str(error))
    if isinstance(result, Failure):
        return Mark(anchor, check, "fail", n=count, note=result.message)
    ours, low, high = _answer(check, result)
    if count == check.of and check.measure == "accuracy":
        low = high = ours
    lowest, highest = check.accept
    good = (lowest is None or high >= lowest - ROUNDING) and (
        highest is None or low <= highest + ROUNDING
    )
    over = int(result.over.sum())
    note = f"{over} images outside the budget" if over else ""
    return Mark(
        anchor, check, "pass" if good and not over else "fail", ours, low, high, count, note
    )


def _attacked(
    attack: Spec,
    trained: TrainedNetwork,
    images: Images,
    threads: int,
    share: Callable[[float], None],
) -> Outcome | Failure:
    """Return the outcome of an attack on the bare network."""
    name = Spec("own")
    cell = Cell("own", name, attack, "oblivious", Spec("none"), len(images), 0)
    found: list[Outcome | Failure] = []

    def done(task: Work, result: list[ChunkOutcomes] | Failure, seconds: float) -> None:
        if isinstance(result, Failure):
            found.append(result)
        else:
            parts = [part[cell] for part in result]
            found.append(Outcome.joined(p for p in parts if isinstance(p, Outcome)))

    finished = itertools.count(1)

    def on_chunk(task: Work, chunks: int) -> None:
        share(next(finished) / chunks)

    ThreadExecutor(threads).execute(
        plan([cell]), lambda task: images, {("own", name): trained}, on_chunk, done
    )
    return found[0]


def _answer(check: Check, outcome: Outcome) -> tuple[float, float, float]:
    """Return our answer and its 95 % limits."""
    n = len(outcome.label)
    right = outcome.adversarial == outcome.label
    if check.measure == "accuracy":
        low, high = wilson(int(right.sum()), n)
        return 100 * float(right.mean()), 100 * float(low), 100 * float(high)
    seen = outcome.clean == outcome.label
    sizes = (outcome.l2 if check.measure == "l2_median" else outcome.linf)[seen]
    # an image that stands is farther away than anything found
    stands = right[seen]
    values = np.where(stands, sizes.max(initial=1.0), sizes)
    median = median_smallest_eps(values, stands)
    return float(median[0]), float(median[1]), float(median[2])

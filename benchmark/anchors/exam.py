"""Attack the networks with known answers, and compare our answers with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmark.anchors.anchor import FACTORIES, Anchor, Check, File
from benchmark.anchors.kept import PIECE, Kept, pieces
from benchmark.anchors.marks import Mark, Tally, Verdict, accuracy_mark, counted, median_mark
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

WAITS = "with --full alone"
OWN = Spec("own")
NONE = Tally(0, 0, 0)


def ignore(_: object) -> None:
    """Do nothing with what is reported."""


@dataclass(frozen=True)
class Sitting:
    """How the checks of an anchor are done.

    samples: images per check at most. full: all images of all checks. threads: to attack on.
    kept: stores the pieces of checks of accuracy as they end, and has those that are done.
    share: takes the share of the images of the checks that is done. marked: takes a check's mark
    so far, whenever one of its pieces ends.
    """

    samples: int | None = None
    full: bool = False
    threads: int = 1
    kept: Kept | None = None
    share: Callable[[float], None] = ignore
    marked: Callable[[Mark], None] = ignore


DEFAULT = Sitting()


def sit(
    anchor: Anchor, folder: Path, data_dir: Path | None = None, how: Sitting = DEFAULT
) -> Iterator[Mark]:
    """Yield the mark of every check of an anchor, one after another.

    folder: has the files of weights and images. When Ctrl-C comes, the mark of the check so far is
    yielded, and KeyboardInterrupt raised after it.
    """
    for file in (anchor.weights, anchor.data):
        if isinstance(file, File):
            found = fault(file, folder)
            if found is not None:
                verdict, note = found
                yield from (Mark(anchor, check, verdict, note=note) for check in anchor.checks)
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
        count = check.of if how.full else check.samples
        counts.append(min(count, how.samples or count, len(images)))
    parts = Parts.of(how.share, {f"{i}": float(count) for i, count in enumerate(counts)})
    for i, (check, count) in enumerate(zip(anchor.checks, counts, strict=True)):
        own = replace(how, share=partial(parts.share, f"{i}"))
        yield from _marks(anchor, check, trained, images, count, own)
        parts.finish(f"{i}")


def fault(file: File, folder: Path) -> tuple[Verdict, str] | None:
    """Return what a file spoils, and why: it is missing, or another one; None for the right one."""
    path = folder / file.file
    if not path.is_file():
        return "skipped", f"no file {path}; it is {file.address}"
    found = sha256_of(path)
    if found != file.sha256:
        note = f"{path} is another file: sha256 {found[:16]}..., expected {file.sha256[:16]}..."
        return "fail", note
    return None


def _marks(
    anchor: Anchor, check: Check, trained: TrainedNetwork, images: Images, count: int, how: Sitting
) -> Iterator[Mark]:
    """Yield the mark of one check on so many images."""
    # at eps 0 no image changes
    attack = parse_spec(check.attack or "noise:eps=0")
    if attack.name not in ATTACKS:
        note = f"this version has no attack {attack.name}"
        yield Mark(anchor, check, "skipped", note=note)
        return
    try:
        attack = check_attack(attack)
    except InputError as error:
        yield Mark(anchor, check, "fail", n=count, count=count, note=str(error))
        return
    wanted = count or (check.of if how.kept else 0)
    some = subset(images, min(wanted, len(images)), 0) if wanted else images[:0]
    work = _Check(anchor, check, attack, trained, how, len(some))
    try:
        if not count:
            yield work.so_far(some)
        elif check.measure == "accuracy":
            yield work.accuracy(some)
        else:
            yield work.median(some)
    except InputError as error:
        yield Mark(anchor, check, "fail", n=count, count=count, note=str(error))
    except KeyboardInterrupt:
        if work.done.n:
            yield accuracy_mark(anchor, check, work.done, count)
        raise


@dataclass
class _Check:
    """A check at work. count: images that were asked for. done: those of finished pieces."""

    anchor: Anchor
    check: Check
    attack: Spec
    trained: TrainedNetwork
    how: Sitting
    count: int
    done: Tally = NONE

    def so_far(self, images: Images) -> Mark:
        """Return the mark of the pieces that an earlier command kept."""
        if self.check.measure == "accuracy":
            self._kept(pieces(images))
        if not self.done.n:
            return Mark(self.anchor, self.check, "skipped", note=WAITS)
        mark = accuracy_mark(self.anchor, self.check, self.done, self.count)
        return replace(mark, note=mark.note or ("--full goes on" if mark.n < mark.count else ""))

    def accuracy(self, images: Images) -> Mark:
        """Return the mark of an accuracy; the images are attacked piece by piece."""
        left = self._kept(pieces(images))
        kept = self.how.kept if len(images) > PIECE else None

        def done(number: int, outcome: Outcome, seconds: float) -> None:
            if kept is None:
                self.done += counted(outcome)
            else:
                self.done += kept.put(self.anchor, self.attack, left[number], outcome, seconds)
            self.how.marked(accuracy_mark(self.anchor, self.check, self.done, self.count))

        _attacked(self.attack, self.trained, left, self.how, done)
        return accuracy_mark(self.anchor, self.check, self.done, self.count)

    def median(self, images: Images) -> Mark:
        """Return the mark of a median distance."""
        found: list[Outcome] = []
        own = self.attack, self.trained, [images], self.how
        _attacked(*own, lambda number, outcome, seconds: found.append(outcome))
        return median_mark(self.anchor, self.check, found[0])

    def _kept(self, parts: Sequence[Images]) -> list[Images]:
        """Count the pieces that are kept; return the others."""
        left = []
        for part in parts:
            kept = self.how.kept
            found = None if kept is None else kept.find(self.anchor, self.attack, part)
            if found is None:
                left.append(part)
            else:
                self.done += found
        return left


def _attacked(
    attack: Spec,
    trained: TrainedNetwork,
    parts: Sequence[Images],
    how: Sitting,
    done: Callable[[int, Outcome, float], None],
) -> None:
    """Attack parts of images on the bare network.

    done: takes the number of a part, its outcome and seconds, as it ends.

    Raises InputError for an attack that raises.
    """
    cells = [Cell("own", OWN, attack, "oblivious", Spec("none"), len(p), 0) for p in parts]
    tasks = [task for cell in cells for task in plan([cell])]
    numbers = {id(task): number for number, task in enumerate(tasks)}
    networks = {("own", OWN): trained}
    finished, whole = 0.0, sum(map(len, parts))

    def on_chunk(task: Work, count: int) -> None:
        nonlocal finished
        finished += len(parts[numbers[id(task)]]) / count
        how.share(finished / whole)

    def on_task(task: Work, result: list[ChunkOutcomes] | Failure, seconds: float) -> None:
        if isinstance(result, Failure):
            raise InputError(result.message)
        found = [outcome for part in result for outcome in part.values()]
        done(numbers[id(task)], Outcome.joined(o for o in found if isinstance(o, Outcome)), seconds)

    how.share(0.0)  # the time left is computed from here on
    executor = ThreadExecutor(how.threads)
    executor.execute(tasks, lambda t: parts[numbers[id(t)]], networks, on_chunk, on_task)

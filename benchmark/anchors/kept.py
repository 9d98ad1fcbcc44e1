"""Finished pieces of long checks: stored one by one, so that a check that was stopped goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.anchors.anchor import Anchor
from benchmark.anchors.marks import Tally, counted
from benchmark.attacks.lookup import attack_entry
from benchmark.execution.outcome import Outcome
from benchmark.execution.plugin_code import plugin_code
from benchmark.grids.cell import Cell, Inputs
from benchmark.runs.lock import hold
from benchmark.runs.rows import finished
from benchmark.runs.store import FILE, Store
from estimators.classifier import BATCH
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.spec import Spec

# images of a piece: a whole chunk, so that an image is attacked beside the same others whenever a
# check is stopped. A network rounds differently in batches of another size.
PIECE = BATCH


class Kept:
    """The finished pieces in a folder, with the results of each image.

    The folder is held until `close`, as a run directory is. A piece is found again only for the
    same images, weights and attack.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._claim = hold(directory)
        try:
            self._store = Store(directory)
        except BaseException:
            self._claim.release()
            raise
        self.directory = directory
        self._keys = self._store.keys()

    def close(self) -> None:
        """Let another command use the folder."""
        self._store.close()
        self._claim.release()

    def notes(self) -> list[str]:
        """Return one line for each damage to the store that was repaired."""
        return list(self._store.notes())

    def find(self, anchor: Anchor, attack: Spec, images: Images) -> Tally | None:
        """Return the tally of a piece; None for one that is not finished."""
        key = _key(anchor, attack, images)
        if key not in self._keys:
            return None
        row, _, predicted = self._store.record(key)
        if predicted is None or len(predicted["label"]) != len(images):
            return None
        right = predicted["adversarial"] == predicted["label"]
        return Tally(len(images), int(right.sum()), int(row.get("over_budget", 0)))

    def put(
        self, anchor: Anchor, attack: Spec, images: Images, outcome: Outcome, seconds: float
    ) -> Tally:
        """Store a finished piece; return its tally."""
        key, cell = _key(anchor, attack, images), _cell(anchor, attack, images)
        base = {"network": anchor.name, "attack": str(attack), "cell": key}
        self._store.put([finished(cell, key, base, outcome, len(images.classes), seconds)])
        self._keys.add(key)
        return counted(outcome)


@contextmanager
def opened(directory: Path, make: bool) -> Iterator[Kept | None]:
    """Open the pieces in a folder until the block ends.

    make: the folder is made where it is missing. Otherwise None stands for a folder without
    pieces, and for one that another command holds.

    Raises InputError for a folder to make that another command holds, or that cannot be read.
    """
    kept = None
    if make:
        kept = Kept(directory)
    elif (directory / FILE).is_file():
        with suppress(InputError, OSError):
            kept = Kept(directory)
    try:
        yield kept
    finally:
        if kept is not None:
            kept.close()


def pieces(images: Images) -> list[Images]:
    """Return the pieces of the images of a check, in their order."""
    return [images[start : start + PIECE] for start in range(0, len(images), PIECE)]


def _cell(anchor: Anchor, attack: Spec, images: Images) -> Cell:
    network = Spec(anchor.network)
    return Cell("anchors", network, attack, "oblivious", Spec("none"), len(images), 0)


def _key(anchor: Anchor, attack: Spec, images: Images) -> str:
    """Return the name of a piece in the store: that of a cell on its images."""
    cell = _cell(anchor, attack, images)
    revision = attack_entry(attack).revision
    inputs = Inputs(images.sha256, anchor.weights.sha256, "", plugin_code(cell), revision)
    return cell.key(inputs)

"""Which images of a finished run the gallery shows, and under which cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from benchmark.attacks.lookup import attack_entry
from benchmark.execution.plan import BARE
from benchmark.grids.cell import Cell
from estimators.spec import Spec
from reports.results.operating_point import operating_points
from reports.results.predictions import Predictions

Row = dict[Any, Any]
# by image: whether it is classified correctly without attack, and under attack
Correct = Mapping[int, tuple[bool, bool]]


class Finished(NamedTuple):
    """A finished cell and its row of the table."""

    cell: Cell
    row: Row


@dataclass(frozen=True)
class Example:
    """One image to show.

    finished: the cell whose attack and defence are shown.
    story: `rescued` (the defence restores the class), `lost` (it does not), or `adaptive`
        (the rescued image, attacked through the defence).
    image: its official index.
    """

    finished: Finished
    story: str
    image: int


@dataclass(frozen=True)
class Candidates:
    """The finished cells of one network and data set, with the predictions of the run."""

    cells: Sequence[Finished]
    predictions: Predictions

    def find(self, attack: Spec, threat: str, defence: Spec) -> Finished | None:
        """Return the cell of an attack with its eps; None where the run has no such cell."""
        key = (attack, threat, defence)
        cells = (f for f in self.cells if (f.cell.attack, f.cell.threat, f.cell.defence) == key)
        return next(cells, None)

    def correct(self, finished: Finished | None) -> Correct:
        """Return which images of a cell are classified correctly; empty without a cell."""
        if finished is None:
            return {}
        span = self.predictions.spans.get(finished.row["cell"], slice(0))
        ids, label, clean, attacked = (
            self.predictions.arrays[name][span] for name in ("id", "label", "clean", "adversarial")
        )
        pairs = zip(ids, clean == label, attacked == label, strict=True)
        return {int(i): (bool(c), bool(a)) for i, c, a in pairs}


def choose(candidates: Candidates, table: pd.DataFrame) -> Iterator[Example]:
    """Yield at most six images of one network and data set, attack by attack.

    A one-step and an iterative attack each show an image that the best JPEG rescues, one that it
    does not, and the first again, attacked through JPEG. Among the images that qualify the smallest
    index wins; rescued images that fall to the adaptive attacker come first.
    """
    if not candidates.cells:
        return
    row = candidates.cells[0].row
    same = (table["dataset"] == row["dataset"]) & (table["network"] == row["network"])
    shown: set[int] = set()
    for attack in _attacks(candidates, operating_points(table[same]).to_dict("records")):
        bare = candidates.find(attack, "oblivious", BARE)
        if bare is not None:
            yield from _examples(candidates, attack, bare, shown)


def _examples(
    candidates: Candidates, attack: Spec, bare: Finished, shown: set[int]
) -> Iterator[Example]:
    """Yield the images for one attack; add them to those that are shown already."""
    defended = _best_defence(candidates, attack)
    adaptive = defended and candidates.find(attack, "adaptive", defended.cell.defence)
    fates = candidates.correct(bare).items()
    attacked = [image for image, (clean, right) in fates if clean and not right]
    behind = candidates.correct(defended)
    beaten = {image for image, (_, right) in candidates.correct(adaptive).items() if not right}
    for story in ("rescued", "lost"):
        images = [i for i in attacked if _ends_as(story, behind, i)]
        # prefer an image that no other attack shows, and one on which the attackers differ
        images.sort(key=lambda i: (i in shown, i not in beaten and story == "rescued", i))
        if not images:
            continue
        shown.add(images[0])
        yield Example(defended or bare, story, images[0])
        if story == "rescued" and adaptive:
            yield Example(adaptive, "adaptive", images[0])


def _ends_as(story: str, behind: Correct, image: int) -> bool:
    """Whether an attacked image is rescued or lost behind the defence.

    Neither holds where the defence alone breaks the image. Without a defence each image is lost.
    """
    clean, right = behind.get(image, (not behind, False))
    return clean and right == (story == "rescued")


def _attacks(candidates: Candidates, points: list[Row]) -> list[Spec]:
    """Return a one-step and an iterative attack, each with the eps of the run's summary."""
    chosen: dict[bool, Spec] = {}
    # bounded attacks before those that search for the smallest norm: readers know their eps
    for point in sorted(points, key=lambda p: pd.isna(p["eps"])):
        eps: float | None = None if pd.isna(point["eps"]) else point["eps"]
        for cell, row in candidates.cells:
            if row["attack"] == point["attack"] and cell.eps == eps and cell.eps != 0:
                entry = attack_entry(cell.attack)
                if entry.uses_gradient and not cell.attack.get("targeted", False):
                    chosen.setdefault(entry.shares_gradient, cell.attack)
                break
    return [chosen[one_step] for one_step in (True, False) if one_step in chosen]


def _best_defence(candidates: Candidates, attack: Spec) -> Finished | None:
    """Return the JPEG, else the other defence, with the highest oblivious accuracy."""
    key = (attack, "oblivious")
    cells = [f for f in candidates.cells if (f.cell.attack, f.cell.threat) == key]
    defended = [f for f in cells if f.cell.defence.name != "none"]
    jpeg = [f for f in defended if f.cell.defence.name == "jpeg"]
    return max(jpeg or defended, key=lambda f: float(f.row["accuracy"]), default=None)

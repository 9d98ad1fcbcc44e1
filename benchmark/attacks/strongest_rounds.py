"""The rounds of the attack `strongest`: what is tried on an image that still stands, in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Literal

Loss = Literal["margin", "ce", "dlr"]
Start = Literal["image", "blocks", "diverse"]
# a gradient is a forward and a backward pass, as AttackBench (Cina et al. 2025) counts them
GRADIENT_PASSES = 2
# gradients that a start spends on output diversification (Tashiro et al. 2020)
DIVERSE_STEPS = 2
# a run with fewer gradients is not begun
FEWEST_STEPS = 5
# share of the budget for Square, which needs no gradient, and for the first look at all classes
SQUARE_SHARE, LOOK_SHARE = 0.1, 0.125


@dataclass(frozen=True)
class Round:
    """Runs of APGD side by side on one image.

    name: the part of the attack, as the results name it.
    loss: `margin` and `dlr` go to one class; `ce` goes away from the label.
    start: `image`; `blocks`, random signs that are equal within squares of random size; `diverse`,
        a random point moved towards random logits.
    targets: classes, those of smallest margin so far; 0 for no choice of classes.
    starts: runs per class.
    steps: gradients per run at most.
    explore: the last class is the one that was tried least.
    """

    name: str
    loss: Loss
    start: Start
    targets: int
    starts: int
    steps: int
    explore: bool = False

    @property
    def runs(self) -> int:
        """Return the number of runs on one image."""
        return max(1, self.targets) * self.starts

    def cost(self, draws: int) -> int:
        """Return the passes that an image takes at most. draws: passes per gradient."""
        steps = self.steps + (DIVERSE_STEPS if self.start == "diverse" else 0)
        return self.runs * (GRADIENT_PASSES * draws * steps + 1)


# every other class, as far as LOOK_SHARE goes
ALL = 10**6

OPENING = (
    Round("margin", "margin", "image", 0, 1, 10),
    Round("ce", "ce", "blocks", 0, 1, 20),
    Round("restarts", "margin", "blocks", 2, 1, 40),
    Round("long", "dlr", "blocks", 1, 1, 100),
    Round("targets", "margin", "image", ALL, 1, 12),
)
# most that break do so in short runs from very different points; the rest needs longer ones. The
# opening has one, since it broke more than short ones did on a network of our own (decision 12)
CYCLE = (
    Round("restarts", "margin", "blocks", 2, 2, 20),
    Round("diverse", "margin", "diverse", 2, 1, 40),
    Round("restarts", "ce", "blocks", 0, 1, 40),
    Round("restarts", "margin", "blocks", 3, 1, 40),
    Round("long", "dlr", "diverse", 2, 1, 60, explore=True),
)
# what can break an image
PARTS = (*dict.fromkeys(wanted.name for wanted in (*OPENING, *CYCLE)), "square")
# the long runs of the n-th cycle take n times as many steps, up to this
MOST_STEPS = 600


def rounds(budget: int, targets: int, draws: int, squares: int) -> Iterator[Round]:
    """Yield the rounds that fit into the passes of one image, the last one shortened.

    budget: passes in all. targets: number of classes that can be gone to; 0 in a targeted attack.
    draws: passes per gradient. squares: passes that are left for Square.
    """
    left = budget - squares
    for wanted in chain(OPENING, _cycles()):
        classes = min(wanted.targets, targets)
        if wanted.targets == ALL:
            per_class = replace(wanted, targets=1).cost(draws)
            classes = min(classes, max(1, int(LOOK_SHARE * budget) // per_class))
        fitting = _fitting(replace(wanted, targets=classes), left, draws)
        if fitting is None:
            return
        left -= fitting.cost(draws)
        yield fitting


def _cycles() -> Iterator[Round]:
    for n in count(1):
        for wanted in CYCLE:
            steps = min(n * wanted.steps, MOST_STEPS) if wanted.name == "long" else wanted.steps
            yield replace(wanted, steps=steps)


def _fitting(wanted: Round, left: int, draws: int) -> Round | None:
    """Return a round with as many starts, classes and steps as the passes allow; None for none."""
    once = replace(wanted, starts=1)
    for smaller in (wanted, once, replace(once, targets=min(1, wanted.targets))):
        if smaller.cost(draws) <= left:
            return smaller
    per_step = GRADIENT_PASSES * draws
    steps = smaller.steps - -(-(smaller.cost(draws) - left) // per_step)
    return replace(smaller, steps=steps) if steps >= FEWEST_STEPS else None

"""The numbers of one network, data set and norm at one budget."""

from __future__ import annotations

from dataclasses import dataclass

from reports.style.numbers import percent


@dataclass(frozen=True)
class Bar:
    """One accuracy.

    label: of what. share, low, high: in [0, 1]. n: images. tone: its class in the style sheet.
    """

    label: str
    share: float
    low: float
    high: float
    n: int
    tone: str

    @property
    def text(self) -> str:
        """The share with its limits: `61.2 % (58.1 to 64.2)`."""
        return f"{percent(self.share)} ({100 * self.low:.1f} to {100 * self.high:.1f})"


@dataclass(frozen=True)
class Card:
    """The headline of one network and data set in one norm.

    dataset, network, norm: as in the results. eps: the budget; None for attacks without a bound.
    budget: the same in words. by: the strongest attack at this budget.
    behind: the defence of `clean` and `worst`, as a sentence names it; `no defence` if the run
    attacks the undefended network.
    clean, worst: accuracy without and under attack. saved, aware: under attack behind the defence
    `best`, for an attacker who is unaware of it and for one who is aware; None if not tried.
    bars: all of these in their order. sentences: the same in words.
    gain, left: the gain by that defence under the unaware and the aware attacker, as shares; None
    if it was not measured.
    """

    dataset: str
    network: str
    norm: str
    eps: float | None
    budget: str
    by: str
    behind: str
    clean: Bar
    worst: Bar
    best: str
    saved: Bar | None
    aware: Bar | None
    bars: tuple[Bar, ...]
    sentences: tuple[str, ...]
    gain: float | None
    left: float | None

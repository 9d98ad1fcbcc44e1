"""Linear functions between which a ReLU or a max pooling lies.

A ReLU on [l, u] with l < 0 < u lies below the chord, relu(z) <= u (z - l) / (u - l), and above
each line through 0, relu(z) >= s z with s in [0, 1]. A positive coefficient takes the line, a
negative one the chord.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.certificates.backward import Interval, Rows
from benchmark.certificates.bounds import contenders
from benchmark.certificates.steps import MaxPool, Step
from benchmark.certificates.window import Window


@dataclass(frozen=True)
class ReluLines:
    """The relaxation of a ReLU.

    chord, base: slope and value at 0 of the chord, [N, *shape]. line: slope of the line through 0,
    [N, *shape], or one for each row [P, *shape] where `own` is set. open: the sign is undecided.
    """

    chord: Tensor
    base: Tensor
    line: Tensor
    open: Tensor
    own: bool = False

    @classmethod
    def of(cls, before: Interval) -> ReluLines:
        """Return the relaxation on an interval; the line is the nearer one of slope 0 and 1."""
        low, high = before.low, before.high
        positive, undecided = low >= 0, (low < 0) & (high > 0)
        chord = torch.where(undecided, high / (high - low).clamp(min=1e-300), positive.double())
        base = torch.where(undecided, -chord * low, 0.0)
        line = torch.where(undecided, (high > -low).double(), positive.double())
        return cls(chord, base, line, undecided)

    def with_slopes(self, slopes: Tensor, image: Tensor) -> ReluLines:
        """Return the relaxation with slopes [P, *shape] of its own for rows of these images."""
        lines = torch.where(self.open[image], slopes, self.line[image])
        return replace(self, line=lines, own=True)

    def back(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the coefficients before the ReLU, and the constants."""
        above, below = rows.a.clamp(min=0), rows.a.clamp(max=0)
        line = self.line if self.own else self.line[rows.image]
        constant = (below * self.base[rows.image]).flatten(1).sum(1)
        return above * line + below * self.chord[rows.image], constant

    def cut(self, _step: Step, _needed: Window, out: Window) -> ReluLines:
        """Return the relaxation on a window."""
        every = self.chord, self.base, self.line, self.open
        return ReluLines(*(out.taken(values) for values in every))


@dataclass(frozen=True)
class PoolLines:
    """The relaxation of a max pooling: at least its value with the best lower bound.

    It is at most that value where no other can be larger, else at most the best upper bound.

    step: the pooling. first: the place of that value, [N, C, window, out]. known: it is always the
    largest, [N, *out]. most: the best upper bound, [N, *out].
    """

    step: MaxPool
    first: Tensor
    known: Tensor
    most: Tensor

    @classmethod
    def of(cls, step: MaxPool, before: Interval) -> PoolLines:
        """Return the relaxation on an interval."""
        first, others = contenders(step, before)
        shape = (len(first), *step.out_shape())
        most = step.windows(before.high).amax(2).view(shape)
        return cls(step, first.double(), ~others.any(2).view(shape), most)

    def back(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the coefficients before the pooling, and the constants."""
        above, below = rows.a.clamp(min=0), rows.a.clamp(max=0)
        known = self.known[rows.image]
        through = (above + below * known).flatten(2)[:, :, None]
        constant = (below * ~known * self.most[rows.image]).flatten(1).sum(1)
        return self.step.gathered(through * self.first[rows.image]), constant

    def cut(self, step: Step, _needed: Window, out: Window) -> PoolLines:
        """Return the relaxation of the pooling cut to a window of its output."""
        assert isinstance(step, MaxPool)
        first = self.first.view(*self.first.shape[:3], *self.known.shape[2:])
        known, most = out.taken(self.known), out.taken(self.most)
        return PoolLines(step, out.taken(first).flatten(3), known, most)

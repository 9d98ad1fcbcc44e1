"""Random integers of many images at once, each image's from its own stream, in blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from benchmark.attacks.steps.checks import BoolArray, IntArray
from benchmark.attacks.steps.tensor_attack import Streams

# values of a word
WORDS = 2**32
# rounds whose numbers are drawn at once
BLOCK = 64


class Draws:
    """The random integers of the rounds of an attack, from one stream per image.

    They are those that `stream.integers` gives number by number and round by round, bit for bit;
    at the end a stream may be ahead by the rest of a block.
    """

    def __init__(
        self, streams: Streams, ranges: Callable[[int], Sequence[int]], rounds: range
    ) -> None:
        """ranges: from a round to the ranges of its numbers, each from 1 to 2^31."""
        self.streams, self.ranges, self.rounds = list(streams), ranges, rounds
        self.ready: dict[int, IntArray] = {}

    def of(self, n: int, device: torch.device) -> Tensor:
        """Return the numbers of round n, int64 [N, M]: number j lies from 0 to ranges[j] - 1."""
        if n not in self.ready:
            block = self.rounds[n - self.rounds.start :][:BLOCK]
            ranges = [self.ranges(other) for other in block]
            drawn = integers(self.streams, [span for some in ranges for span in some])
            ends = np.cumsum([len(some) for some in ranges])
            parts = np.split(drawn, ends[:-1], axis=1)
            self.ready = dict(zip(block, parts, strict=True))
        return torch.from_numpy(self.ready.pop(n)).to(device)

    def keep(self, chosen: BoolArray) -> None:
        """Go on with the chosen images only, bool [N]."""
        self.streams = [s for s, kept in zip(self.streams, chosen, strict=True) if kept]
        self.ready = {n: numbers[chosen] for n, numbers in self.ready.items()}


def integers(streams: Streams, ranges: Sequence[int]) -> IntArray:
    """Return integers int64 [N, M], number j from 0 to ranges[j] - 1, from one stream per image.

    They are those that `stream.integers(0, ranges[j])` gives in turn, bit for bit. NumPy multiplies
    a word of 32 bits by the range and takes the upper half of the product (Lemire 2019), but draws
    again where the lower half is below a threshold, about once in 10^8 for small ranges. A range of
    1 takes no word.

    ranges: from 1 to 2^31.
    """
    spans = np.asarray(ranges, dtype=np.uint64)
    drawn = spans > 1
    taking, count = spans[drawn], int(drawn.sum())
    states = [stream.bit_generator.state for stream in streams]
    words = np.stack([stream.integers(0, WORDS, count, dtype=np.uint32) for stream in streams])
    products = words * taking
    again = (products % WORDS < (WORDS - taking) % taking).any(axis=1)
    numbers = np.zeros((len(streams), len(spans)), dtype=np.int64)
    numbers[:, drawn] = products // WORDS
    for row in np.flatnonzero(again):
        streams[row].bit_generator.state = states[row]
        numbers[row] = [streams[row].integers(0, span) for span in ranges]
    return numbers

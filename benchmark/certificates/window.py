"""Rows and columns of an image."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from benchmark.certificates.steps import Pair


class Window(NamedTuple):
    """Rows and columns, each from a start to an end."""

    rows: Pair
    columns: Pair

    @classmethod
    def of(cls, *axes: Pair) -> Window:
        """Return the window of these rows and columns."""
        return cls(*axes)

    def joined(self, other: Window | None) -> Window:
        """Return the smallest window that holds both."""
        if other is None:
            return self
        pairs = zip(self, other, strict=True)
        return Window.of(*((min(a[0], b[0]), max(a[1], b[1])) for a, b in pairs))

    def inside(self, other: Window) -> Window:
        """Return the window as it lies in another one."""
        pairs = zip(self, other, strict=True)
        return Window.of(*((a[0] - b[0], a[1] - b[0]) for a, b in pairs))

    def shape(self, channels: int) -> tuple[int, ...]:
        """Return the shape of values of so many channels on the window."""
        return channels, *(end - start for start, end in self)

    def taken(self, values: Tensor) -> Tensor:
        """Return what the window has of values [..., H, W]."""
        return values[..., slice(*self.rows), slice(*self.columns)]

"""What would make more images right, and how many."""

from __future__ import annotations

from typing import NamedTuple


class Repair(NamedTuple):
    """A change to the data or the network.

    right: images that are right with it. text: what it is, for a message.
    """

    right: int
    text: str

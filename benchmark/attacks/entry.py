"""What the planner and the evaluation must know of an attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Builder = Callable[[Any, dict[str, Any]], Any]


@dataclass(frozen=True)
class AttackEntry:
    """An attack before a grid gives it parameters.

    build: makes the ART attack from a classifier and parameters.
    norm: the norm that bounds it, or that it minimises.
    bounded: takes `eps`.
    shares_gradient: attacks that differ in eps alone share one gradient.
    whole_batch: at every step the whole batch passes the defence; others let images drop out, and
        meet a randomised defence image by image, so that each image keeps its own chance.
    uses_gradient: looks at gradients.
    ignores_model: looks at nothing at all, and so is the same for every threat.
    defaults: parameters and their values where a grid names none.
    optional: further parameters, likewise, but recorded only where a grid names them.
    allowed: the values of parameters that have a few, as text.
    resolve_defaults: what parameters that are None become, from all parameters and eps.
    stock_targets: ART's class takes targets, too.
    about: one line for `bench list`.
    """

    build: Builder
    norm: str
    about: str
    bounded: bool = True
    shares_gradient: bool = False
    whole_batch: bool = False
    uses_gradient: bool = True
    ignores_model: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    resolve_defaults: Callable[[dict[str, Any]], dict[str, Any]] = dict
    stock_targets: bool = True

    @property
    def params(self) -> dict[str, Any]:
        """All parameters but eps, with what they are where a grid names none."""
        return {**self.defaults, **self.optional}

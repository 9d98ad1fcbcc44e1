"""A grid narrowed, or overridden, by what the command line asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.grids.cell import Samples
from benchmark.grids.expand import entry_name, entry_of
from benchmark.grids.model import Grid
from estimators.spec import Spec, parse_spec


def narrowed(
    grid: Grid,
    datasets: Sequence[str] = (),
    networks: Sequence[Spec] = (),
    attacks: Sequence[Spec] = (),
    threats: Sequence[str | Spec] = (),
    defences: Sequence[Spec] = (),
    samples: Samples | None = None,
    seed: int | None = None,
) -> Grid:
    """The grid with what was asked for on the command line.

    A name that the grid has narrows it; one that it lacks takes the place of the grid's own.
    """
    changed = grid.model_copy(deep=True)
    for block in changed.blocks:
        for key in ("datasets", "networks", "attacks", "threats", "defences", "samples", "seed"):
            setattr(block, key, grid.of(block, key))
        if samples is not None:
            block.samples = samples
        if seed is not None:
            block.seed = seed
    _narrow(changed, "datasets", datasets, str)
    wanted = [parse_spec(t) if isinstance(t, str) else t for t in threats]
    _narrow(changed, "threats", [entry_of(s) for s in wanted], entry_name)
    _narrow(changed, "networks", [entry_of(s) for s in networks], entry_name)
    _narrow(changed, "attacks", [entry_of(s) for s in attacks], entry_name)
    _narrow(changed, "defences", [entry_of(s) for s in defences], entry_name)
    return changed


def _narrow(grid: Grid, key: str, wanted: Sequence[Any], name: Any) -> None:
    if not wanted:
        return
    names = {name(w) for w in wanted if not isinstance(w, dict)}
    has = {name(own) for block in grid.blocks for own in getattr(block, key)}
    strangers = [w for w in wanted if isinstance(w, dict) or name(w) not in has]
    kept = []
    for block in grid.blocks:
        own = [o for o in getattr(block, key) if name(o) in names]
        if strangers:
            own += strangers
        if own:
            setattr(block, key, own)
            kept.append(block)
    grid.blocks = kept

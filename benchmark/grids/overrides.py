"""A grid narrowed or overridden by the options of the command line."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.grids.asked import asked_entry
from benchmark.grids.draws import MOST_DRAWS
from benchmark.grids.expand import Entry, entry_name, entry_of
from benchmark.grids.model import LISTS, LONGEST_TITLE, SEEDS, Grid
from estimators.data.samples import Samples, checked_samples
from estimators.errors import InputError, whole
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
    draws: int | None = None,
    certify: Sequence[Spec] = (),
) -> Grid:
    """Return the grid with what the arguments ask for; an empty one changes nothing.

    A name that the grid has narrows the grid to it; another name replaces the grid's own, as the
    methods of `certify` do.
    Raises InputError for bad samples, seed or draws.
    """
    if seed is not None:
        whole("seed", seed, *SEEDS)
    if samples is not None:
        samples = checked_samples(samples)
    if draws is not None:
        whole("draws", draws, 1, MOST_DRAWS)
    changed = grid.model_copy(deep=True)
    for block in changed.blocks:
        for key in LISTS:
            setattr(block, key, grid.of(block, key))
        block.samples = grid.of(block, "samples") if samples is None else samples
        block.seed = grid.of(block, "seed") if seed is None else seed
        block.draws = grid.of(block, "draws") if draws is None else draws
        if certify:
            block.certify = [entry_of(spec) for spec in certify]
    _narrow(changed, "datasets", list(datasets))
    parsed = [parse_spec(t) if isinstance(t, str) else t for t in threats]
    for key, asked in zip(LISTS[1:], (networks, attacks, parsed, defences), strict=True):
        _narrow(changed, key, [asked_entry(key, spec) for spec in asked])
    return changed


def titled(grid: Grid, title: str | None) -> Grid:
    """Return the grid with another title; None changes nothing.

    Raises InputError for a title that is not one line, or too long.
    """
    if title is None:
        return grid
    text = title.strip()
    if not text or len(text) > LONGEST_TITLE or not text.isprintable():
        wanted = f"1 to {LONGEST_TITLE} printable characters on one line"
        raise InputError(f"--title: expected {wanted}, got {text[: LONGEST_TITLE + 1]!r}")
    return grid.model_copy(update={"title": text})


def _narrow(grid: Grid, key: str, requested: list[Entry]) -> None:
    """Keep the requested entries under a key, and add those that the grid does not have."""
    if not requested:
        return
    names = {entry for entry in requested if isinstance(entry, str)}
    known = {entry_name(own) for block in grid.blocks for own in getattr(block, key)}
    added = [entry for entry in requested if isinstance(entry, dict) or entry not in known]
    kept = []
    for block in grid.blocks:
        entries = [own for own in getattr(block, key) if entry_name(own) in names] + added
        if entries:
            setattr(block, key, entries)
            kept.append(block)
    grid.blocks = kept

"""Which defences draw: those are scored several times."""

from __future__ import annotations

from functools import cache

from estimators.defences.known import check_defence
from estimators.defences.registry import DEFENCES, JOIN
from estimators.errors import InputError
from estimators.spec import Spec

# scoring draws of a random defence by default, and at most
DRAWS, MOST_DRAWS = 10, 1000


def scoring_draws(defence: Spec, asked: int) -> int | None:
    """Return by how many draws a defence is scored: as many as asked, None if it does not draw."""
    return asked if _draws(defence) else None


@cache
def _draws(defence: Spec) -> bool:
    """Return whether a defence draws; of external code only the defence itself knows it."""
    try:
        check_defence(defence)
    except InputError:
        return False  # the check of all names says what is wrong with it
    names = defence.name.split(JOIN)
    if all(name in DEFENCES for name in names):
        return any(DEFENCES[name].random for name in names)
    # inside: they import torch and ART, which reading a shipped grid need not
    from estimators.defences.base import is_random
    from estimators.defences.build import build_defence

    try:
        return is_random(build_defence(defence))
    except InputError:
        # the run says what is wrong with it
        return False

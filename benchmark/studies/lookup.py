"""From the name of a study to its entry and its code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from benchmark.studies.entry import StudyEntry
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import Findings, StudyRequest
from estimators.entries import load_object
from estimators.errors import InputError, unknown
from estimators.plugins import plugin

# the function that `StudyEntry.build` names: returns the tables and arrays of a study
Compute = Callable[[StudyRequest], Findings]
# the function that `StudyEntry.plot` names: draws the figures of a study's folder into that folder
Draw = Callable[[Path], object]


def study_entry(name: str) -> StudyEntry:
    """Return the entry of a study: of the registry, or of a plug-in.

    name: a name of `STUDIES`, of an entry point in the group `art_bench.studies`, or
        `package.module:entry`.

    Raises InputError for an unknown name and for a plug-in that is not a StudyEntry.
    """
    if name in STUDIES:
        return STUDIES[name]
    entry = plugin("studies", name)
    if entry is None:
        raise unknown("study", name, STUDIES)
    if not isinstance(entry, StudyEntry):
        raise InputError(f"study {name}: expected a StudyEntry, got {type(entry).__name__}")
    return entry


def load_compute(study: StudyEntry) -> Compute:
    """Import and return the code of a study."""
    return cast(Compute, study.load())


def load_draw(study: StudyEntry) -> Draw | None:
    """Import and return the code that draws a study's figures; None where there is none."""
    return cast(Draw, load_object(study.plot)) if study.plot else None

"""The row of a study in its registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from estimators.entries import Entry
from estimators.spec import Spec, Value

Subject = tuple[str, Spec]


@dataclass(frozen=True, kw_only=True)
class StudyEntry(Entry):
    """One analysis of the paper, or of a plug-in: everything but its code.

    `build` names a function `compute(request: StudyRequest) -> Findings`; `defaults` has the
    parameters at the size that `bench paper` runs.

    plot: `package.module:function` that draws the figures of a study's folder into that folder;
        empty for a study without figures.
    figures: the figures of the paper that the study repeats, as text.
    subjects: (data set, network) pairs that the study analyses where the user names none.
    quick: the parameters that `--quick` replaces.
    undecided: the claims that the size of `--quick` cannot decide, each with the reason.
    attack_labels: labels of attacks that only this study has.
    seconds: what the study takes on two cores at the size of `bench paper`, and at that of
        `--quick`; the time left compares studies by it.
    run: the run of `bench paper` that has it: `paper`, or `photos` (`bench paper --photos`).
    """

    figures: str
    subjects: tuple[Subject, ...]
    plot: str = ""
    quick: Mapping[str, Value] = field(default_factory=dict)
    undecided: Mapping[str, str] = field(default_factory=dict)
    attack_labels: Mapping[str, str] = field(default_factory=dict)
    seconds: tuple[float, float] = (60.0, 10.0)
    run: str = "paper"

    def parameters(self) -> str:
        """Return the names of the parameters; their values are long."""
        return " ".join(self.defaults)

"""The row of a defence in the registry; plug-ins use it too."""

from __future__ import annotations

from dataclasses import dataclass

from estimators.entries import Entry


@dataclass(frozen=True, kw_only=True)
class DefenceEntry(Entry):
    """A defence: `build` names a class or function that returns ART's Preprocessor, or None.

    It is called with the parameters of the spec and the defaults of this row. The defence itself
    declares what it offers beyond ART's interface: `surrogate` and `code_bytes` (`defences.base`),
    `random` and `draw` (`defences.randomised`).
    """

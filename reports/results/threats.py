"""The threats of a run: their order, and what the attacker of each sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

# the attacker sees the bare network; every run may compare with it
OBLIVIOUS = "oblivious"


class Threat(NamedTuple):
    """One kind of attacker.

    name: as in the column `threat`, without parameters.
    sees_defence: the defence is part of what is attacked.
    crafted_elsewhere: the images are crafted on another network than the one that is scored.
    """

    name: str
    sees_defence: bool = False
    crafted_elsewhere: bool = False


@dataclass(frozen=True)
class Threats:
    """The threats of a run; those that are not listed rank last and see no defence.

    listed: from the weakest to the strongest; empty for a lone table, which says nothing of them.
    """

    listed: tuple[Threat, ...] = ()

    def rank(self, threat: str) -> int:
        """Return the place of a threat, from the weakest; equal for all that are not listed."""
        names = [entry.name for entry in self.listed]
        name = _name(threat)
        return names.index(name) if name in names else len(names)

    def sees_defence(self, threat: str) -> bool:
        """Return whether the defence is part of what is attacked."""
        return self._entry(threat).sees_defence

    def crafted_elsewhere(self, threat: str) -> bool:
        """Return whether the images were crafted on another network."""
        return self._entry(threat).crafted_elsewhere

    def attacks_scored(self, threat: str, defence: str) -> bool:
        """Return whether the attacker attacks the very thing that is scored."""
        entry = self._entry(threat)
        return entry.sees_defence or (defence == "none" and not entry.crafted_elsewhere)

    def in_order(self, threats: Iterable[str]) -> list[str]:
        """Return each threat once, from the weakest; equals as they come.

        Threats that craft elsewhere are left out, unless there is nothing else.
        """
        ordered = sorted(dict.fromkeys(threats), key=self.rank)
        return [threat for threat in ordered if not self.crafted_elsewhere(threat)] or ordered

    def _entry(self, threat: str) -> Threat:
        name = _name(threat)
        return next((entry for entry in self.listed if entry.name == name), Threat(name))


# of a lone table, which says nothing of its threats
NONE_LISTED = Threats()


def threats_of(manifest: Mapping[str, object]) -> Threats:
    """Return the `threats` of a manifest; empty where it has none."""
    listed = manifest.get("threats")
    threats = []
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict):
            facts = (bool(entry.get(name)) for name in ("sees_defence", "crafted_elsewhere"))
            threats.append(Threat(str(entry.get("name")), *facts))
    return Threats(tuple(threats))


def _name(threat: str) -> str:
    return str(threat).partition("[")[0]

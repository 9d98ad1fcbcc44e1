"""What people read in place of the names of a run: labels from its manifest, file names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from reports.results.manifest import STUDY, read_manifest
from reports.results.rows import Row
from reports.results.threats import Threats, threats_of


@dataclass(frozen=True)
class Labels:
    """The labels of a run or study; a name without a label is shown as it is.

    names: label by name, for each of `datasets`, `networks`, `attacks`, `defences`, `threats`.
    threats: the run's threats in their order.
    """

    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    threats: Threats = field(default_factory=Threats)

    def dataset(self, name: str) -> str:
        """Return the label of a data set."""
        return self._names("datasets").get(name, name)

    def network(self, name: str) -> str:
        """Return the label of a network; one with parameters has a label of its own, or none."""
        return self._names("networks").get(name, name)

    def attack(self, name: str) -> str:
        """Return the label of an attack, followed by its parameters as they are written."""
        return self._with_parameters("attacks", name)

    def threat(self, name: str) -> str:
        """Return the label of a threat, followed by its parameters as they are written."""
        return self._with_parameters("threats", name)

    def defence(self, name: str, quality: float | None = None) -> str:
        """Return the label of a defence, followed by its parameters and its quality."""
        label = self._with_parameters("defences", name)
        return label if quality is None or pd.isna(quality) else f"{label} {int(quality)}"

    def behind(self, row: Row) -> str:
        """Return the defence of a row as a sentence names it: `no defence`, `JPEG 50`."""
        if row["defence"] == "none":
            return "no defence"
        return self.defence(str(row["defence"]), row["quality"])

    def place(self, dataset: str, network: str) -> str:
        """Return a network and its data set as a panel names them: `LeNet, MNIST`."""
        return f"{self.network(network)}, {self.dataset(dataset)}"

    def subject(self, dataset: str, network: str) -> str:
        """Return a network and its data set as a heading names them: `LeNet on MNIST`."""
        return f"{self.network(network)} on {self.dataset(dataset)}"

    def _names(self, kind: str) -> Mapping[str, str]:
        return self.names.get(kind, {})

    def _with_parameters(self, kind: str, text: str) -> str:
        name, bracket, parameters = text.partition("[")
        return self._names(kind).get(name, name) + bracket + parameters


# of a lone table
NO_LABELS = Labels()


def labels_of(manifest: Mapping[str, object]) -> Labels:
    """Return the labels and threats of a manifest; empty where it has none."""
    kinds = manifest.get("labels")
    names = {}
    for kind, labels in kinds.items() if isinstance(kinds, dict) else ():
        if isinstance(labels, dict):
            names[str(kind)] = {str(name): str(label) for name, label in labels.items()}
    return Labels(names, threats_of(manifest))


def read_labels(directory: Path) -> Labels:
    """Read the labels of a run directory, or of a study's folder."""
    return labels_of(read_manifest(directory) or read_manifest(directory, STUDY))


def file_name(*parts: str) -> str:
    """Return a file name that stays in its directory, whatever the parts hold."""
    return re.sub(r"[^A-Za-z0-9.=_-]+", "_", "-".join(parts)).strip("._")[:120]

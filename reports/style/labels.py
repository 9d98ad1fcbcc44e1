"""What people read in place of the names of a run: labels from its manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from reports.results.manifest import STUDY, read_manifest
from reports.results.rows import Row
from reports.results.threats import Threats, threats_of


@dataclass(frozen=True)
class Labels:
    """The labels of a run or study; a name without a label is shown as it is.

    names: label by name, for each of `datasets`, `networks`, `attacks`, `defences`, `threats`. A
        name with all its parameters goes before the name alone; a quality follows a defence.
    threats: the run's threats in their order.
    dollar: what stands for a dollar sign; see `for_figures`.
    """

    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    threats: Threats = field(default_factory=Threats)
    dollar: str = "$"

    def for_figures(self) -> Labels:
        """Return these labels for matplotlib, which reads text between dollars as mathematics."""
        return replace(self, dollar=r"\$")

    def dataset(self, name: str) -> str:
        """Return the label of a data set."""
        return self._safe(self._names("datasets").get(name, name))

    def network(self, name: str) -> str:
        """Return the label of a network; one with parameters has a label of its own, or none."""
        return self._safe(self._names("networks").get(name, name))

    def attack(self, name: str) -> str:
        """Return the label of an attack, or of its name, followed by its parameters."""
        return self._with_parameters("attacks", name)

    def threat(self, name: str) -> str:
        """Return the label of a threat, followed by its parameter; networks by their labels."""
        kind, of, network = name.partition("[from=")
        if not of:
            return self._with_parameters("threats", name)
        source = self.network(bracketed(network.removesuffix("]")))
        return f"{self._with_parameters('threats', kind)}{of}{source}]"

    def defence(self, name: str, quality: float | None = None) -> str:
        """Return the label of a defence, or that of its name, its parameters and its quality."""
        if quality is None or pd.isna(quality):
            return self._with_parameters("defences", name)
        whole = f"{name} {int(quality)}"
        own = self._names("defences").get(whole)
        return (
            self._safe(own) if own else f"{self._with_parameters('defences', name)} {int(quality)}"
        )

    def behind(self, row: Row) -> str:
        """Return the defence of a row as a sentence names it: `no defence`, `JPEG 50`."""
        if row["defence"] == "none":
            own = self._names("defences").get("none", "none")
            return "no defence" if own == "none" else self._safe(own)
        return self.defence(str(row["defence"]), row["quality"])

    def place(self, dataset: str, network: str) -> str:
        """Return a network and its data set as a panel names them: `LeNet, MNIST`."""
        return f"{self.network(network)}, {self.dataset(dataset)}"

    def subject(self, dataset: str, network: str) -> str:
        """Return a network and its data set as a heading names them: `LeNet on MNIST`."""
        return f"{self.network(network)} on {self.dataset(dataset)}"

    def pair(self, name: str) -> str:
        """Return the label of `DATASET/NETWORK`, as manifests write it: `LeNet on MNIST`.

        Either name may hold slashes: the longest known data set is taken, else the first part.
        """
        known = [d for d in self._names("datasets") if name.startswith(f"{d}/")]
        dataset = max(known, key=len, default=name.partition("/")[0])
        return self.subject(dataset, name[len(dataset) + 1 :])

    def in_text(self, text: str) -> str:
        """Return a message with the labels of networks and data sets: `network NAME on NAME`."""
        for before, kind in (("network", "networks"), ("on|of|data set", "datasets")):
            text = _replaced(text, before, self._names(kind))
        return self._safe(text)

    def shown(self, kind: str, name: str) -> str:
        """Return the label of a name of any kind; kind: as in `names`.

        A defence with a quality is written `NAME QUALITY`.
        """
        defence, _, quality = name.rpartition(" ")
        if kind == "defences" and defence and quality.isdecimal():
            return self.defence(defence, int(quality))
        one = {
            "datasets": self.dataset,
            "networks": self.network,
            "attacks": self.attack,
            "threats": self.threat,
            "defences": self.defence,
        }
        return one[kind](name)

    def _names(self, kind: str) -> Mapping[str, str]:
        return self.names.get(kind, {})

    def _with_parameters(self, kind: str, text: str) -> str:
        names = self._names(kind)
        name, bracket, parameters = text.partition("[")
        return self._safe(names.get(text) or names.get(name, name) + bracket + parameters)

    def _safe(self, text: str) -> str:
        return text.replace("$", self.dollar)


def _replaced(text: str, before: str, labels: Mapping[str, str]) -> str:
    """Return a text with labels in place of the names that follow certain words."""
    if not labels:
        return text
    names = "|".join(map(re.escape, sorted(labels, key=len, reverse=True)))
    # the name is whole: what follows it ends a word
    found = re.compile(rf"\b({before}) ({names})(?=[:;,.]?(?:\s|$))")
    return found.sub(lambda match: f"{match[1]} {labels[match[2]]}", text)


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


def bracketed(source: str) -> str:
    """Return a network of the command line, `lenet:extra_layers=4`, as the results name it."""
    name, colon, params = source.rpartition(":")
    return f"{name}[{params}]" if colon and "=" in params else source

"""Everything that a grid can name: the rows of the registries, and installed plug-ins."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from benchmark.attacks.lookup import attack_entry, file_entry, is_ours
from benchmark.attacks.registry import ATTACK_PATTERNS, ATTACKS
from benchmark.threats import THREATS
from estimators.data.geometry import split_options
from estimators.data.registry import DATASET_PATTERNS, DATASETS, FILES
from estimators.defences.registry import DEFENCE_PATTERNS, DEFENCES
from estimators.entries import Entry
from estimators.errors import InputError
from estimators.networks.registry import EVERY_NETWORK, NETWORK_PATTERNS, NETWORKS, network_label
from estimators.plugins import Kind, Plugin, installed, plugin
from estimators.spec import Spec
from estimators.training_spec import KEY, TRAININGS

# any network with a defence in training
_TRAINED = [replace(t, name="NAME", values={KEY: t.name}) for t in TRAININGS.values()]
# registry by key of a grid file; the names of patterns are not names themselves
REGISTRIES: dict[str, Mapping[str, Entry]] = {
    "datasets": DATASETS,
    "networks": NETWORKS,
    "attacks": ATTACKS,
    "threats": THREATS,
    "defences": DEFENCES,
}
PATTERNS: dict[str, list[Entry]] = {
    "datasets": list(DATASET_PATTERNS.values()),
    "networks": [*_TRAINED, *NETWORK_PATTERNS.values(), EVERY_NETWORK],
    "attacks": list(ATTACK_PATTERNS.values()),
    "threats": [],
    "defences": list(DEFENCE_PATTERNS.values()),
}
PLUGIN_KINDS: tuple[Kind, ...] = ("datasets", "networks", "attacks", "defences", "studies")
# arguments that the harness itself gives to a plug-in
_GIVEN = {
    "attacks": ("estimator", "classifier"),
    "defences": ("channels_first", "clip_values", "verbose"),
    "networks": ("shape", "classes"),
    "datasets": ("split", "data_dir", "folder"),
    "studies": ("request",),
}


def names(key: str) -> list[str]:
    """Return the names that a grid can hold under a key: of the registry and of plug-ins."""
    others = [p.name for kind in PLUGIN_KINDS if kind == key for p in installed(kind)]
    return [*REGISTRIES[key], *others]


def rows(key: str) -> list[Entry]:
    """Return all rows under a key, patterns and plug-ins included, for `bench list`."""
    return [*REGISTRIES[key].values(), *PATTERNS[key], *plugin_rows(key)]


def count(key: str) -> int:
    """Return the number of rows under a key; no plug-in is imported."""
    return len(names(key)) + len(PATTERNS[key])


def plugin_rows(key: str) -> Iterator[Entry]:
    """Yield a row per installed plug-in of a kind; each is imported, to show its parameters."""
    for kind in PLUGIN_KINDS:
        if kind == key:
            yield from (_plugin_row(kind, found) for found in installed(kind))


def labels(used: Mapping[str, Iterable[Spec]]) -> dict[str, dict[str, str]]:
    """Return the label of each name, by key: those of the registries, and of what a run used.

    used: specs by key of a grid file. A name whose label is the name itself is left out.
    """
    labels = {
        key: {name: row.label for name, row in registry.items() if row.label}
        for key, registry in REGISTRIES.items()
    }
    for kind in PLUGIN_KINDS:
        # what stands behind such a colon is a file or a name of a package, not code to import
        families = {row.family for row in PATTERNS.get(kind, ()) if row.family}
        for spec in used.get(kind, ()):
            ours = spec.name in REGISTRIES[kind] or spec.name.partition(":")[0] in families
            entry = None if ours else plugin(kind, spec.name)
            if isinstance(entry, Entry) and entry.label:
                labels[kind][spec.name] = entry.label
    for spec in used.get("attacks", ()):
        if is_ours(spec) and attack_entry(spec).label:
            labels["attacks"][spec.name] = attack_entry(spec).label
    files = {spec.name: _file_label(spec.name) for spec in used.get("datasets", ())}
    labels["datasets"] |= _told_apart(files)
    read = {spec.name: file_entry(spec) for spec in used.get("attacks", ())}
    labels["attacks"] |= _told_apart(
        {name: f"{row.family} {Path(row.file).stem}" for name, row in read.items() if row}
    )
    for spec in used.get("networks", ()):
        if network_label(spec) != str(spec):
            labels["networks"][str(spec)] = network_label(spec)
    return labels


def _told_apart(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of files that are not empty; two files of one name keep their paths."""
    all_labels = list(labels.values())
    return {name: text for name, text in labels.items() if text and all_labels.count(text) == 1}


def _file_label(name: str) -> str:
    """Return the last part of the path of a data set on disk; "" for other data sets."""
    family, _, path = split_options(name)[0].partition(":")
    return Path(path).name if path and family in FILES else ""


def _plugin_row(kind: Kind, found: Plugin) -> Entry:
    source = f"plug-in of {found.distribution}"
    row = Entry(name=found.name, build=found.value, summary=source)
    try:
        thing = plugin(kind, found.name)
    except InputError as error:
        return replace(row, summary=f"{source}: {error}")
    if isinstance(thing, Entry):
        return replace(thing, name=found.name, summary=f"{thing.summary} ({source})")
    row = replace(row, summary=f"{(inspect.getdoc(thing) or '').partition(chr(10))[0]} ({source})")
    try:
        known = inspect.signature(thing).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return row
    own = [p for p in known if p.name not in _GIVEN[kind] and p.kind is not p.VAR_KEYWORD]
    required = {p.name: "..." for p in own if p.default is p.empty}
    defaults = {p.name: p.default for p in own if p.default is not p.empty}
    return replace(row, values=required, defaults=defaults)

"""What reports show in place of names, and the order of the threats: for manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.grids.labels import given_labels, used_names
from benchmark.grids.model import Grid
from benchmark.grids.names import labels
from benchmark.threats import THREATS
from estimators.errors import InputError
from estimators.spec import Spec
from reports.style.labels import labels_of


def labels_and_threats(used: Mapping[str, Iterable[Spec]]) -> dict[str, Any]:
    """Return the entries `labels` and `threats` of a manifest, or of a study's record.

    used: the specs of a run by key of a grid file: `datasets`, `networks`, `attacks`, `defences`.
    """
    keys = ("name", "sees_defence", "crafted_elsewhere")
    threats = [{key: getattr(threat, key) for key in keys} for threat in THREATS.values()]
    return {"labels": labels(used), "threats": threats}


def grid_labels(grid: Grid) -> dict[str, Any]:
    """Return `labels_and_threats` of a grid, with the labels that its user gave.

    Raises InputError where two names would be shown as the same text.
    """
    used, given = used_names(grid), given_labels(grid)
    record = labels_and_threats({kind: list(specs.values()) for kind, specs in used.items()})
    for kind, own in given.items():
        record["labels"][kind] |= own
    shown = labels_of(record)
    for kind, own in given.items():
        texts = {name: shown.shown(kind, name).casefold() for name in used[kind]}
        for name in own:
            for other, text in texts.items():
                if other != name and text == texts[name]:
                    label = shown.shown(kind, name)
                    raise InputError(
                        f"label {label!r}: of both {name} and {other}; give each its own"
                    )
    return record

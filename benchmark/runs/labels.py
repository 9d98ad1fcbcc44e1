"""What reports show in place of names, and the order of the threats: for manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.grids.names import labels
from benchmark.threats import THREATS
from estimators.spec import Spec


def labels_and_threats(used: Mapping[str, Iterable[Spec]]) -> dict[str, Any]:
    """Return the entries `labels` and `threats` of a manifest, or of a study's record.

    used: the specs of a run by key of a grid file: `datasets`, `networks`, `attacks`, `defences`.
    """
    keys = ("name", "sees_defence", "crafted_elsewhere")
    threats = [{key: getattr(threat, key) for key in keys} for threat in THREATS.values()]
    return {"labels": labels(used), "threats": threats}

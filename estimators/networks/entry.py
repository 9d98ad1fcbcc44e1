"""The row of a network in the registry; plug-ins use it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from estimators.entries import Entry
from estimators.spec import Value


@dataclass(frozen=True, kw_only=True)
class NetworkEntry(Entry):
    """A network: `build` names a class or function that returns an nn.Module.

    It is called with `shape` (C, H, W) and `classes` where it has these parameters, with the
    parameters of the spec and the defaults of this row, and maps images [N, C, H, W] in [0, 1] to
    logits [N, classes].

    recipes: how it is trained, by (data set, training): "" for plain training, else a name of
        `training_spec.TRAININGS`. Each is a mapping of fields of `training.recipes.Recipe`; what
        it leaves out has the default value there.
    """

    recipes: Mapping[tuple[str, str], Mapping[str, Value]] = field(default_factory=dict)

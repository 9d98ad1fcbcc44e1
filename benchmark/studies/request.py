"""What a study is asked and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from estimators.errors import InputError
from estimators.spec import Spec

Subject = tuple[str, Spec]


@dataclass(frozen=True)
class Study:
    """One analysis of the paper.

    module: below `benchmark.studies`; has `compute(request) -> Findings`. Its figures are drawn by
        `draw(folder)` of the module of the same name below `reports.plots.studies`.
    figures: the paper's figures that it repeats, as text.
    about: one line for `bench list`.
    subjects: data set and network pairs that it looks at where none are named.
    params: what may be set, with its default: the size that `bench paper` runs.
    quick: what `--quick` replaces.
    """

    module: str
    figures: str
    about: str
    subjects: tuple[Subject, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyRequest:
    """What a study is asked.

    subjects: data set and network pairs.
    params: every parameter of the study.
    seed: of the subset of images and of all that is random.
    data_dir, device: as everywhere.
    tell: takes a line on what is done now.
    """

    subjects: tuple[Subject, ...]
    params: Mapping[str, Any]
    seed: int = 0
    data_dir: Path | None = None
    device: str = "cpu"
    tell: Callable[[str], None] = lambda text: None

    @property
    def datasets(self) -> list[str]:
        """The data sets of the subjects, each once."""
        return list(dict.fromkeys(dataset for dataset, _ in self.subjects))

    def __getitem__(self, param: str) -> Any:
        return self.params[param]


@dataclass(frozen=True)
class Findings:
    """What a study gives.

    tables: tidy frames by name; each becomes `<name>.csv`, the figures' and claims' only source.
    arrays: images and spectra by name, for figures; together they become `arrays.npz`.
    """

    tables: Mapping[str, pd.DataFrame]
    arrays: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    def files(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """File names and frames."""
        for name, table in self.tables.items():
            yield f"{name}.csv", table


def make_request(
    study: Study,
    dataset: str | None = None,
    network: Spec | None = None,
    params: Mapping[str, Any] | None = None,
    quick: bool = False,
    **more: Any,
) -> StudyRequest:
    """The question of a study: its defaults, narrowed or replaced by what the user named.

    A data set or network that the study looks at by default narrows its subjects; another one
    takes their place. more: further fields of `StudyRequest`.

    Raises InputError for a parameter that the study does not have, or of another type.
    """
    chosen = {**study.params, **(study.quick if quick else {})}
    for name, value in (params or {}).items():
        if name not in study.params:
            from estimators.errors import unknown

            raise unknown("parameter of the study", name, study.params or ["(none)"])
        chosen[name] = _like(study.params[name], value, name)
    subjects = study.subjects
    if dataset is not None:
        kept = tuple(s for s in subjects if s[0] == dataset)
        names = dict.fromkeys(network for _, network in subjects)
        subjects = kept or tuple((dataset, n) for n in names)
    if network is not None:
        kept = tuple(s for s in subjects if s[1] == network)
        subjects = kept or tuple((d, network) for d in dict.fromkeys(d for d, _ in subjects))
    return StudyRequest(subjects, chosen, **more)


def with_subjects(request: StudyRequest, subjects: tuple[Subject, ...]) -> StudyRequest:
    """The same question about some of the subjects."""
    return replace(request, subjects=subjects)


def _like(default: Any, value: Any, name: str) -> Any:
    """A value in the type of the default; a single value where a list is the default."""
    if isinstance(default, (tuple, list)):
        values = list(value) if isinstance(value, (tuple, list)) else [value]
        return tuple(_like(default[0], v, name) for v in values) if default else tuple(values)
    if isinstance(default, bool) or default is None or isinstance(default, str):
        fits = default is None or type(value) is type(default)
        value = value if fits or not isinstance(default, str) else str(value)
        if isinstance(default, bool) and not fits:
            raise InputError(f"study parameter {name}: true or false wanted, found {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"study parameter {name}: a number wanted, found {value!r}")
    if isinstance(default, int) and not isinstance(value, int):
        raise InputError(f"study parameter {name}: an integer wanted, found {value!r}")
    return type(default)(value)

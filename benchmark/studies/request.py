"""What a study is asked to compute, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.studies.entry import StudyEntry, Subject
from estimators.data.images import Images, Split
from estimators.data.load import load_images
from estimators.errors import InputError, unknown
from estimators.spec import Spec, Value

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class StudyRequest:
    """What a study is asked to compute.

    subjects: (data set, network) pairs.
    params: every parameter of the study.
    seed: of the subset of images and of everything random.
    data_dir: folder of the data files; None for the default one.
    device: torch device.
    report: takes one line that names the current step.
    message: takes one line that stays, such as a warning.
    share: takes the share of the study that is done, from 0 to 1.
    loader: loads a split of a data set from the folder of the data files; see `images`.
    """

    subjects: tuple[Subject, ...]
    params: Mapping[str, Any]
    seed: int = 0
    data_dir: Path | None = None
    device: str = "cpu"
    report: Callable[[str], None] = lambda text: None
    message: Callable[[str], None] = lambda text: None
    share: Callable[[float], None] = lambda share: None
    loader: Callable[[str, Split, Path | None], Images] = load_images

    def images(self, dataset: str, split: Split = "test") -> Images:
        """Return a split of a data set, in the sizes and classes of its networks if prepared."""
        return self.loader(dataset, split, self.data_dir)

    def each_subject(self) -> Iterator[Subject]:
        """Yield the subjects; report each, and the share of the study that is done before it."""
        for n, (dataset, network) in enumerate(self.subjects):
            self.share(n / len(self.subjects))
            self.report(f"{network} on {dataset}")
            yield dataset, network

    def part(self, start: float, end: float) -> StudyRequest:
        """Return the request of a part of the study, which takes it from one share to another."""
        return replace(self, share=lambda share: self.share(start + share * (end - start)))

    @property
    def datasets(self) -> list[str]:
        """Return the data sets of the subjects, each once."""
        return list(dict.fromkeys(dataset for dataset, _ in self.subjects))

    def __getitem__(self, param: str) -> Any:
        """Return the value of a parameter."""
        return self.params[param]


@dataclass(frozen=True)
class Findings:
    """What a study returns.

    tables: tidy frames by name; each becomes `<name>.csv`, from which figures and claims are made.
    arrays: images and spectra for the figures, by name; together they become `arrays.npz`.
    parts: folders of finished studies that are part of this one, by name; each is copied.
    """

    tables: Mapping[str, pd.DataFrame]
    arrays: Mapping[str, Array] = field(default_factory=dict)
    parts: Mapping[str, Path] = field(default_factory=dict)


def make_request(
    study: StudyEntry,
    dataset: str | None = None,
    network: Spec | None = None,
    params: Mapping[str, Value] | None = None,
    quick: bool = False,
    **more: Any,
) -> StudyRequest:
    """Return the request for a study: its defaults with the user's choices.

    dataset, network: narrow the subjects of the study where it has them, and replace them where it
        does not. params: replace defaults. quick: start from the small size.
        more: further fields of `StudyRequest`.

    Raises InputError for a parameter that the study does not have, or of another type.
    """
    chosen = {**study.defaults, **(study.quick if quick else {})}
    for name, value in (params or {}).items():
        if name not in study.defaults:
            raise unknown("parameter of the study", name, study.defaults or ["(none)"])
        chosen[name] = _in_type_of(study.defaults[name], value, name)
    subjects = study.subjects
    if dataset is not None:
        kept = tuple(s for s in subjects if s[0] == dataset)
        networks = dict.fromkeys(network for _, network in subjects)
        subjects = kept or tuple((dataset, n) for n in networks)
    if network is not None:
        kept = tuple(s for s in subjects if s[1] == network)
        subjects = kept or tuple((d, network) for d in dict.fromkeys(d for d, _ in subjects))
    return StudyRequest(subjects, chosen, **more)


def _in_type_of(default: Value, value: Value, name: str) -> Value:
    """Return a value in the type of the default; one value becomes a tuple where that is one."""
    if isinstance(default, (tuple, list)):
        values = value if isinstance(value, (tuple, list)) else (value,)
        return tuple(_in_type_of(default[0], v, name) if default else v for v in values)
    if default is None:
        return value
    if isinstance(default, str):
        return str(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    for expected, fits in (
        ("true or false", not isinstance(default, bool) or isinstance(value, bool)),
        ("a number", isinstance(default, bool) or is_number),
        ("an integer", not isinstance(default, int) or isinstance(value, int)),
    ):
        if not fits:
            raise InputError(f"study parameter {name}: expected {expected}, got {value!r}")
    return type(default)(value)  # type: ignore[arg-type]

"""Networks trained for a study, and how right each stays under attack.

A sweep trains one network per setting and seed (kept in the cache of checkpoints, so nothing is
trained twice) and measures all of them on the same images, in processes of one torch thread each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from benchmark.studies.measures.processes import shared_out
from benchmark.studies.request import StudyRequest
from estimators.errors import InputError
from estimators.spec import Spec

Tables = dict[str, list[dict[str, Any]]]
# a study's own measure of a network for images [C, H, W]; a function of a module, for the processes
Measure = Callable[[nn.Module, tuple[int, int, int]], Tables]


@dataclass(frozen=True)
class Training:
    """One network to train: all that decides its weights besides data and recipe.

    epochs: passes over the training images; the recipe's one-cycle schedule spans them, so that
        every number of epochs is a whole training of its own and not a snapshot of a longer one.
    setting: columns that name what the sweep varies, first in each row of the network.
    """

    dataset: str
    network: Spec
    epochs: int
    seed: int
    setting: tuple[tuple[str, float], ...] = ()

    @property
    def columns(self) -> dict[str, Any]:
        """What every row about this network begins with."""
        varied = dict(self.setting)
        plain = self.network.without(*varied)
        first = {"dataset": self.dataset, "network": str(plain)}
        return {**first, **varied, "epochs": self.epochs, "seed": self.seed}

    def __str__(self) -> str:
        return f"{self.network} on {self.dataset}, {self.epochs} epochs, seed {self.seed}"


@dataclass(frozen=True)
class Probe:
    """How the networks of a sweep are measured; the same images for each of them.

    samples: test images for the attacks of one gradient. iterated_samples: for PGD.
    gap_images: test images, and as many of training, for accuracy and loss without attack.
    points: sizes of eps, from 0 to the largest of the data set. pgd_steps: iterations of PGD.
    seed: of the subsets. data_dir, device: as everywhere.
    """

    samples: int
    iterated_samples: int
    gap_images: int
    points: int
    pgd_steps: int
    seed: int = 0
    data_dir: Path | None = None
    device: str = "cpu"

    @classmethod
    def of(cls, request: StudyRequest) -> Probe:
        """The probe of a study's question."""
        names = ("samples", "iterated_samples", "gap_images", "points", "pgd_steps")
        chosen = {name: request[name] for name in names}
        for name, value in chosen.items():
            least = 7 if name == "points" else 1
            if value < least:
                raise InputError(f"study parameter {name}: must be at least {least}, found {value}")
        return cls(**chosen, seed=request.seed, data_dir=request.data_dir, device=request.device)


def whole_numbers(request: StudyRequest, name: str, least: int) -> tuple[int, ...]:
    """One parameter of a study as whole numbers, each once and growing.

    Raises InputError for numbers below `least`, and for fewer than one training seed.
    """
    if request["seeds"] < 1:
        raise InputError(f"study parameter seeds: must be at least 1, found {request['seeds']}")
    given = request[name] if isinstance(request[name], tuple) else (request[name],)
    for value in given:
        if value < least:
            raise InputError(f"study parameter {name}: must be at least {least}, found {value}")
    return tuple(sorted(set(given)))


def swept(
    trainings: Sequence[Training],
    probe: Probe,
    tell: Callable[[str], None] = lambda text: None,
    own: Measure | None = None,
) -> dict[str, pd.DataFrame]:
    """Train or load the networks and measure each: tables `accuracy`, `gap`, `area`, `smallest`.

    Their rows come in the order of `trainings`; see `measures.robustness` for the columns.
    own: makes further tables.
    """
    work = partial(one, probe=probe, own=own)
    done = dict(shared_out(trainings, work, lambda t: t.epochs, tell, probe.device))
    joined: Tables = {}
    for n in range(len(trainings)):
        for name, rows in done[n].items():
            joined.setdefault(name, []).extend(rows)
    return {name: pd.DataFrame(rows).map(_short) for name, rows in joined.items()}


def _short(value: Any) -> Any:
    """Six significant digits: no table needs more, and CSVs stay small."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def one(training: Training, probe: Probe, own: Measure | None = None) -> Tables:
    """Train or load one network and measure it."""
    from benchmark.studies.measures.robustness import measure
    from estimators.data.load import image_shape
    from estimators.training.train_or_load import train_or_load

    trained = train_or_load(
        training.dataset,
        training.network,
        training.epochs,
        training.seed,
        probe.data_dir,
        probe.device,
    )
    found = measure(trained.network, training.dataset, probe)
    if own is not None:
        shape, _ = image_shape(training.dataset, probe.data_dir)
        found |= own(trained.network, shape)
    return {name: [{**training.columns, **row} for row in rows] for name, rows in found.items()}

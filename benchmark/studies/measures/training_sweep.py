"""Networks trained for a study, and how robust each one is.

A sweep trains one network per setting and seed and measures all of them on the same images, in
processes of one torch thread each. The networks are kept in the cache of checkpoints, so that none
is trained twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from torch import nn

from benchmark.studies.measures.processes import OnShare, in_processes
from benchmark.studies.measures.robustness import Probe, measure
from benchmark.studies.measures.tables import Row, Rows, tidy
from benchmark.studies.request import StudyRequest
from estimators.data.load import image_shape
from estimators.errors import InputError
from estimators.spec import Spec
from estimators.training.train_or_load import train_or_load

# a study's own measure of a network for images [C, H, W]: rows by table. A function of a module,
# since it is sent to processes.
Measure = Callable[[nn.Module, tuple[int, int, int]], dict[str, Rows]]

# an epoch of these networks in epochs of LeNet, and each additional layer of LeNet in the same: the
# longest trainings start first, and the time left is shown
EPOCHS = {"resnet": 7, "cnn": 15}
LAYER = 0.08
# what all measures of a network take, in its own epochs
MEASURES = 2


@dataclass(frozen=True)
class Training:
    """One network to train: all that decides its weights besides data and recipe.

    dataset, network: what is trained on what.
    epochs: passes over the training images; the recipe's one-cycle schedule spans them, so each
        number of epochs is a complete training and not a snapshot of a longer one.
    seed: of the training.
    setting: columns that name what the sweep varies, first in each row of the network.
    """

    dataset: str
    network: Spec
    epochs: int
    seed: int
    setting: tuple[tuple[str, float], ...] = ()

    @property
    def columns(self) -> Row:
        """Return the first columns of every row about this network."""
        varied = dict(self.setting)
        names = {"dataset": self.dataset, "network": str(self.network.without(*varied))}
        return {**names, **varied, "epochs": self.epochs, "seed": self.seed}

    def run(self, data_dir: Path | None, device: str, on_share: OnShare | None = None) -> nn.Module:
        """Return the trained network; load it where the same training was done before.

        on_share: takes the share of the training that is done.
        """
        key = self.dataset, self.network, self.epochs, self.seed
        found = train_or_load(*key, data_dir, device, on_share=on_share, every_epoch=False)
        return found.network

    def __str__(self) -> str:
        return f"{self.network} on {self.dataset}, {self.epochs} epochs, seed {self.seed}"


def own_prefix(network: Spec) -> str:
    """Return how a study's parameters for the trainings of a network begin.

    `deep_` for networks other than LeNet, whose trainings take minutes; nothing for LeNet.
    """
    return "" if network.name == "lenet" else "deep_"


def whole_numbers(request: StudyRequest, name: str, least: int) -> tuple[int, ...]:
    """Return one parameter of a study as whole numbers, sorted and without duplicates.

    Raises InputError for numbers below `least`.
    """
    given = request[name] if isinstance(request[name], tuple) else (request[name],)
    for value in given:
        if value < least:
            raise InputError(f"study parameter {name}: must be at least {least}, got {value}")
    return tuple(sorted(set(given)))


def swept(
    trainings: Sequence[Training],
    probe: Probe,
    report: Callable[[str], None] = lambda text: None,
    own: Measure | None = None,
    share: OnShare = lambda share: None,
) -> dict[str, pd.DataFrame]:
    """Train or load the networks and measure each: tables `accuracy`, `gap`, `area`, `smallest`.

    The rows come in the order of `trainings`; `robustness.measure` has their columns.
    own: makes further tables. report, share: as in `in_processes`.
    """
    work = partial(_measured, probe=probe, own=own)
    done = dict(in_processes(trainings, work, training_length, report, probe.device, share))
    tables: dict[str, Rows] = {}
    for n in range(len(trainings)):
        for name, rows in done[n].items():
            tables.setdefault(name, []).extend(rows)
    return {name: tidy(rows) for name, rows in tables.items()}


def training_length(training: Training) -> float:
    """Return how long a training takes and its network's measures, in epochs of LeNet."""
    size = EPOCHS.get(training.network.name, 1) * (1 + LAYER * _layers(training.network))
    return (training.epochs + MEASURES) * size


def _layers(network: Spec) -> int:
    layers = network.get("extra_layers")
    return layers if isinstance(layers, int) else 0


def _measured(
    training: Training, on_share: OnShare, probe: Probe, own: Measure | None
) -> dict[str, Rows]:
    """Train or load one network and measure it."""
    trains = training.epochs / (training.epochs + MEASURES)
    network = training.run(probe.data_dir, probe.device, lambda share: on_share(share * trains))
    on_share(trains)
    tables = measure(network, training.dataset, probe)
    if own is not None:
        shape, _ = image_shape(training.dataset, probe.data_dir)
        tables |= own(network, shape)
    return {name: [{**training.columns, **row} for row in rows] for name, rows in tables.items()}

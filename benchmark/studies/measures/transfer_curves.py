"""Transfer curves: responses of the first layers of trained networks to gratings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmark.studies.measures import gratings
from benchmark.studies.measures.gratings import compressed, energy, response_norms
from benchmark.studies.measures.processes import OnShare, in_processes
from benchmark.studies.measures.subjects import network_of
from benchmark.studies.measures.tables import Row
from benchmark.studies.measures.training_sweep import Training, own_prefix, training_length
from benchmark.studies.request import StudyRequest
from estimators.data.load import image_shape
from estimators.spec import Spec
from estimators.training.recipes import recipe_for

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Responses of one first layer to gratings of one size and direction.

    dataset, network, seed: the network, and its training seed.
    size, direction: of the gratings; size in pixels.
    own: whether the size is that of the data.
    quality: of the JPEG compression before the layer, None for none.
    cycles: per image, along an axis, from 0 to Nyquist.
    response: float64 [cycles], L2 norm of the output, root mean square over the phases.
    response_ac: float64 [cycles], the same after subtracting the output for uniform grey.
    response_grey: norm of the output for uniform grey.
    norm: root mean square of the gratings' own norm around grey, before JPEG.
    left: float64 [cycles above 0, phases], share of each grating's energy that JPEG leaves.
    """

    dataset: str
    network: str
    seed: int
    size: int
    own: bool
    direction: str
    quality: int | None
    cycles: tuple[int, ...]
    response: Floats
    response_ac: Floats
    response_grey: float
    norm: float
    left: Floats

    @property
    def names(self) -> Row:
        """Return the columns that name the curve in every table."""
        row = Row(dataset=self.dataset, network=self.network, training_seed=self.seed)
        return row | {"size": self.size, "direction": self.direction, "quality": self.quality}


def curves_of(request: StudyRequest, dataset: str) -> Iterator[Curve]:
    """Yield every curve of a data set's networks; they share the compressed gratings.

    Sizes other than that of the data are computed for the first training seed alone.
    """
    (channels, own, _), _ = image_shape(dataset, request.data_dir)
    phases, contrast = request["phases"], request["contrast"]
    trainings = further_trainings(request, dataset, channels)
    after = 0.6 if trainings else 0.0
    layers = _first_layers(request.part(0, after), dataset, trainings)
    request.share(after)
    sizes = sorted({own, *request["sizes"]})
    for size in sizes:
        qualities = request["qualities"] if size == own else request["qualities_other_sizes"]
        used = [layer for layer in layers if size == own or layer[1] == 0]
        cycles = tuple(gratings.cycles_up_to_nyquist(size, request["frequencies"]))
        grey = torch.full((1, channels, size, size), gratings.GREY)
        for direction in gratings.DIRECTIONS:
            request.report(f"{dataset}, gratings of {size} pixels, {direction}")
            smaller = sum(other**2 for other in sizes if other < size)
            request.share(after + (1 - after) * smaller / sum(other**2 for other in sizes))
            waves = [gratings.gratings(size, k, direction, phases, contrast) for k in cycles]
            x = torch.cat(waves).expand(-1, channels, -1, -1)
            before = energy(x).reshape(-1, phases)[1:]
            for quality in (None, *qualities):
                coded, flat = (t if quality is None else compressed(t, quality) for t in (x, grey))
                left = energy(coded).reshape(-1, phases)[1:] / before
                for network, seed, layer in used:
                    norms = response_norms(layer, coded, flat).reshape(2, -1, phases)
                    whole, around = np.sqrt((norms**2).mean(axis=2))
                    grey_norm = float(response_norms(layer, flat, flat)[0, 0])
                    norm = size * (channels / 8) ** 0.5 * contrast
                    of = (dataset, network, seed, size, size == own, direction, quality, cycles)
                    yield Curve(*of, whole, around, grey_norm, norm, left)


def _networks(request: StudyRequest, dataset: str) -> list[Spec]:
    return [network for name, network in request.subjects if name == dataset]


def further_trainings(request: StudyRequest, dataset: str, channels: int) -> list[Training]:
    """Return the trainings of a data set's networks with further seeds than 0."""
    trainings = []
    for network in _networks(request, dataset):
        seeds = request["seeds_colour" if channels > 1 else f"{own_prefix(network)}seeds"]
        epochs = recipe_for(dataset, network).epochs
        trainings += [Training(dataset, network, epochs, seed) for seed in range(1, seeds)]
    return trainings


def _first_layers(
    request: StudyRequest, dataset: str, trainings: list[Training]
) -> list[tuple[str, int, torch.nn.Conv2d]]:
    """Return network, training seed and first layer of each network of a data set."""
    train = partial(_trained_layer, data_dir=request.data_dir, device=request.device)
    done = in_processes(
        trainings, train, training_length, request.report, request.device, request.share
    )
    trained = dict(done)
    layers = []
    for network in _networks(request, dataset):
        shipped = gratings.first_convolution(network_of(request, dataset, network), request.device)
        layers.append((str(network), 0, shipped))
        for n, training in enumerate(trainings):
            if training.network == network:
                layers.append((str(network), training.seed, trained[n]))
    return layers


def _trained_layer(
    training: Training, on_share: OnShare, data_dir: Path | None, device: str
) -> torch.nn.Conv2d:
    return gratings.first_convolution(training.run(data_dir, device, on_share), device)

"""Load the images and networks that cells name, and check them before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmark.attacks.adapters.images import check_images
from benchmark.attacks.lookup import file_entry
from benchmark.attacks.steps.craft import targets
from benchmark.certificates.graph import Graph
from benchmark.certificates.reading import read_graph
from benchmark.execution.chunk_size import need
from benchmark.execution.passes import CleanScorings, passes_of
from benchmark.execution.plan import plan
from benchmark.execution.plugin_code import plugin_code
from benchmark.grids.cell import Cell
from benchmark.grids.proof import Proof
from benchmark.runs.images import with_declared_size
from benchmark.runs.inputs import Pair, RunInputs
from benchmark.runs.loading.networks import check_trainable, load_given, load_or_train
from benchmark.runs.options import RunOptions
from benchmark.runs.parameters import check_on_images, check_parameters
from benchmark.threats import threat
from estimators.data.images import Images
from estimators.data.load import load_images
from estimators.errors import DataUnavailable
from estimators.networks.build import build_network
from estimators.networks.given import Trained, is_given
from estimators.networks.running.proofs import COMPARED
from estimators.spec import Spec
from reports.style.labels import NO_LABELS, Labels


def gather(
    cells: Iterable[Cell],
    options: RunOptions,
    device: str,
    proofs: Iterable[Proof] = (),
    labels: Labels = NO_LABELS,
) -> RunInputs:
    """Load data, check all that can be checked without training, then load or train networks.

    device: the device to train on. proofs: the certificates of these cells.
    labels: what messages show in place of names; errors have the names, which the user wrote.

    Raises InputError before anything is trained, where the grid asks for what is impossible.
    """
    listed = list(cells)
    inputs = RunInputs(labels=labels)
    check_parameters(listed)
    _load_images(inputs, listed, options)
    _check_cells(inputs, listed)
    pairs = _pairs(inputs, listed)
    certified = {(proof.dataset, proof.network) for proof in proofs}
    given: dict[Pair, Trained] = {}
    # networks with weights come first: they may bring an order of the classes, which those that are
    # trained here must have, too
    for dataset, network in sorted(pairs, key=lambda pair: not is_given(pair[1])):
        if is_given(network):
            passes = _passes(inputs, listed, (dataset, network))
            found = given[dataset, network] = load_given(
                inputs, (dataset, network), options, passes, listed
            )
            if (dataset, network) in certified - inputs.unusable.keys():
                _graph(found.network, inputs.images[dataset], network)
        else:
            check_trainable(inputs, (dataset, network), options)
            images = inputs.images[dataset]
            untrained = build_network(network, images.shape, len(images.classes))
            if (dataset, network) in certified:
                _graph(untrained, images, network)
    _check_files(inputs, listed)
    for pair in pairs:
        inputs.networks[pair] = given.get(pair) or load_or_train(inputs, pair, options, device)
        if pair not in inputs.needs:
            inputs.needs[pair] = need(inputs.networks[pair].network, inputs.images[pair[0]].shape)
        if pair in certified - inputs.unusable.keys():
            whole = inputs.networks[pair].network
            inputs.graphs[pair] = _graph(whole, inputs.images[pair[0]], pair[1])
    return inputs


def _graph(network: nn.Module, images: Images, name: Spec) -> Graph:
    """Return the steps of a network; InputError where it has other layers."""
    some = torch.from_numpy(images.beginning(COMPARED).x)
    return read_graph(network, images.shape, some, str(name))


def _load_images(inputs: RunInputs, cells: Sequence[Cell], options: RunOptions) -> None:
    """Load the test split of every data set; note those that are unavailable."""
    for name in dict.fromkeys(cell.dataset for cell in cells):
        own = [cell for cell in cells if cell.dataset == name]
        networks = dict.fromkeys(n for cell in own for n in _networks(cell))
        try:
            if name in options.handed.images:
                inputs.names[name], images = name, options.handed.images[name]
            else:
                inputs.names[name], note = with_declared_size(name, networks)
                images = load_images(inputs.names[name], "test", options.data_dir)
                if note:
                    images = replace(images, notes=(*images.notes, note))
            inputs.images[name] = images
            for text in images.notes:
                options.progress.message(f"{inputs.labels.dataset(name)}: {text}")
        except DataUnavailable as error:
            inputs.missing[name] = str(error)
            options.progress.message(f"skipped: {inputs.labels.in_text(str(error))}")


def _check_cells(inputs: RunInputs, cells: Sequence[Cell]) -> None:
    """Check samples, targets and attacks of ART; note the hashes of external code."""
    check_on_images(cells, inputs.images)
    for dataset, samples, seed in dict.fromkeys((c.dataset, c.samples, c.seed) for c in cells):
        if dataset in inputs.images:
            inputs.count(dataset, samples, seed)
    for cell in cells:
        images = inputs.images.get(cell.dataset)
        inputs.code.update(plugin_code(cell))
        if images is not None:
            targets(cell.attack, images.y[:1], len(images.classes))


def _check_files(inputs: RunInputs, cells: Sequence[Cell]) -> None:
    """Compare files of adversarial images with the images of their cells, in their final order."""
    checked: set[object] = set()
    for cell in cells:
        entry, images = file_entry(cell.attack), inputs.images.get(cell.dataset)
        at = cell.dataset, cell.samples, cell.seed
        if entry is None or images is None or (cell.attack, at) in checked:
            continue
        checked.add((cell.attack, at))
        own_indices = not np.array_equal(images.ids, np.arange(len(images)))
        check_images(cell.attack, Path(entry.file), inputs.subset(*at), own_indices)


def _pairs(inputs: RunInputs, cells: Sequence[Cell]) -> list[Pair]:
    """Return every data set with each of its networks, the sources of transfers included."""
    pairs: dict[Pair, None] = {}
    for cell in cells:
        pairs.update(dict.fromkeys((cell.dataset, network) for network in _networks(cell)))
    return [pair for pair in pairs if pair[0] in inputs.images]


def _networks(cell: Cell) -> list[Spec]:
    """Return the network of a cell, and the one that a transferred attack is crafted on."""
    both = (cell.network, threat(cell.threat).source)
    return [network for network in both if network is not None]


def _passes(inputs: RunInputs, cells: Sequence[Cell], pair: Pair) -> float:
    """Return the expected forward passes with single images of all cells of a network."""
    images = inputs.images[pair[0]]
    own = [cell for cell in cells if (cell.dataset, cell.network) == pair]
    clean: CleanScorings = {}
    return sum(
        passes_of(task, len(images.classes), clean) * inputs.count(pair[0], task.samples, task.seed)
        for task in plan(own)
    )

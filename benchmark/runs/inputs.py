"""What the cells of a grid need: images and networks, loaded and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmark.attacks.adapters.images import check_images
from benchmark.attacks.lookup import attack_entry, file_entry
from benchmark.attacks.steps.craft import targets
from benchmark.certificates.graph import Graph
from benchmark.certificates.reading import read_graph
from benchmark.execution.chunk_size import Need, need
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.passes import passes_of
from benchmark.execution.plan import plan
from benchmark.execution.plugin_code import plugin_code
from benchmark.grids.cell import Cell, Inputs
from benchmark.grids.proof import Proof
from benchmark.runs.images import output_order, with_classes_of, with_declared_size
from benchmark.runs.options import RunOptions
from benchmark.runs.parameters import check_on_images, check_parameters
from benchmark.threats import threat
from estimators.classifier import BATCH
from estimators.data.choice import chosen_rows
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.data.samples import Samples
from estimators.errors import DataUnavailable
from estimators.networks.build import build_network
from estimators.networks.given import Trained, guarded_network, in_order, is_given
from estimators.networks.running.folding import COMPARED, foldable
from estimators.networks.running.guarded import Guarded
from estimators.networks.sanity_checks import LEAST, SAMPLE, check_fit, check_wrapped
from estimators.networks.squashed import squashed
from estimators.spec import Spec
from estimators.training.train_or_load import trained_network

# share of a run's passes that the checks of an external network take
CHECKED = 0.02
# data set and network
Pair = tuple[str, Spec]


@dataclass
class RunInputs:
    """The loaded inputs of a run.

    images: test images by data set.
    names: the names of the data sets with all options, by data set.
    missing: the reason for each data set that is unavailable.
    networks: trained networks by data set and name.
    warnings: what the sanity checks say about each external network.
    squashed: the external networks whose outputs are squashed, with what was seen of them.
    code: hashes of external code, from all cells (`plugin_code`).
    needs: what each network needs of the memory.
    chunks: images per chunk of each network.
    graphs: the steps of each network that is certified.
    """

    images: dict[str, Images] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    networks: dict[Pair, Trained] = field(default_factory=dict)
    warnings: dict[Pair, list[str]] = field(default_factory=dict)
    squashed: dict[Pair, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    needs: dict[Pair, Need] = field(default_factory=dict)
    chunks: dict[Pair, int] = field(default_factory=dict)
    graphs: dict[Pair, Graph] = field(default_factory=dict)
    _subsets: dict[tuple[str, Samples, int], Images] = field(default_factory=dict)
    _models: dict[Pair, TrainedNetwork] = field(default_factory=dict)

    def subset(self, dataset: str, samples: Samples, seed: int) -> Images:
        """Return the images of cells; cells with the same samples and seed share them."""
        key = (dataset, samples, seed)
        if key not in self._subsets:
            self._subsets[key] = subset(self.images[dataset], samples, seed)
        return self._subsets[key]

    def count(self, dataset: str, samples: Samples, seed: int) -> int:
        """Return the number of images of cells; InputError where the data set lacks some."""
        images = self.images[dataset]
        of = f"the test split of {dataset}"
        return len(chosen_rows(images.y, images.ids, samples, seed, images.classes, of))

    def data_sha256(self, cell: Cell) -> str:
        """Return the hash of a cell's data set; for images on disk, of the images scored.

        That one is empty where images of the cell were not read, since an attack failed before.
        """
        images = self.images[cell.dataset]
        if not images.streamed:
            return images.sha256
        return self.subset(cell.dataset, cell.samples, cell.seed).scored_sha256

    def hashes(self, cell: Cell) -> Inputs:
        """Return the hashes that decide the numbers of a cell; empty ones without its data."""
        if cell.dataset in self.missing:
            return Inputs()
        source = threat(cell.threat).source
        return Inputs(
            self.images[cell.dataset].fingerprint,
            self.networks[cell.dataset, cell.network].sha256,
            self.networks[cell.dataset, source].sha256 if source else "",
            plugin_code(cell),
            attack_entry(cell.attack).revision,
        )

    def key(self, cell: Cell) -> str:
        """Return the key under which a cell is stored."""
        return cell.key(self.hashes(cell))

    def proof_key(self, proof: Proof) -> str:
        """Return the key under which a certificate is stored."""
        weights = self.networks[proof.dataset, proof.network].sha256
        return proof.key(Inputs(self.images[proof.dataset].fingerprint, weights))

    def models(self) -> dict[Pair, TrainedNetwork]:
        """Return the networks as executors take them.

        The first call decides which batch norms are folded, on the first images; no other thread
        may run a network meanwhile (`foldable`).
        """
        for pair, trained in self.networks.items():
            if pair not in self._models:
                images, network = self.images[pair[0]], trained.network
                self._models[pair] = TrainedNetwork(
                    network,
                    images.shape,
                    len(images.classes),
                    folds=foldable(network, torch.from_numpy(images.beginning(COMPARED).x)),
                    chunk=self.chunks.get(pair, BATCH),
                    squashed=pair in self.squashed,
                    graph=self.graphs.get(pair),
                )
        return self._models


def gather(
    cells: Iterable[Cell], options: RunOptions, device: str, proofs: Iterable[Proof] = ()
) -> RunInputs:
    """Load data, check all that can be checked without training, then load or train networks.

    device: the device to train on. proofs: the certificates of these cells.

    Raises InputError before anything is trained, where the grid
    asks for what is impossible.
    """
    listed = list(cells)
    inputs = RunInputs()
    check_parameters(listed)
    _load_images(inputs, listed, options)
    _check_cells(inputs, listed)
    pairs = _pairs(inputs, listed)
    certified = {(proof.dataset, proof.network) for proof in proofs}
    given: dict[Pair, Trained] = {}
    for dataset, network in pairs:
        if is_given(network):
            passes = _passes(inputs, listed, (dataset, network))
            found = given[dataset, network] = _load_given(
                inputs, (dataset, network), options, passes
            )
            if (dataset, network) in certified:
                _graph(found.network, inputs.images[dataset], network)
        else:
            images = inputs.images[dataset]
            untrained = build_network(network, images.shape, len(images.classes))
            if (dataset, network) in certified:
                _graph(untrained, images, network)
    _check_files(inputs, listed)
    for pair in pairs:
        inputs.networks[pair] = given.get(pair) or _train(inputs, pair, options, device)
        if pair not in inputs.needs:
            inputs.needs[pair] = need(inputs.networks[pair].network, inputs.images[pair[0]].shape)
        if pair in certified:
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
            inputs.names[name], note = with_declared_size(name, networks)
            images = load_images(inputs.names[name], "test", options.data_dir)
            if note:
                images = replace(images, notes=(*images.notes, note))
            inputs.images[name] = images
            for text in images.notes:
                options.progress.message(f"{name}: {text}")
        except DataUnavailable as error:
            inputs.missing[name] = str(error)
            options.progress.message(f"skipped: {error}")


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
    return sum(
        passes_of(task, len(images.classes)) * inputs.count(pair[0], task.samples, task.seed)
        for task in plan(own)
    )


def _load_given(inputs: RunInputs, pair: Pair, options: RunOptions, passes: float) -> Trained:
    """Load a network that is not trained here, and check that it is wrapped correctly.

    passes: expected with it in the run; the checks take CHECKED of them, but see LEAST images.
    """
    dataset, network = pair
    message = options.progress.message
    images = inputs.images[dataset]
    count = len(images.classes)
    trained = guarded_network(network, images.shape, count, options.trust_pickle)
    inputs.images[dataset], note = with_classes_of(images, trained.network, network)
    if note:
        message(f"{dataset}: {note}")
    order = output_order(inputs.images[dataset], trained.network, network)
    if order is not None:
        trained = in_order(trained, order)
    texts = [*trained.network.notes] if isinstance(trained.network, Guarded) else []
    needs = inputs.needs[pair] = need(trained.network, images.shape)
    # a sound network is run twice on each image
    sample = min(SAMPLE, max(LEAST, int(CHECKED * passes / 2)))
    checked = inputs.images[dataset], str(network), sample, needs.chunk
    texts += check_wrapped(trained.network, *checked)
    fault = squashed(trained.network, inputs.images[dataset], needs.chunk)
    if fault is not None:
        inputs.squashed[pair] = fault
        texts.insert(0, fault)
    inputs.warnings[pair] = texts
    origin = f"{trained.metadata['recipe']}; hash {trained.sha256[:16]}"
    message(f"{network} on {dataset}: not trained here, used as it is ({origin})")
    for text in inputs.warnings[pair]:
        message(f"warning: network {network} on {dataset}: {text}")
    return trained


def _train(inputs: RunInputs, pair: Pair, options: RunOptions, device: str) -> Trained:
    """Load a network that was trained before, or train it."""
    dataset, network = pair
    images = inputs.images[dataset]
    on_epoch = options.progress.epoch
    name = inputs.names[dataset]
    trained = trained_network(name, network, options.data_dir, device, on_epoch=on_epoch)
    check_fit(trained.network, images.shape, len(images.classes), str(network))
    if not trained.reused:
        options.progress.message(f"trained {network} on {dataset}, kept at {trained.path}")
    return trained

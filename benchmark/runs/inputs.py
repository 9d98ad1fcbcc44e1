"""What the cells of a grid need: images and networks, and the hashes of both."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from benchmark.attacks.lookup import attack_entry
from benchmark.certificates.certify import BATCH as BOUNDED
from benchmark.certificates.graph import Graph
from benchmark.execution.chunk_size import Need
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.plugin_code import plugin_code
from benchmark.grids.cell import Cell, Inputs
from benchmark.grids.proof import Proof
from benchmark.threats import threat
from estimators.classifier import BATCH
from estimators.data.choice import chosen_rows
from estimators.data.images import Images, subset
from estimators.data.samples import Samples
from estimators.networks.given import Trained
from estimators.networks.running.cheaper_passes import CheaperPasses
from estimators.networks.running.proofs import COMPARED
from estimators.spec import Spec
from reports.style.labels import NO_LABELS, Labels

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
    unusable: the external networks that raise for every image, with the reason; their cells fail.
    misleading: the external networks whose gradient is not that of their outputs.
    squashed: the external networks whose outputs are squashed, with what was seen of them.
    code: hashes of external code, from all cells (`plugin_code`).
    needs: what each network needs of the memory.
    chunks: images per chunk of each network.
    bounded: images that certificates of each network bound at once.
    graphs: the steps of each network that is certified.
    labels: what messages show in place of names.
    """

    images: dict[str, Images] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    networks: dict[Pair, Trained] = field(default_factory=dict)
    warnings: dict[Pair, list[str]] = field(default_factory=dict)
    unusable: dict[Pair, str] = field(default_factory=dict)
    misleading: list[Pair] = field(default_factory=list)
    squashed: dict[Pair, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    needs: dict[Pair, Need] = field(default_factory=dict)
    chunks: dict[Pair, int] = field(default_factory=dict)
    bounded: dict[Pair, int] = field(default_factory=dict)
    graphs: dict[Pair, Graph] = field(default_factory=dict)
    labels: Labels = NO_LABELS
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

        The first call decides how they are run, on the first images; no other thread may run a
        network meanwhile (`CheaperPasses.of`).
        """
        for pair, trained in self.networks.items():
            if pair not in self._models:
                images, network = self.images[pair[0]], trained.network
                self._models[pair] = TrainedNetwork(
                    network,
                    images.shape,
                    len(images.classes),
                    passes=CheaperPasses.of(
                        network, torch.from_numpy(images.beginning(COMPARED).x)
                    ),
                    chunk=self.chunks.get(pair, BATCH),
                    squashed=pair in self.squashed,
                    graph=self.graphs.get(pair),
                    bounded=self.bounded.get(pair, BOUNDED),
                )
        return self._models

"""What the cells of a grid need: images, networks, and what of it cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.attacks.steps.craft import targets
from benchmark.execution.plugin_code import plugin_code
from benchmark.grids.cell import Cell
from benchmark.runs.network_outputs import output_facts
from benchmark.threats import threat
from estimators.data.images import Images
from estimators.data.load import load_images
from estimators.defences.build import build_defence
from estimators.errors import DataUnavailable, InputError
from estimators.networks.build import build_network
from estimators.networks.given import Trained, is_given
from estimators.networks.sanity_checks import check_fit, check_wrapped
from estimators.spec import Spec
from estimators.training.train_or_load import trained_network


@dataclass
class RunInputs:
    """Test images by data set, trained networks, and the reason for each missing data set.

    code: hashes of the code of others, from all cells (`plugin_code.plugin_code`).
    warnings: what the checks on each network of others found (`wrapping.check_wrapped`).
    """

    images: dict[str, Images] = field(default_factory=dict)
    networks: dict[tuple[str, Spec], Trained] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    warnings: dict[tuple[str, Spec], list[str]] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)

    def key(self, cell: Cell) -> str:
        """The key of a cell on these images and weights, with this code."""
        if cell.dataset in self.missing:
            return cell.key("", "")
        source = threat(cell.threat).source
        return cell.key(
            self.images[cell.dataset].sha256,
            self.networks[cell.dataset, cell.network].sha256,
            self.networks[cell.dataset, source].sha256 if source else "",
            plugin_code(cell),
        )

    def models(self) -> dict[tuple[str, Spec], tuple[Any, tuple[int, int, int], int]]:
        """Networks with the shape of their images and their number of classes."""
        return {
            (dataset, network): (
                trained.network,
                self.images[dataset].shape,
                len(self.images[dataset].classes),
            )
            for (dataset, network), trained in self.networks.items()
        }

    def sources(self) -> dict[str, Any]:
        """For the manifest: hashes and origin of data and weights, what the networks give out."""
        return {
            "data": {
                name: {
                    "sha256": images.sha256,
                    "images": len(images),
                    "shape": list(images.shape),
                    "classes": len(images.classes),
                }
                for name, images in self.images.items()
            },
            "code": dict(sorted(self.code.items())),
            "outputs": {
                f"{dataset}/{network}": output_facts(trained.network, self.images[dataset])
                for (dataset, network), trained in self.networks.items()
            },
            "wrapping": {
                f"{dataset}/{network}": texts for (dataset, network), texts in self.warnings.items()
            },
            "weights": {
                f"{dataset}/{network}": {
                    "sha256": trained.sha256,
                    "seed": trained.metadata["seed"],
                    "recipe": trained.metadata["recipe"],
                    "test_accuracy": trained.metadata["test_accuracy"],
                    "file": trained.path.name,
                }
                for (dataset, network), trained in self.networks.items()
            },
        }


def gather(
    cells: Iterable[Cell],
    data_dir: Path | None,
    device: str,
    message: Callable[[str], None],
    on_epoch: Callable[[dict[str, float]], None],
    trust_pickle: bool = False,
) -> RunInputs:
    """Load data, check all that can be checked beforehand, then load or train networks.

    trust_pickle: as in `weight_files.read_weights`.

    Raises InputError before anything is trained, where the grid asks for what cannot be.
    """
    listed = list(cells)
    inputs = RunInputs()
    for name in dict.fromkeys(cell.dataset for cell in listed):
        try:
            inputs.images[name] = load_images(name, "test", data_dir)
        except DataUnavailable as error:
            inputs.missing[name] = str(error)
            message(f"skipped: {error}")
    for defence in dict.fromkeys(cell.defence for cell in listed):
        build_defence(defence)
    for cell in listed:
        images = inputs.images.get(cell.dataset)
        if images is not None and cell.samples != "all" and not 1 <= cell.samples <= len(images):
            raise InputError(
                f"samples: {cell.samples} asked for, but the test split of {cell.dataset}"
                f" has {len(images)} images"
            )
        inputs.code.update(plugin_code(cell))
        if images is not None:
            targets(cell.attack, images.y[:1], len(images.classes))
    pairs = dict.fromkeys(
        (cell.dataset, network)
        for cell in listed
        for network in (cell.network, threat(cell.threat).source)
        if network is not None
    )
    present = [pair for pair in pairs if pair[0] in inputs.images]
    given = {}
    for dataset, network in present:
        images = inputs.images[dataset]
        if is_given(network):
            trained = trained_network(dataset, network, data_dir, trust_pickle=trust_pickle)
            warnings = check_wrapped(trained.network, images, str(network))
            inputs.warnings[dataset, network] = warnings
            message(f"{network} on {dataset}: not trained here, used as it is ({_about(trained)})")
            for text in warnings:
                message(f"warning: network {network} on {dataset}: {text}")
            given[dataset, network] = trained
        else:
            build_network(network, images.shape, len(images.classes))
    for dataset, network in present:
        if (dataset, network) in given:
            inputs.networks[dataset, network] = given[dataset, network]
            continue
        images = inputs.images[dataset]
        trained = trained_network(dataset, network, data_dir, device, on_epoch=on_epoch)
        check_fit(trained.network, images.shape, len(images.classes), str(network))
        if not trained.reused:
            message(f"trained {network} on {dataset}, kept at {trained.path}")
        inputs.networks[dataset, network] = trained
    return inputs


def _about(trained: Trained) -> str:
    return f"{trained.metadata['recipe']}; hash {trained.sha256[:16]}"

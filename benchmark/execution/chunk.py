"""Run one task on a chunk of images: craft, score and measure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmark.attacks.adapters.global_random import seeded
from benchmark.attacks.geometry.sizes import NAMES, outside, sizes_of
from benchmark.attacks.lookup import attack_norm, file_entry, is_ours
from benchmark.attacks.steps.budget import limit
from benchmark.attacks.steps.craft import craft, targets
from benchmark.attacks.steps.crafted import Crafted
from benchmark.attacks.steps.projections import each
from benchmark.certificates.certify import certify
from benchmark.certificates.graph import Graph
from benchmark.execution.memory import release_memory
from benchmark.execution.outcome import Outcome, Proved
from benchmark.execution.plan import AttackerView, ProofTask, Task, Work
from benchmark.execution.scoring import (
    by_draw,
    clean_predictions,
    kept,
    predictions,
    scorer_key,
    scorings,
)
from benchmark.grids.cell import Cell
from benchmark.grids.proof import Proof
from estimators.classifier import Classifier
from estimators.data.images import Images, as_levels
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.base import is_random
from estimators.defences.build import build_defence
from estimators.networks.running.frozen import Frozen
from estimators.networks.running.kept import Kept
from estimators.spec import Spec


class ClassifierCache:
    """One thread's classifiers: each pair of network and defence is built once.

    ART's classifiers hold state, so threads must not share them.

    kept: clean predictions, and gradients at clean images. Threads may share it: of two that
        compute one result at the same time both get the same bits.
    """

    def __init__(
        self,
        networks: Mapping[tuple[str, Spec], Any],
        device: str = "cpu",
        kept: Kept | None = None,
    ) -> None:
        self.kept = kept or Kept()
        self._networks = networks
        self._device = device
        self._frozen: dict[tuple[str, Spec], Frozen] = {}
        self._classifiers: dict[tuple[str, AttackerView, bool], Classifier] = {}
        self._graphs: dict[tuple[str, Spec], Graph] = {}

    def hold(self, dataset: str, networks: Collection[Spec]) -> None:
        """Forget all other networks: tasks come sorted by network."""
        if any(d != dataset or n not in networks for d, n in self._frozen):
            self._classifiers.clear()
            self._frozen.clear()
            self._graphs.clear()
            release_memory()

    def networks_of(self, task: Work) -> list[nn.Module]:
        """Return the networks that a task runs, as they were handed to the workers."""
        names = {task.network, *(cell.network for cell in task.cells)}
        return [self._networks[task.dataset, name].network for name in names]

    def classifier(self, dataset: str, network: Spec, defence: Spec) -> Classifier:
        """Return the network of a data set behind a defence, for scoring."""
        return self._wrapped(dataset, AttackerView(network, defence), fresh=False)

    def attacker(self, dataset: str, view: AttackerView) -> Classifier:
        """Return the network of a data set as the attacker sees it."""
        return self._wrapped(dataset, view, fresh=True)

    def graph(self, dataset: str, network: Spec) -> Graph:
        """Return the steps of a network in float64 on the device, for certificates."""
        at = dataset, network
        if at not in self._graphs:
            self._graphs = {at: self._networks[at].graph.to(self._device)}
        return self._graphs[at]

    def bounded(self, dataset: str, network: Spec) -> int:
        """Return how many images certificates of a network bound at once."""
        images: int = self._networks[dataset, network].bounded
        return images

    def _wrapped(self, dataset: str, view: AttackerView, fresh: bool) -> Classifier:
        at, name = (dataset, view, fresh), (dataset, view.network)
        if at not in self._classifiers:
            trained = self._networks[name]
            if name not in self._frozen:
                of = trained.network, trained.shape, self._device, trained.passes
                self._frozen[name] = Frozen.of(*of)
            defence = build_defence(view.sees)
            if defence is not None and (view.backward == "surrogate" or is_random(defence)):
                defence = DefenceWithBackward(defence, view.backward, fresh)
            about = trained.shape, trained.classes, defence, self._device, view.draws
            self._classifiers[at] = Classifier(
                self._frozen[name], *about, batch=trained.chunk, squashed=trained.squashed
            )
            if fresh:
                self._classifiers[at].kept, self._classifiers[at].kept_as = self.kept, at
        return self._classifiers[at]


def run_chunk(
    task: Work, images: Images, cache: ClassifierCache
) -> dict[Cell | Proof, Outcome | Proved]:
    """Craft the attacks of a task on a chunk of images and score them behind every defence.

    A task of a certificate is bounded instead.

    Nothing that an attack says of its success is used: predictions, norms and budget are computed
    from the images.
    """
    cache.hold(task.dataset, {task.network, *(cell.network for cell in task.cells)})
    if isinstance(task, ProofTask):
        return {task.proof: _proved(task.proof, images, cache)}
    attacker = cache.attacker(task.dataset, task.view)
    x = torch.from_numpy(images.x).to(attacker.torch_device)
    scorers = {key: cache.classifier(task.dataset, *key) for key in scorings(task.cells)}
    asked = cache.kept, task.dataset, scorers, scorings(task.cells)
    clean = clean_predictions(*asked, x, images.ids, task.seed)
    outcomes: dict[Cell | Proof, Outcome | Proved] = {}
    with _global_streams(task, images):
        arrays = images.x, images.y, images.ids
        for attack, crafted in craft(task.attacks, attacker, *arrays, task.seed):
            x_adv = crafted.images
            target = targets(attack, images.y, attacker.nb_classes)
            if attack.get("targeted", False):
                # an image of the target class has no target to reach: it stays unchanged
                reached = torch.from_numpy(target == images.y).to(x.device)
                x_adv = torch.where(each(reached), x, x_adv)
            cells = [cell for cell in task.cells if cell.attack == attack]
            adversarial = clean  # where no image moved, as with eps 0
            if not torch.equal(x_adv, x):
                adversarial = predictions(scorers, scorings(cells), x_adv, images.ids, task.seed)
            norms = _measured(x, x_adv, attack)
            saved = as_levels(kept(x_adv)) if task.keeps_images else None
            # the arrays are shared by the cells: only predictions differ between defences
            shared = {
                **norms,
                "zero": crafted.zero_gradient.copy(),
                "nan": crafted.nan_gradient.copy(),
                **_passes(crafted, len(images)),
            }
            for cell in cells:
                key = scorer_key(cell)
                outcomes[cell] = Outcome(
                    images.ids,
                    images.y,
                    target,
                    part=_part(crafted, images.y, adversarial[key][:, 0]),
                    images=saved,
                    **by_draw(images.y, clean[key], adversarial[key], cell.scorings),
                    **shared,
                )
    return outcomes


def _proved(proof: Proof, images: Images, cache: ClassifierCache) -> Proved:
    """Bound the margins of images as far as an attack's budget reaches, tolerance included."""
    radius = limit(proof.eps, "inf")
    graph = cache.graph(proof.dataset, proof.network)
    batch = cache.bounded(proof.dataset, proof.network)
    found = certify(graph, proof.method, images.x, images.y, radius, batch)
    return Proved(images.ids, images.y, found)


def _passes(crafted: Crafted, count: int) -> dict[str, npt.NDArray[Any]]:
    """Return the gradients and the forward passes of each image [N]."""
    if crafted.found is not None and crafted.found.spent is not None:
        columns = [spent.copy() for spent in crafted.found.spent.T]
    else:
        columns = [np.full(count, passes) for passes in crafted.passes]
    return dict(zip(("gradients", "forwards"), columns, strict=True))


def _part(
    crafted: Crafted, label: npt.NDArray[np.int64], predicted: npt.NDArray[np.signedinteger[Any]]
) -> npt.NDArray[np.int16] | None:
    """Return the part that broke each image [N]; -1 for images that are right all the same."""
    if crafted.found is None or crafted.found.part is None:
        return None
    return np.where(predicted == label, -1, crafted.found.part).astype(np.int16)


def _measured(x: Tensor, x_adv: Tensor, attack: Spec) -> dict[str, npt.NDArray[Any]]:
    """Return the norms of the perturbation, and which images exceed the budget or [0, 1]."""
    sizes, over = sizes_of((x_adv - x).flatten(1)), outside(x_adv)
    eps, norm = attack.get("eps"), attack_norm(attack)
    if isinstance(eps, float) and norm in NAMES:
        over |= ~(sizes[NAMES[norm]] <= limit(eps, norm))
    found = {**sizes, "over": over}
    return {name: kept(values) for name, values in found.items()}


def _global_streams(task: Task, images: Images) -> AbstractContextManager[None]:
    """Seed the global random numbers for ART's classes; attacks of this project do not wait."""
    attack = task.attacks[0]
    own = is_ours(attack) and attack.get("engine") != "stock"
    if own or file_entry(attack) is not None:
        return nullcontext()
    return seeded([task.seed, int(images.ids[0]), len(images)])

"""Run one task on a chunk of images: craft, score and measure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark.attacks.adapters.global_random import seeded
from benchmark.attacks.lookup import attack_norm
from benchmark.attacks.registry import ATTACKS
from benchmark.attacks.steps.craft import craft, targets
from benchmark.attacks.steps.crafted import Crafted
from benchmark.attacks.steps.projections import each
from benchmark.execution.memory import release_memory
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import AttackerView, Task
from benchmark.grids.cell import Cell
from estimators.classifier import Classifier, Frozen
from estimators.data.images import Images
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.base import from_bytes, is_random, to_bytes
from estimators.defences.build import build_defence, byte_coder
from estimators.outputs import predicted_classes
from estimators.spec import Spec

# float32 rounds a pixel by up to 6e-8, an L1 or L2 norm by about 1e-6 of itself
ABSOLUTE_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-5


class ClassifierCache:
    """One thread's classifiers: each pair of network and defence is built once.

    ART's classifiers hold state, so threads must not share them.
    """

    def __init__(self, networks: Mapping[tuple[str, Spec], Any], device: str = "cpu") -> None:
        self._networks = networks
        self._device = device
        self._frozen: dict[tuple[str, Spec], Frozen] = {}
        self._classifiers: dict[tuple[str, AttackerView, bool], Classifier] = {}

    def hold(self, dataset: str, networks: Collection[Spec]) -> None:
        """Forget all other networks: tasks come sorted by network."""
        if any(d != dataset or n not in networks for d, n in self._frozen):
            self._classifiers.clear()
            self._frozen.clear()
            release_memory()

    def classifier(self, dataset: str, network: Spec, defence: Spec) -> Classifier:
        """Return the network of a data set behind a defence, for scoring."""
        return self._wrapped(dataset, AttackerView(network, defence), fresh=False)

    def attacker(self, dataset: str, view: AttackerView) -> Classifier:
        """Return the network of a data set as the attacker sees it."""
        return self._wrapped(dataset, view, fresh=True)

    def _wrapped(self, dataset: str, view: AttackerView, fresh: bool) -> Classifier:
        at, name = (dataset, view, fresh), (dataset, view.network)
        if at not in self._classifiers:
            trained = self._networks[name]
            if name not in self._frozen:
                of = trained.network, trained.shape, self._device, trained.folds
                self._frozen[name] = Frozen.of(*of)
            defence = build_defence(view.sees)
            if defence is not None and (view.backward == "surrogate" or is_random(defence)):
                defence = DefenceWithBackward(defence, view.backward, fresh)
            about = trained.shape, trained.classes, defence, self._device, view.draws
            self._classifiers[at] = Classifier(
                self._frozen[name], *about, batch=trained.chunk, squashed=trained.squashed
            )
        return self._classifiers[at]


def run_chunk(task: Task, images: Images, cache: ClassifierCache) -> dict[Cell, Outcome]:
    """Craft the attacks of a task on a chunk of images and score them behind every defence.

    Nothing that an attack says of its success is used: predictions, norms and budget are computed
    from the images.
    """
    cache.hold(task.dataset, {task.network, *(cell.network for cell in task.cells)})
    attacker = cache.attacker(task.dataset, task.view)
    x = torch.from_numpy(images.x).to(attacker.torch_device)
    keys = map(scorer_key, task.cells)
    scorers = {key: cache.classifier(task.dataset, *key) for key in keys}
    for classifier in scorers.values():
        classifier.bind(images.ids, task.seed)
    clean = _predictions(scorers, x)
    outcomes: dict[Cell, Outcome] = {}
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
            needed = {key: scorers[key] for key in map(scorer_key, cells)}
            adversarial = _predictions(needed, x_adv)
            norms = _measured(x, x_adv, attack)
            # the arrays are shared by the cells: only predictions differ between defences
            shared = {
                **norms,
                "zero": crafted.zero_gradient.copy(),
                "nan": crafted.nan_gradient.copy(),
                **_passes(crafted, len(images)),
            }
            for cell in cells:
                key = scorer_key(cell)
                classes = target, clean[key], adversarial[key]
                part = _part(crafted, images.y, adversarial[key])
                outcomes[cell] = Outcome(images.ids, images.y, *classes, part=part, **shared)
    return outcomes


def _passes(crafted: Crafted, count: int) -> dict[str, npt.NDArray[Any]]:
    """Return the gradients and the forward passes of each image [N]."""
    if crafted.found is not None and crafted.found.spent is not None:
        columns = crafted.found.spent.T.copy()
    else:
        columns = np.array([np.full(count, passes) for passes in crafted.passes])
    return dict(zip(("gradients", "forwards"), columns, strict=True))


def _part(
    crafted: Crafted, label: npt.NDArray[np.int64], predicted: npt.NDArray[np.signedinteger[Any]]
) -> npt.NDArray[np.int16] | None:
    """Return the part that broke each image [N]; -1 for images that are right all the same."""
    if crafted.found is None or crafted.found.part is None:
        return None
    return np.where(predicted == label, -1, crafted.found.part).astype(np.int16)


def scorer_key(cell: Cell) -> tuple[Spec, Spec]:
    """Return the network and the defence that a cell is scored on."""
    return cell.network, cell.defence


def _predictions(
    scorers: Mapping[tuple[Spec, Spec], Classifier], x: Tensor
) -> dict[tuple[Spec, Spec], npt.NDArray[np.signedinteger[Any]]]:
    """Return predicted classes behind each defence; those that code bytes share the bytes.

    NO_CLASS stands for outputs that are not all finite.
    """
    bytes_of_x: Tensor | None = None
    predicted = {}
    for key, classifier in scorers.items():
        coder = byte_coder(classifier.defence)
        if coder is None:
            seen = classifier.defended(x)
        else:
            bytes_of_x = to_bytes(x) if bytes_of_x is None else bytes_of_x
            seen = from_bytes(coder(bytes_of_x))
        classes = predicted_classes(classifier.logits(seen))
        predicted[key] = _kept(classes.to(_class_type(classifier.nb_classes)))
    return predicted


def _class_type(classes: int) -> torch.dtype:
    """Return the narrowest integers, of 16 bits or more, that hold the classes 0 to classes - 1."""
    return torch.int16 if classes <= 1 << 15 else torch.int32


def _measured(x: Tensor, x_adv: Tensor, attack: Spec) -> dict[str, npt.NDArray[Any]]:
    """Return the norms of the perturbation, and which images exceed the budget or [0, 1]."""
    change = (x_adv - x).flatten(1)
    l2, linf = torch.linalg.vector_norm(change, dim=1), change.abs().amax(1)
    over = ~((x_adv >= 0) & (x_adv <= 1)).flatten(1).all(1)
    l0, l1 = change.count_nonzero(1).to(change.dtype), torch.linalg.vector_norm(change, 1, dim=1)
    eps, norm = attack.get("eps"), attack_norm(attack)
    sizes = {"inf": linf, "2": l2, "1": l1, "0": l0}
    if isinstance(eps, float) and norm in sizes:
        # a count has no rounding
        largest = eps if norm == "0" else eps * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE
        over |= ~(sizes[norm] <= largest)
    found = {"l0": l0, "l1": l1, "l2": l2, "linf": linf, "over": over}
    return {name: _kept(values) for name, values in found.items()}


def _kept(values: Tensor) -> npt.NDArray[Any]:
    """Copy a tensor that outlives its chunk into memory of NumPy.

    Between large tensors that torch frees it would block that memory: 7 kB per image.
    """
    return values.cpu().numpy().copy()


def _global_streams(task: Task, images: Images) -> AbstractContextManager[None]:
    """Seed the global random numbers for ART's classes; attacks of this project do not wait."""
    attack = task.attacks[0]
    if attack.name in ATTACKS and attack.get("engine") != "stock":
        return nullcontext()
    return seeded([task.seed, int(images.ids[0]), len(images)])

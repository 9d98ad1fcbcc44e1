"""A chunk of images through one task: what each image became, judged by the harness itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmark.attacks.adapters.global_random import seeded
from benchmark.attacks.lookup import attack_entry, attack_norm, shares_gradient
from benchmark.attacks.registry import ATTACKS
from benchmark.attacks.steps.craft import craft, targets
from benchmark.execution.memory import release_memory
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import AttackerView, Task
from benchmark.grids.cell import Cell
from estimators.classifier import Classifier, Frozen
from estimators.data.images import Images
from estimators.defences.backward import DefenceWithBackward
from estimators.defences.base import from_bytes, to_bytes
from estimators.defences.build import build_defence, byte_coder
from estimators.defences.randomised import is_random
from estimators.spec import Spec

# float32 rounds a pixel by up to 6e-8, an L2 norm by about 1e-6 of itself
ABSOLUTE_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-5


class ClassifierCache:
    """One thread's classifiers: the network at work with each defence is wrapped once.

    ART's classifiers hold state, so threads must not share them.
    """

    def __init__(self, networks: Mapping[tuple[str, Spec], Any], device: str = "cpu") -> None:
        self._networks = networks
        self._device = device
        self._frozen: dict[tuple[str, Spec], Frozen] = {}
        self._classifiers: dict[tuple[str, AttackerView, bool], Classifier] = {}

    def hold(self, dataset: str, networks: Collection[Spec]) -> None:
        """Forget every network but these: tasks come network by network."""
        if any(d != dataset or n not in networks for d, n in self._frozen):
            self._classifiers.clear()
            self._frozen.clear()
            release_memory()

    def classifier(self, dataset: str, network: Spec, defence: Spec) -> Classifier:
        """The network of a data set behind a defence, as it is scored."""
        return self._wrapped(dataset, AttackerView(network, defence), fresh=False)

    def attacker(self, dataset: str, view: AttackerView) -> Classifier:
        """The network of a data set as an attacker has it."""
        return self._wrapped(dataset, view, fresh=True)

    def _wrapped(self, dataset: str, view: AttackerView, fresh: bool) -> Classifier:
        at = (dataset, view, fresh)
        if at not in self._classifiers:
            trained, shape, classes = self._networks[dataset, view.network]
            if (dataset, view.network) not in self._frozen:
                self._frozen[dataset, view.network] = Frozen.of(trained, self._device)
            defence = build_defence(view.sees)
            if defence is not None and (view.backward == "surrogate" or is_random(defence)):
                defence = DefenceWithBackward(defence, view.backward, fresh)
            self._classifiers[at] = Classifier(
                self._frozen[dataset, view.network],
                shape,
                classes,
                defence,
                self._device,
                view.draws,
            )
        return self._classifiers[at]


def run_chunk(task: Task, images: Images, bench: ClassifierCache) -> dict[Cell, Outcome]:
    """Craft the attacks of a task on a chunk of images and score them behind every defence.

    An attack's own word is never taken: predictions, norms and budget come from the images.
    """
    bench.hold(task.dataset, {task.network, *(cell.network for cell in task.cells)})
    attacker = bench.attacker(task.dataset, task.view)
    pixels = images.x
    x = torch.from_numpy(pixels).to(attacker.torch_device)
    y = torch.from_numpy(images.y).to(attacker.torch_device)
    scorers = {_stand(c): bench.classifier(task.dataset, *_stand(c)) for c in task.cells}
    for classifier in (attacker, *scorers.values()):
        classifier.bind(images.ids, task.seed)
    clean = _predictions(scorers, x)
    by_attack: dict[Spec, list[Cell]] = {}
    for cell in task.cells:
        by_attack.setdefault(cell.attack, []).append(cell)

    outcomes: dict[Cell, Outcome] = {}
    with _chance(task, images):
        attacker.reset_counts()
        shared = shares_gradient(task.attacks[0])
        for attack, adversarial, zero in craft(
            task.attacks, attacker, pixels, images.y, images.ids, task.seed
        ):
            gradients, forwards = attacker.gradients, attacker.forwards
            if zero is None and not attack_entry(attack).uses_gradient:
                zero = np.zeros(len(images), dtype=np.bool_)
            elif zero is None:
                zero = _kept((attacker.input_gradient(x, y) == 0).flatten(1).all(1))
            if not shared:
                attacker.reset_counts()
            target = targets(attack, images.y, attacker.nb_classes)
            if attack.get("targeted", False):
                # an image of the target class has nowhere to go: it is left as it is
                there = torch.from_numpy(target == images.y).to(x.device)
                adversarial = torch.where(there[:, None, None, None], x, adversarial)
            cells = by_attack[attack]
            wanted = {_stand(cell): scorers[_stand(cell)] for cell in cells}
            predicted = _predictions(wanted, adversarial)
            l2, linf, over = _measured(x, adversarial, attack)
            n = len(images)
            # the arrays are shared by the cells: only predictions differ between defences
            passes = np.full(n, gradients / n), np.full(n, forwards / n)
            for cell in cells:
                outcomes[cell] = Outcome(
                    images.ids,
                    images.y,
                    target,
                    clean[_stand(cell)],
                    predicted[_stand(cell)],
                    l2,
                    linf,
                    over,
                    zero,
                    *passes,
                )
    return outcomes


def _stand(cell: Cell) -> tuple[Spec, Spec]:
    """What a cell is scored on: network and defence."""
    return cell.network, cell.defence


def _predictions(
    scorers: Mapping[tuple[Spec, Spec], Classifier], x: torch.Tensor
) -> dict[tuple[Spec, Spec], npt.NDArray[np.int16]]:
    """Predicted classes behind each defence; bytes are made once for all that want them."""
    bytes_of_x: torch.Tensor | None = None
    found = {}
    for spec, classifier in scorers.items():
        coder = byte_coder(classifier.defence)
        if coder is None:
            seen = classifier.defended(x)
        else:
            bytes_of_x = to_bytes(x) if bytes_of_x is None else bytes_of_x
            seen = from_bytes(coder(bytes_of_x))
        found[spec] = _kept(classifier.logits(seen).argmax(1).to(torch.int16))
    return found


def _measured(
    x: torch.Tensor, adversarial: torch.Tensor, attack: Spec
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """L2 and Linf of the perturbation, and which images break the attack's own rules."""
    change = (adversarial - x).flatten(1)
    l2, linf = torch.linalg.vector_norm(change, dim=1), change.abs().amax(1)
    flat = adversarial.flatten(1)
    over = ~((flat.amin(1) >= 0) & (flat.amax(1) <= 1))
    eps, norm = attack.get("eps"), attack_norm(attack)
    if isinstance(eps, float) and norm in ("inf", "2"):
        size = linf if norm == "inf" else l2
        over |= ~(size <= eps * (1 + RELATIVE_TOLERANCE) + ABSOLUTE_TOLERANCE)
    return _kept(l2), _kept(linf), _kept(over)


def _kept(values: torch.Tensor) -> npt.NDArray[Any]:
    """A tensor that outlives its chunk, as an array of NumPy's own memory.

    Small tensors that stay, left where torch made them between large ones that go, keep the
    memory of those from being used again: a run grew by 7 kB an image.
    """
    return values.cpu().numpy().copy()


def _chance(task: Task, images: Images) -> AbstractContextManager[None]:
    """ART's classes draw from global streams: seeded by task and images, one thread at a time.

    The attacks of this project draw nothing from there and do not wait.
    """
    attack = task.attacks[0]
    if attack.name in ATTACKS and attack.get("engine") != "stock":
        return nullcontext()
    return seeded([task.seed, int(images.ids[0]), len(images)])

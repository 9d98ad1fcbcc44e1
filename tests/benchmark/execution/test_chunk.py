"""One chunk: outputs that are no numbers, many classes, and squashed outputs on their way here."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from closed_form import linear_case
from spoilt import Changed, NanWhenBright
from torch import nn

from benchmark.attacks.lookup import check_attack
from benchmark.execution.chunk import ClassifierCache, run_chunk
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import plan
from benchmark.grids.cell import Cell
from benchmark.runs.rows import row_of
from estimators.data.images import Images
from estimators.spec import Spec

NET = Spec("lenet")


def outcome(network: TrainedNetwork, images: Images, attack: Spec) -> tuple[Cell, Outcome]:
    """Run the one cell of an attack, with a network as a worker of a cluster gets it."""
    spec = check_attack(attack)
    cell = Cell("digits", NET, spec, "oblivious", Spec("none"), len(images), 0)
    (task,) = plan([cell])
    sent = pickle.loads(pickle.dumps(network, protocol=5))
    return cell, run_chunk(task, images, ClassifierCache({("digits", NET): sent}))[cell]


def images_of(x: np.ndarray, y: np.ndarray, classes: int) -> Images:
    return Images(x, y, np.arange(len(x)), tuple(map(str, range(classes))))


def test_outputs_that_are_no_numbers_are_wrong() -> None:
    """`argmax` calls them class 0, which is the label here."""
    x = np.random.default_rng(0).uniform(0.3, 0.5, (4, 1, 8, 8)).astype(np.float32)
    x[0] = 0.9
    images = images_of(x, np.zeros(4, dtype=np.int64), 3)
    network = TrainedNetwork(NanWhenBright(0.48), images.shape, 3)
    cell, found = outcome(network, images, Spec.of("pgd", eps=0.2, max_iter=8))
    assert found.clean.tolist() == [-1, 0, 0, 0]
    assert found.adversarial.tolist() == [-1] * 4
    row = row_of(cell, found)
    assert (row["clean_correct"], row["correct"], row["non_finite"]) == (3, 0, 4)
    assert (row["success_rate"], row["nan_gradient"]) == (1.0, 0.0)


@pytest.mark.parametrize(("classes", "kind"), [(10, "int16"), (32_768, "int16"), (32_769, "int32")])
def test_classes_are_as_wide_as_they_must_be(classes: int, kind: str) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
    x = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)
    last = np.full(3, classes - 1)
    nn.init.zeros_(network[1].weight)
    network[1].bias.data[classes - 1] = 100
    trained = TrainedNetwork(network, (1, 8, 8), classes)
    _, found = outcome(trained, images_of(x, last, classes), Spec.of("fgsm", eps=0.0))
    assert found.clean.dtype == found.adversarial.dtype == np.dtype(kind)
    assert (found.clean == classes - 1).all() and (found.adversarial == classes - 1).all()


def test_squashed_outputs_reach_the_workers() -> None:
    case = linear_case(6, scale=20, classes=2)
    images, eps = images_of(case.x, case.y, 2), 1.05 * case.linf.min(1).max()
    right = []
    for squashed in (False, True):
        trained = TrainedNetwork(Changed(case.network, squash), images.shape, 2, squashed=squashed)
        _, found = outcome(trained, images, Spec.of("pgd", eps=float(eps), max_iter=5))
        right.append(int((found.adversarial == found.label).sum()))
    assert right[0] >= 3 and right[1] == 0


def squash(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Pickled by name."""
    return 100 * z.softmax(1)

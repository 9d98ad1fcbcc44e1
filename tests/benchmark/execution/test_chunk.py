"""One chunk: outputs that are no numbers, many classes, and squashed outputs on their way here."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from closed_form import linear_case
from linear_box import BoxCase
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


FEW_VALUES = """
    import numpy as np
    from art.attacks.attack import EvasionAttack
    from benchmark.attacks.entry import AttackEntry

    class Few(EvasionAttack):
        _estimator_requirements = ()

        def __init__(self, estimator, eps, count, by=0.25):
            super().__init__(estimator=estimator)
            self.count, self.by = count, by

        def generate(self, x, y=None, **kwargs):
            x = x.copy()
            x.reshape(len(x), -1)[:, : self.count] += np.float32(self.by)
            return x

    def row(norm):
        return AttackEntry(name="few", label="few", summary="changes a few values", norm=norm,
                           build="few_values:Few", uses_gradient=False,
                           defaults={"count": 6, "by": 0.25})

    l0, l1, l2 = row("0"), row("1"), row("2")
"""


@pytest.mark.parametrize(
    ("name", "eps", "over"),
    [
        ("l0", 6, False),
        ("l0", 5, True),
        ("l1", 1.5, False),
        ("l1", 1.4999, True),
        ("l2", 0.25 * np.sqrt(6), False),
        ("l2", 0.61, True),
    ],
)
def test_every_norm_is_measured_and_bounds_its_attacks(
    module, name: str, eps: float, over: bool
) -> None:
    """L0 counts values, three for a pixel of three channels."""
    module("few_values", FEW_VALUES)
    x = np.full((3, 3, 4, 4), 0.5, dtype=np.float32)
    images = images_of(x, np.zeros(3, dtype=np.int64), 2)
    network = TrainedNetwork(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), images.shape, 2)
    nn.init.zeros_(network.network[1].weight)
    network.network[1].bias.data[0] = 1
    cell, found = outcome(network, images, Spec.of(f"few_values:{name}", eps=float(eps)))
    assert found.over.tolist() == [over] * 3
    row = row_of(cell, found)
    assert row["over_budget"] == 3 * over
    assert (row["l0_mean"], row["l0_median"], row["l0_max"]) == (6, 6, 6)
    assert row["l1_mean"] == row["l1_max"] == pytest.approx(1.5)
    assert row["l2_median"] == pytest.approx(0.25 * np.sqrt(6))
    assert row["linf_max"] == 0.25


def test_attacks_that_minimise_l0_and_l1_fill_their_columns() -> None:
    case = linear_case(6, classes=2)
    images = images_of(case.x, case.y, 2)
    medians = {}
    for norm in (0, 1):
        trained = TrainedNetwork(case.network, images.shape, 2)
        cell, found = outcome(trained, images, Spec.of("fmn", norm=norm))
        row = row_of(cell, found)
        exact = np.median(BoxCase(case.classifier, case.x, case.y).nearest(norm))
        assert row["success_rate"] == 1 and row["over_budget"] == 0
        assert row[f"l{norm}_median"] == pytest.approx(exact, rel=0.01)
        medians[norm] = row
    assert medians[0]["l0_median"] <= medians[1]["l0_median"]
    assert medians[1]["l1_median"] < medians[0]["l1_median"]


def squash(z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Pickled by name."""
    return 100 * z.softmax(1)

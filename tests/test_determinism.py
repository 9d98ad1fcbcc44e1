"""What must not change a number: order, chunks, threads, resume; and how much a batch size does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.cell import Cell
from benchmark.engine import execute
from benchmark.evaluate import Outcome
from benchmark.grid import Grid
from benchmark.plan import plan
from benchmark.run import run
from estimators import classifier as classifier_module
from estimators.images import Images, subset
from estimators.spec import Spec

ATTACKS = {
    "fgsm": {"eps": 0.1},
    "fgm": {"eps": 1.0},
    "noise": {"eps": 0.1},
    "pgd": {"eps": 0.1, "max_iter": 5},
    "cw": {"max_iter": 10, "binary_search_steps": 2},
}
# share of the predictions under attack that may turn with another batch size, and the most that
# an image's L2 norm may change by; measured: see README, "Durable and repeatable"
TURN, MOVE = 0.02, 1e-3


def outcomes(
    network: object, images: Images, batch: int, threads: int, backwards: bool = False
) -> dict[str, Outcome]:
    """Every attack on the images in chunks of `batch`, straight through the engine."""
    cells = [
        Cell("digits", Spec("lenet"), Spec.of(name, params), "adaptive",
             Spec.of("jpeg", quality=50), len(images), 0)
        for name, params in ATTACKS.items()
    ]  # fmt: skip
    tasks = plan(reversed(cells) if backwards else cells)
    found: dict[str, Outcome] = {}

    def done(task, parts, seconds):  # type: ignore[no-untyped-def]
        for cell in task.cells:
            found[cell.attack.name] = Outcome.joined(part[cell] for part in parts)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("benchmark.engine", "estimators.classifier"):
            patch.setattr(f"{module}.BATCH", batch)
        execute(
            tasks, lambda task: images, {("digits", Spec("lenet")): (network, images.shape, 10)},
            lambda *_: None, done, threads=threads,
        )  # fmt: skip
    assert set(found) == set(ATTACKS)
    return found


def test_order_and_threads_change_no_bit(digits: Images, digits_lenet) -> None:
    images = subset(digits, 140, 0)
    one = outcomes(digits_lenet, images, 125, 1)
    other = outcomes(digits_lenet, images, 125, 3, backwards=True)
    for name in ATTACKS:
        for part in ("ids", "clean", "adversarial", "l2", "linf", "zero", "gradients"):
            mine, yours = (getattr(found[name], part) for found in (one, other))
            assert np.array_equal(mine, yours), (name, part)


@pytest.mark.slow
def test_the_order_of_a_grid_changes_no_row(tmp_path: Path) -> None:
    attacks = [{"name": name, **ATTACKS[name]} for name in ("fgsm", "noise", "pgd")]
    defences = ["none", {"name": "jpeg", "quality": [50, 10]}]
    tables = []
    for number, turn in enumerate((1, -1)):
        grid = Grid(
            name="order", attacks=attacks[::turn], defences=defences[::turn], samples=20,
            threats=["oblivious", "adaptive"][::turn],
        )  # fmt: skip
        table = run(grid, out=tmp_path / str(number)).table
        tables.append(table.sort_values("cell", ignore_index=True))
    assert tables[0].equals(tables[1])


def test_the_batch_size_is_the_project_s() -> None:
    """No option and no grid can name another: it could turn a prediction."""
    assert classifier_module.BATCH == 125
    from benchmark.grid import Block

    assert not any("batch" in field for field in (*Grid.model_fields, *Block.model_fields))


@pytest.mark.slow
def test_another_batch_size_turns_hardly_a_prediction(digits: Images, digits_lenet) -> None:
    """Floating point: a convolution rounds differently in another batch; this is how much."""
    images = subset(digits, 60, 0)
    usual = outcomes(digits_lenet, images, 125, 1)
    turned, moved = {}, {}
    for name in ATTACKS:
        turned[name], moved[name] = 0.0, 0.0
    for batch in (1, 7, 20):
        other = outcomes(digits_lenet, images, batch, 1)
        for name in ATTACKS:
            mine, yours = usual[name], other[name]
            assert np.array_equal(mine.clean, yours.clean)
            share = float((mine.adversarial != yours.adversarial).mean())
            turned[name] = max(turned[name], share)
            moved[name] = max(moved[name], float(np.abs(mine.l2 - yours.l2).max()))
    print({name: (turned[name], round(moved[name], 5)) for name in ATTACKS})
    assert turned["noise"] == moved["noise"] == 0
    assert max(turned.values()) <= TURN, turned
    assert max(moved.values()) <= MOVE, moved

"""Scoring draws of a random defence: closed forms, the same in any chunk, never an attacker's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.execution.chunk import ClassifierCache, run_chunk
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import plan
from benchmark.grids.cell import Cell, Inputs
from benchmark.grids.draws import scoring_draws
from benchmark.grids.model import Grid
from benchmark.grids.overrides import narrowed
from benchmark.runs.rows import row_of
from estimators.data.images import Images
from estimators.defences.base import Ids, RandomDefence, is_random
from estimators.defences.build import build_defence
from estimators.defences.registry import DEFENCES
from estimators.entries import DefenceEntry
from estimators.errors import InputError
from estimators.random_streams import scoring_seed, stream
from estimators.spec import Spec
from reports.statistics.draws import mean_over_draws

SEED, DRAWS = 3, 10
# the images' own chance of being right, as their grey level
CHANCES = np.repeat([0.0, 0.2, 0.5, 0.9, 1.0], 25).astype(np.float32)
IMAGES = Images(
    np.broadcast_to(CHANCES[:, None, None, None], (125, 1, 4, 4)).copy(),
    np.zeros(125, np.int64),
    np.arange(125) * 7 + 2,
    ("right", "wrong"),
)


class Lottery(RandomDefence):
    """Makes an image white with the chance that its grey level says, else black."""

    seen: set[tuple[int, int]]

    def draw(self, x: Tensor, ids: Ids, seed: int, n: int) -> Tensor:
        self.seen.add((seed, n))
        drawn = [stream(seed, i, "defence", n).random() for i in ids.tolist()]
        white = x.detach().amax((1, 2, 3)).cpu().numpy() > np.array(drawn, np.float32)
        return x * 0 + torch.from_numpy(white.astype(np.float32))[:, None, None, None]


class Bright(nn.Module):
    """Class 0 for white images, 1 for black ones."""

    def forward(self, x: Tensor) -> Tensor:
        level = x.mean((1, 2, 3))
        return torch.stack([level - 0.5, 0.5 - level], dim=1)


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[int, int]]]:
    """The defence by the name `lottery`; seeds and numbers of its draws."""
    entry = DefenceEntry(name="lottery", build=f"{__name__}:Lottery", summary="", random=True)
    monkeypatch.setitem(DEFENCES, "lottery", entry)
    monkeypatch.setattr(Lottery, "seen", set(), raising=False)
    yield Lottery.seen


def cell(draws: int | None, attack: Spec | None = None, threat: str = "oblivious") -> Cell:
    spec = attack or Spec.of("fgsm", eps=0.0)
    return Cell("made", Spec("bright"), spec, threat, Spec("lottery"), 125, SEED, draws)


def outcomes(cells: list[Cell], images: Images = IMAGES) -> list[Outcome]:
    trained = TrainedNetwork(Bright(), (1, 4, 4), 2)
    bench = ClassifierCache({("made", Spec("bright")): trained})
    found = {c: o for task in plan(cells) for c, o in run_chunk(task, images, bench).items()}
    return [found[c] for c in cells]


def expected(images: Images = IMAGES) -> np.ndarray:
    """Which images [N, draws] are right: white exactly where their own stream says so."""
    draws = [
        [stream(scoring_seed(SEED, n), i, "defence").random() for n in range(DRAWS)]
        for i in images.ids.tolist()
    ]
    return images.x[:, 0, 0, 0, None] > np.array(draws, np.float32)


def test_hits_are_those_of_the_images_own_streams() -> None:
    (outcome,) = outcomes([cell(DRAWS)])
    right = expected()
    assert np.array_equal(outcome.drawn("adversarial") == 0, right)
    assert np.array_equal(outcome.drawn("clean") == 0, right)
    assert outcome.hits is not None and np.array_equal(outcome.hits, right.sum(1))
    # closed form: hits of an image are binomial with its chance
    for chance in np.unique(CHANCES).tolist():
        share = outcome.hits[np.float32(chance) == CHANCES].mean() / DRAWS
        assert share == pytest.approx(chance, abs=3.5 * np.sqrt(chance * (1 - chance) / 250))


def test_the_row_is_the_mean_with_its_worst_draws() -> None:
    (outcome,) = outcomes([cell(DRAWS)])
    right = expected()
    row = row_of(cell(DRAWS), outcome)
    rate = mean_over_draws(right.sum(1), DRAWS)
    assert row["accuracy"] == rate.value == pytest.approx(right.mean())
    assert (row["accuracy_low"], row["accuracy_high"]) == rate[1:]
    assert rate.low < CHANCES.mean() < rate.high
    assert row["draws"] == DRAWS
    assert row["accuracy_worst_draw"] == min(right.mean(0)) < row["accuracy"]
    # the sure images, and lucky ones
    assert row["accuracy_every_draw"] == right.all(1).mean() >= 0.2
    assert row["clean_accuracy"] == row["accuracy"]
    # counts, and what is tested in pairs, are those of the first draw
    assert row["correct"] == row["clean_correct"] == right[:, 0].sum()
    first = right[:, 0]
    assert row["success_rate"] == pytest.approx((~right[first]).mean())


def test_one_draw_is_the_first_of_many() -> None:
    one, many, deaf = outcomes([cell(1), cell(DRAWS), cell(None)])
    for single in (one, deaf):
        assert np.array_equal(single.adversarial, many.adversarial)
        assert single.hits is None and single.more_clean is None
    row, none = row_of(cell(1), one), row_of(cell(None), deaf)
    assert row["draws"] == 1 and row["accuracy_worst_draw"] == row["accuracy"]
    assert "draws" not in none and none["accuracy"] == row["accuracy"] == row["correct"] / 125
    assert none["accuracy_low"] == row["accuracy_low"]


def test_draws_depend_on_no_chunk_and_no_other_cell() -> None:
    (whole,) = outcomes([cell(DRAWS)])
    cuts = [0, 1, 50, 125]
    parts = [outcomes([cell(DRAWS)], IMAGES[slice(*cut)])[0] for cut in pairwise(cuts)]
    joined = Outcome.joined(parts)
    backwards = outcomes([cell(DRAWS), cell(2)], IMAGES[np.arange(125)[::-1]])
    for name in ("clean", "adversarial"):
        assert np.array_equal(joined.drawn(name), whole.drawn(name))
        assert np.array_equal(backwards[0].drawn(name)[::-1], whole.drawn(name))
        assert np.array_equal(backwards[1].drawn(name)[::-1], whole.drawn(name)[:, :2])
    assert np.array_equal(joined.hits, whole.hits)


def test_no_attacker_meets_a_draw_that_is_scored(seen: set[tuple[int, int]]) -> None:
    outcomes([cell(DRAWS)])
    scored = set(seen)
    assert scored == {(scoring_seed(SEED, n), 0) for n in range(DRAWS)} and len(scored) == DRAWS
    assert all(0 <= seed < 2**32 for seed, _ in scored)
    seen.clear()
    attack = Spec.of("pgd", eps=0.1, max_iter=3)
    outcomes([cell(DRAWS, attack, threat) for threat in ("adaptive", "adaptive-eot[k=4]")])
    attackers = seen - scored
    # later draws, so none of a run with another seed either
    assert attackers and all(n > 0 for _, n in attackers)


def test_a_grid_scores_random_defences_ten_times() -> None:
    defences = ["none", {"name": "jpeg", "quality": 50}, "gaussian", "jpeg+gaussian"]
    defences[3] = {"name": "jpeg+gaussian", "jpeg.quality": 50}
    attacks = [{"name": "fgsm", "eps": 0.1}]
    grid = Grid(name="g", attacks=attacks, defences=defences, threats=["oblivious"])
    assert [c.draws for c in grid.cells()] == [None, None, 10, 10]
    assert [c.draws for c in narrowed(grid, draws=3).cells()] == [None, None, 3, 3]
    block = {"defences": ["gaussian"], "draws": 4}
    blocks = grid.model_copy(update={"blocks": [*Grid(name="b", blocks=[block]).blocks]})
    assert [c.draws for c in blocks.cells()] == [4]
    for bad in (0, 1001):
        with pytest.raises(InputError, match="draws must be an integer from 1 to 1000"):
            narrowed(grid, draws=bad)


def test_keys_of_one_draw_are_those_of_earlier_versions() -> None:
    inputs = Inputs(data="d", weights="w")
    before = cell(None).key(inputs)
    assert cell(1).key(inputs) == before
    assert len({cell(n).key(inputs) for n in (1, 2, 10)}) == 3


@pytest.mark.parametrize("name", [name for name in DEFENCES if name != "lottery"])
def test_the_registry_says_which_defences_draw(name: str) -> None:
    params = {"quality": 50} if name == "jpeg" else {}
    assert DEFENCES[name].random == is_random(build_defence(Spec.of(name, params)))


def test_external_defences_say_it_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scoring_draws(Spec(f"{__name__}:Lottery"), 5) == 5
    assert scoring_draws(Spec.of("art.defences.preprocessor.SpatialSmoothing"), 5) is None
    # the run says that there is no such defence
    assert scoring_draws(Spec("nowhere"), 5) is None

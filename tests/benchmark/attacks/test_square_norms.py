"""Square in L2 and L1: balls, exact distances of linear networks, chance per image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from closed_form import linear_case

from benchmark.attacks.square import PUBLISHED, Square, square_share
from benchmark.attacks.square_windows import Windows, bumps
from estimators.classifier import Classifier
from estimators.errors import InputError


def sizes(change: np.ndarray, norm: int) -> np.ndarray:
    return np.linalg.norm(change.reshape(len(change), -1).astype(np.float64), norm, axis=1)


@pytest.mark.parametrize("norm", [2, 1])
@pytest.mark.parametrize("classes", [2, 4])
def test_it_stays_in_ball_and_box_and_needs_the_distance(norm: int, classes: int) -> None:
    """Below the distance nothing works; at some times of it, random windows do."""
    case = linear_case(6, classes=classes)
    # the L1 distance is the gap over the largest weight difference: at least that of L2
    exact = case.l2.min(1)
    for share, lost in ((0.99, False), (4.0 if norm == 2 else 40.0, True)):
        for i in range(6):
            eps = float(share * exact[i])
            x, y = case.x[i : i + 1], case.y[i : i + 1]
            attack = Square(case.classifier, eps, 1500, norm=norm)
            found = attack.generate(x, y, np.array([i]))
            assert sizes(found - x, norm).max() <= eps * (1 + 1e-5)
            assert found.min() >= 0 and found.max() <= 1
            assert (case.classifier.predict(found).argmax(1) != y).all() == lost


@pytest.mark.parametrize("norm", ["inf", 2, 1])
def test_chance_belongs_to_the_image(norm) -> None:
    case = linear_case(5)
    eps = {"inf": 0.05, 2: 0.4, 1: 3.0}[norm]
    attack = Square(case.classifier, eps, 80, norm=norm)
    whole = attack.generate(case.x, case.y, np.arange(5), seed=3)
    alone = attack.generate(case.x[2:3], case.y[2:3], np.array([2]), seed=3)
    np.testing.assert_allclose(whole[2], alone[0], atol=1e-5)
    other = attack.generate(case.x, case.y, np.arange(5) + 5, seed=3)
    assert not np.array_equal(whole, other)


@pytest.mark.parametrize("norm", ["inf", 2, 1])
def test_queries_are_counted_per_image(norm) -> None:
    case = linear_case(5)
    attack = Square(case.classifier, 1e-4, 30, norm=norm)
    case.classifier.reset_counts()
    attack.generate(case.x, case.y)
    assert attack.used.tolist() == [30] * 5 and case.classifier.forwards == 150
    attack = Square(case.classifier, 0.2 if norm == "inf" else 8.0, 300, norm=norm)
    case.classifier.reset_counts()
    attack.generate(case.x, case.y)
    assert attack.used.sum() == case.classifier.forwards < 5 * 300


@pytest.mark.parametrize("shape", [(1, 3, 5), (3, 8, 8), (1, 28, 20), (2, 1, 1)])
@pytest.mark.parametrize("norm", [2, 1])
def test_any_shape_of_images(shape: tuple[int, int, int], norm: int) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(int(np.prod(shape)), 3))
    classifier = Classifier(network, shape, 3)
    x = np.random.default_rng(0).random((4, *shape), dtype=np.float32)
    y = classifier.predict(x).argmax(1)
    found = Square(classifier, 0.2, 40, norm=norm).generate(x, y)
    assert sizes(found - x, norm).max() <= 0.2 * (1 + 1e-5)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("norm", [2.0, 1.0])
def test_bumps_have_norm_one_and_two_halves(norm: float) -> None:
    for side in (2, 3, 5, 9):
        both = bumps(side, norm)
        for bump in both:
            assert float(torch.linalg.vector_norm(bump, norm)) == pytest.approx(1, abs=1e-5)
        upper = both[0].view(side, side)
        assert (upper[: side // 2] > 0).all() and (upper[side // 2 :] < 0).all()
        assert torch.equal(upper.T.flatten(), both[1])


def test_a_window_moves_its_size_into_another() -> None:
    """Far from the box, the change keeps the norm eps."""
    x = torch.full((3, 2, 9, 9), 0.5)
    for norm in (2.0, 1.0):
        search = Windows(x, 0.3, norm)
        rng = torch.Generator().manual_seed(0)
        for side in (0, 5, 3):
            ranges = search.ranges(side)
            drawn = [torch.randint(0, span, (3,), generator=rng) for span in ranges]
            trial = search.propose(side, torch.stack(drawn, 1))
            length = torch.linalg.vector_norm((trial - x).flatten(1), norm, dim=1)
            torch.testing.assert_close(length, torch.full((3,), 0.3), rtol=1e-3, atol=0)
            search.settle(torch.ones(3, dtype=torch.bool))


def test_the_published_schedule_does_not_depend_on_the_queries() -> None:
    case = linear_case(1)
    published = Square(case.classifier, 0.1, 5000, rescale=False)
    for query, halvings in ((5, 0), (11, 1), (51, 2), (1001, 5), (4001, 7), (4999, 7)):
        assert published._share(query) == 0.8 / 2**halvings
    assert Square(case.classifier, 0.1, 5000)._share(4999) == square_share(1.0, 0.8) == 0.8 / 512
    assert PUBLISHED == 10_000


def test_bad_parameters() -> None:
    for params in ({"norm": 3}, {"rescale": 1}):
        with pytest.raises(InputError, match=next(iter(params))):
            Square(linear_case(1).classifier, 0.1, **params)

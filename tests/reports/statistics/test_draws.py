"""The interval over images and draws: its limits in known cases, and its simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest

from reports.statistics.draws import mean_over_draws
from reports.statistics.intervals import wilson

CHANCES = {
    "all images of chance one half": lambda r, n: np.full(n, 0.5),
    "all images of chance 0.9": lambda r, n: np.full(n, 0.9),
    "images that are mostly sure": lambda r, n: r.beta(0.3, 0.3, n),
    "few right, skewed": lambda r, n: r.beta(0.1, 0.4, n),
    "most between": lambda r, n: r.beta(2, 2, n),
    "rare sure ones beside rare lucky ones": lambda r, n: np.select(
        [(u := r.random(n)) < 0.02, u < 0.22], [1.0, 0.01], 0.0
    ),
    "one half sure, one half at 0.3": lambda r, n: np.where(r.random(n) < 0.5, 1.0, 0.3),
}
MEANS = dict(zip(CHANCES, (0.5, 0.9, 0.5, 0.2, 0.5, 0.022, 0.65), strict=True))


@pytest.mark.parametrize("draws", [2, 10])
@pytest.mark.parametrize("case", CHANCES)
def test_limits_cover_the_true_rate(case: str, draws: int) -> None:
    random, images, repeats = np.random.default_rng(0), 100, 1000
    covered = 0
    for _ in range(repeats):
        hits = random.binomial(draws, CHANCES[case](random, images))
        rate = mean_over_draws(hits, draws)
        covered += rate.low - 1e-12 <= MEANS[case] <= rate.high + 1e-12
    # three standard errors below 95 %
    assert covered / repeats >= 0.93


def test_one_draw_gives_the_limits_of_wilson() -> None:
    hits = np.repeat([1, 0], [37, 63])
    rate = mean_over_draws(hits, 1)
    assert rate == (0.37, *map(float, wilson(37, 100)))


def test_draws_that_agree_are_no_more_images() -> None:
    hits = np.repeat([10, 0], [37, 63])
    assert mean_over_draws(hits, 10) == pytest.approx(mean_over_draws(hits // 10, 1), abs=1e-12)


def test_draws_of_equal_chance_count_as_images_each() -> None:
    many = mean_over_draws(np.full(4000, 5), 10)
    low, high = wilson(20_000, 40_000)
    # 4,000 images are many enough for the two that are added to the variance
    assert many.high - many.low == pytest.approx(float(high - low), rel=0.02)
    half = mean_over_draws(np.random.default_rng(0).binomial(10, 0.5, 4000), 10)
    assert half.high - half.low == pytest.approx(float(high - low), rel=0.05)


@pytest.mark.parametrize("hits", [0, 7])
def test_sure_images_leave_the_limits_of_their_number(hits: int) -> None:
    # whether the images are sure, or lucky, nothing shows: they count once
    rate = mean_over_draws(np.full(50, hits), 7)
    assert rate[1:] == pytest.approx(tuple(map(float, wilson(50 * (hits // 7), 50))), abs=1e-9)


def test_what_is_no_count() -> None:
    assert np.isnan(mean_over_draws([], 10)).all()
    for hits, draws in (([11], 10), ([-1], 10), ([0], 0)):
        with pytest.raises(ValueError, match="hits must lie"):
            mean_over_draws(hits, draws)

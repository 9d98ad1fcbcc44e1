"""Statistics against worked examples of the literature, scipy, and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.intervals import (
    area_under_curve,
    difference,
    median_smallest_eps,
    paired_difference,
    spread,
    wilson,
)
from reports.statistics.tests import adjust, fisher, mcnemar

counts = st.integers(0, 60)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_newcombes_table_of_single_proportions(
    hits: int, trials: int, low: float, high: float
) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_is_scipys_interval(level: float) -> None:
    hits, trials = np.array([0, 1, 7, 50, 99, 100]), 100
    low, high = wilson(hits, trials, level)
    ours = list(zip(low, high, strict=True))
    for hit, limits in zip(hits, ours, strict=True):
        theirs = stats.binomtest(int(hit), trials).proportion_ci(level, method="wilson")
        assert limits == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_takes_scalars_arrays_and_no_trials() -> None:
    low, high = wilson(3, 10)
    assert isinstance(low, np.float64) and isinstance(high, np.float64)
    low, high = wilson([0, 5, 0], [0, 5, 10])
    assert np.isnan(low[0]) and np.isnan(high[0])
    assert (high[1], low[2]) == (1.0, 0.0)


@pytest.mark.parametrize(("hits", "trials", "level"), [(-1, 3, 0.9), (4, 3, 0.9), (1, 3, 1.0)])
def test_wilson_refuses_the_impossible(hits: int, trials: int, level: float) -> None:
    with pytest.raises(ValueError, match=r"hits must lie between|expected a number between"):
        wilson(hits, trials, level)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
        # Perondi et al. 2004, in chapter 4 of Fagerland, Lydersen and Laake 2017
        ((7, 34), (1, 34), 0.0189, 0.3404),
    ],
)
def test_difference_gives_newcombes_table_of_independent_samples(
    a: tuple[int, int], b: tuple[int, int], low: float, high: float
) -> None:
    found = difference(*b, *a)
    assert found == pytest.approx((a[0] / a[1] - b[0] / b[1], low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("both", "first", "second", "neither", "low", "high"),
    [
        (20, 12, 2, 16, 0.0562, 0.3292),  # Newcombe 1998, table II
        (36, 12, 2, 0, 0.0569, 0.3404),  # the same
        (14, 5, 0, 22, 0.0115, 0.2265),  # Altman et al. 2000, Statistics with confidence
        (1, 1, 7, 12, -0.507, -0.026),  # Bentur et al. 2009 in Fagerland et al. 2014
        (59, 6, 16, 80, -0.1186, -0.0046),  # Cavo et al. 2012 in Fagerland et al. 2017
        (8, 3, 1, 2, -0.1574, 0.4136),  # Tang et al. 2010
        (7, 25, 2, 68, 0.133, 0.318),  # Chang 2024
    ],
)
def test_paired_difference_gives_published_intervals(
    both: int, first: int, second: int, neither: int, low: float, high: float
) -> None:
    found = paired_difference(both, second, first, neither)
    expected = (first - second) / (both + first + second + neither)
    assert found == pytest.approx((expected, low, high), abs=5.1e-4)


def test_pairs_without_correlation_are_two_independent_samples() -> None:
    # 22 * 21 - 24 * 18 is less than half of the 85 pairs: the source takes that for none
    found, independent = paired_difference(22, 24, 18, 21), difference(46, 85, 40, 85)
    assert tuple(found) == pytest.approx(tuple(independent), abs=1e-12)


@given(counts, counts, counts, st.integers(1, 60))
def test_differences_change_sign_when_the_sides_are_swapped(e: int, f: int, g: int, h: int) -> None:
    one, other = paired_difference(e, f, g, h), paired_difference(e, g, f, h)
    assert one == pytest.approx((-other.value, -other.high, -other.low), abs=1e-12)
    assert -1 <= one.low <= one.value <= one.high <= 1
    n = e + f + g + h
    two = difference(e + f, n, e + g, n)
    assert two.low <= two.value <= two.high
    # with a positive correlation pairs tell more; without one they tell the same
    if e * h >= f * g:
        assert one.high - one.low <= two.high - two.low + 1e-12


@pytest.mark.parametrize("shares", [(0.5, 0.1, 0.05, 0.35), (0.9, 0.02, 0.02, 0.06)])
def test_intervals_cover_the_truth_as_often_as_they_say(shares: tuple[float, ...]) -> None:
    drawn = np.random.default_rng(3).multinomial(300, shares, size=4000)
    truth = shares[2] - shares[1]
    pairs = paired_difference(*drawn.T)
    assert 0.94 < np.mean((pairs.low <= truth) & (truth <= pairs.high)) < 0.985
    rng = np.random.default_rng(4)
    rates = shares[0] + shares[1], shares[0] + shares[2]
    two = difference(rng.binomial(300, rates[0], 4000), 300, rng.binomial(300, rates[1], 4000), 300)
    assert 0.94 < np.mean((two.low <= truth) & (truth <= two.high)) < 0.97


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (12, 2, 0.0129),  # Armitage and Berry 1994, two media for tubercle bacilli
        (1, 7, 0.0703),  # Bentur et al. 2009 in Fagerland et al. 2013
        (150, 86, 3.7e-5),  # approval of the Prime Minister, Agresti 2002, section 10.1
        (0, 0, 1.0),
        (5, 5, 1.0),
    ],
)
def test_mcnemar_gives_published_p_values(only_a: int, only_b: int, p: float) -> None:
    assert float(mcnemar(only_a, only_b)) == pytest.approx(p, rel=0.02)


def test_mcnemar_is_scipys_binomial_test() -> None:
    lost, gained = (c.ravel() for c in np.meshgrid([0, 1, 4, 30, 500], [0, 2, 9, 33, 450]))
    changed = zip(lost.tolist(), gained.tolist(), strict=True)
    theirs = [stats.binomtest(a, a + b).pvalue if a + b else 1.0 for a, b in changed]
    assert mcnemar(lost, gained) == pytest.approx(np.array(theirs), rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [
        ((3, 4), (1, 4), 0.48571),  # the lady tasting tea, Fisher 1935
        ((0, 16), (15, 72), 0.062867),  # Ritland et al. 2007 in Fagerland et al. 2017
        ((10, 13), (2, 17), 0.0005367),  # convictions of twins, Fisher 1935
    ],
)
def test_fisher_gives_published_p_values(a: tuple[int, int], b: tuple[int, int], p: float) -> None:
    assert float(fisher(*a, *b)) == pytest.approx(p, rel=2e-4)


@settings(max_examples=60)
@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_fisher_is_scipys(n_a: int, n_b: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, n_a)), data.draw(st.integers(0, n_b))
    theirs = stats.fisher_exact([[a, n_a - a], [b, n_b - b]])[1]
    assert float(fisher(a, n_a, b, n_b)) == pytest.approx(theirs, rel=1e-6)


def test_fisher_takes_columns_with_repeats_and_empty_sides() -> None:
    found = fisher([5, 5, 0], [10, 10, 0], [9, 9, 3], 10)
    assert found[0] == found[1] == pytest.approx(stats.fisher_exact([[5, 5], [9, 1]])[1])
    assert np.isnan(found[2])
    assert len(fisher([], [], [], [])) == 0


# Benjamini and Hochberg 1995, section 3.2: fifteen hypotheses on a treatment of heart attacks
FIFTEEN = [
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1.0000,
]


def test_corrections_find_what_benjamini_and_hochberg_report() -> None:
    assert int((adjust(FIFTEEN, "none") <= 0.05).sum()) == 9
    assert int((adjust(FIFTEEN, "bh") <= 0.05).sum()) == 4
    assert int((adjust(FIFTEEN, "holm") <= 0.05).sum()) == 3


def test_holm_by_hand() -> None:
    assert adjust([0.01, 0.04, 0.03, 0.005], "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_benjamini_hochberg_is_scipys_and_milder_than_holm(p: list[float]) -> None:
    found = adjust(p, "bh")
    assert found == pytest.approx(stats.false_discovery_control(p), abs=1e-12)
    assert np.all(np.asarray(p) <= found + 1e-12) and np.all(found <= adjust(p, "holm") + 1e-12)


def test_missing_p_values_stay_missing_and_do_not_count() -> None:
    found = adjust([np.nan, 0.02, np.nan, 0.03], "holm")
    assert np.isnan(found[[0, 2]]).all() and found[[1, 3]] == pytest.approx([0.04, 0.04])
    assert len(adjust([], "bh")) == 0


def test_spread_gives_students_sleep_data() -> None:
    # Student 1908: hours of sleep gained with the second drug over the first
    found = spread([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    assert found[:3] == pytest.approx((1.58, 0.7001, 2.4599), abs=5e-5)
    assert found.deviation == pytest.approx(1.2300, abs=5e-5) and found.n == 10


def test_one_seed_has_a_mean_and_no_spread() -> None:
    found = spread([0.5, np.nan])
    assert (found.mean, found.n) == (0.5, 1)
    assert np.isnan([found.low, found.high, found.deviation]).all()
    assert np.isnan(spread([]).mean)


def test_area_of_a_known_curve_in_any_order() -> None:
    # 4 images that fall at eps 0.1, 0.2, 0.4 and never
    eps = [0.4, 0.0, 0.2, 0.1]
    correct = [[0, 0, 0, 1], [1, 1, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1]]
    by_hand = (0.1 * (1 + 0.75) / 2 + 0.1 * (0.75 + 0.5) / 2 + 0.2 * (0.5 + 0.25) / 2) / 0.4
    assert area_under_curve(eps, correct, resamples=99).value == pytest.approx(by_hand)


def test_area_interval_is_scipys_bootstrap() -> None:
    rng = np.random.default_rng(0)
    eps = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    correct = rng.gamma(2, 0.08, 300) > eps[:, None]
    ours = area_under_curve(eps, correct)
    areas = np.array([0.125, 0.25, 0.25, 0.25, 0.125]) @ correct
    theirs = stats.bootstrap(
        (areas,), np.mean, method="BCa", random_state=np.random.default_rng(1)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=2e-3)
    assert ours == area_under_curve(eps, correct)
    assert area_under_curve(eps, np.ones((5, 20))) == (1.0, 1.0, 1.0)


def test_area_interval_is_scipys_bootstrap_on_few_and_skewed_images() -> None:
    rng = np.random.default_rng(4)
    # uneven sizes: means of a lattice would hide the last steps of the correction
    eps = np.append(0.0, np.sort(rng.random(20)))
    correct = rng.beta(0.25, 2.0, 30) > eps[:, None]
    ours = area_under_curve(eps, correct, resamples=99_999)
    areas = (np.diff(eps) @ (correct[1:] + 0.0 + correct[:-1])) / 2 / eps[-1]
    theirs = stats.bootstrap(
        (areas,),
        np.mean,
        method="BCa",
        n_resamples=99_999,
        batch=2000,
        random_state=np.random.default_rng(1),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1.3e-3)


def test_area_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(1)
    eps = np.linspace(0, 1, 6)
    # an image falls at a uniform eps: accuracy 1 - eps, area one half
    found = [
        area_under_curve(eps, rng.random(150) > eps[:, None], resamples=999) for _ in range(300)
    ]
    assert 0.91 < np.mean([e.low <= 0.5 <= e.high for e in found]) < 0.985


@pytest.mark.parametrize(
    ("eps", "correct"),
    [([0.1], [[1, 0]]), ([0.1, 0.1], [[1], [0]]), ([0, 1], [[1, 0]]), ([0, 1], [[], []])],
)
def test_area_refuses_what_is_no_curve(eps: list[float], correct: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="eps"):
        area_under_curve(eps, correct)


# Freireich et al. 1963: weeks of remission; for 6-MP a minus marks those still in remission
SIX_MP = [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


@pytest.mark.parametrize(
    ("weeks", "median", "low", "high"),
    [(SIX_MP, 23, 13, np.inf), (PLACEBO, 8, 4, 11)],
    ids=["6-MP", "placebo"],
)
def test_median_with_censoring_gives_the_remission_trial(
    weeks: list[int], median: float, low: float, high: float
) -> None:
    held = np.array(weeks) < 0
    assert median_smallest_eps(np.abs(weeks), held) == (median, low, high)


def test_median_without_censoring_is_the_median() -> None:
    values = np.random.default_rng(2).random(101)
    found = median_smallest_eps(values, np.zeros(101, dtype=bool))
    assert found.value == np.median(values)
    assert found.low < found.value < found.high
    # where the curve rests at one half, its first point is taken
    assert median_smallest_eps([4, 1, 3, 2], [False] * 4).value == 2


def test_median_that_is_not_reached_is_infinite() -> None:
    assert median_smallest_eps([0.3, 0.3], [True, True]) == (np.inf,) * 3
    assert np.isnan(median_smallest_eps([], []).value)
    found = median_smallest_eps([0.1] * 10 + [0.3] * 90, [False] * 10 + [True] * 90)
    assert found == (np.inf,) * 3

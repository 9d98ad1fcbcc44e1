"""Measures of the results with their intervals, each with its method and its source.

Rates and their differences work on whole columns at once; p-values are in `tests.py`. scipy is
imported inside functions so that `bench compare` starts fast.
"""

from __future__ import annotations

import warnings
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Differences(NamedTuple):
    """Rates of B minus rates of A, with two-sided limits: arrays, or numpy floats for one pair."""

    value: Floats
    low: Floats
    high: Floats


class Estimate(NamedTuple):
    """One number with its two-sided limits, all in the same unit."""

    value: float
    low: float
    high: float


def _z(level: float) -> float:
    """Return the standard normal quantile of a two-sided level: 1.96 for 0.95."""
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level}")
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(
    hits: npt.ArrayLike, trials: npt.ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Return Wilson's score limits of a proportion, without continuity correction.

    `hits` and `trials` are counts, scalars or arrays that broadcast; so are the limits, shares
    in [0, 1]. No trials give NaN. Raises ValueError if hits are negative or more than the trials.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209; method 3 of Newcombe 1998, Stat. Med. 17:857.
    """
    hit, n = np.broadcast_arrays(np.asarray(hits, dtype=float), np.asarray(trials, dtype=float))
    if np.any((hit < 0) | (hit > n)):
        raise ValueError("hits must lie between 0 and the number of trials")
    z2 = _z(level) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (hit + z2 / 2) / (n + z2)
        half = np.sqrt(z2 * (hit * (n - hit) / n + z2 / 4)) / (n + z2)
    # at 0 and at n the limit is exactly 0 and 1; rounding would leave 1e-17
    low = np.where((hit == 0) & (n > 0), 0.0, middle - half)
    high = np.where((hit == n) & (n > 0), 1.0, middle + half)
    return low[()], high[()]


def difference(
    hits_a: npt.ArrayLike,
    n_a: npt.ArrayLike,
    hits_b: npt.ArrayLike,
    n_b: npt.ArrayLike,
    level: float = 0.95,
) -> Differences:
    """Return B's rate minus A's for two independent samples, with Newcombe's hybrid score limits.

    Counts in, shares in [-1, 1] out. Unlike the textbook (Wald) interval it stays inside [-1, 1],
    does not collapse at rates of 0 and 1 and keeps its level in small samples.

    Source: method 10 of Newcombe 1998, Stat. Med. 17:873.
    """
    hit_a, all_a = np.asarray(hits_a, dtype=float), np.asarray(n_a, dtype=float)
    hit_b, all_b = np.asarray(hits_b, dtype=float), np.asarray(n_b, dtype=float)
    return _square_and_add(hit_a, all_a, hit_b, all_b, np.zeros(()), level)


def paired_difference(
    both: npt.ArrayLike,
    only_a: npt.ArrayLike,
    only_b: npt.ArrayLike,
    neither: npt.ArrayLike,
    level: float = 0.95,
) -> Differences:
    """Return B's rate minus A's on the same images, with Newcombe's square-and-add limits.

    The four counts are images right on both sides, on one, on none; the result is shares in
    [-1, 1]. The correlation of the pairs narrows the interval; it is shrunk towards 0 as in the
    source, which keeps the level in small samples. Fagerland et al. 2014 (Stat. Med.
    33:2850) recommend it. It is not the inversion of McNemar's test: at the edge of significance
    one of the two may include zero and the other not.

    Source: method 10 of Newcombe 1998, Stat. Med. 17:2635.
    """
    e, f, g, h = (np.asarray(c, dtype=float) for c in (both, only_a, only_b, neither))
    n = e + f + g + h
    margins = (e + f) * (g + h) * (e + g) * (f + h)
    cross = e * h - f * g
    shrunk = np.where(cross > 0, np.maximum(cross - n / 2, 0), cross)
    phi = shrunk / np.sqrt(np.where(margins > 0, margins, 1))
    return _square_and_add(e + f, n, e + g, n, np.where(margins > 0, phi, 0), level)


def _square_and_add(
    hits_a: Floats, n_a: Floats, hits_b: Floats, n_b: Floats, phi: Floats, level: float
) -> Differences:
    """Return the limits of B - A from the Wilson limits of both rates and their correlation phi."""
    low_a, high_a = wilson(hits_a, n_a, level)
    low_b, high_b = wilson(hits_b, n_b, level)
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = hits_a / n_a, hits_b / n_b

    def length(one: Floats, other: Floats) -> Floats:
        # rounding may leave -1e-17 under the root if both sides are the same
        square = np.asarray(one**2 - 2 * phi * one * other + other**2)
        return np.sqrt(np.maximum(square, 0))

    low = np.maximum(b - a - length(b - low_b, high_a - a), -1)
    high = np.minimum(b - a + length(high_b - b, a - low_a), 1)
    return Differences((b - a)[()], low[()], high[()])


class Spread(NamedTuple):
    """Mean over `n` seeds, its limits, and the standard deviation (divisor n - 1)."""

    mean: float
    low: float
    high: float
    deviation: float
    n: int


def spread(values: npt.ArrayLike, level: float = 0.95) -> Spread:
    """Return the mean of one number per seed, with Student's t interval.

    The interval covers new seeds, unlike the interval of one run's rate; it assumes independent,
    roughly normal numbers. NaN is ignored. For one seed deviation and limits are NaN.

    Source: Student 1908, Biometrika 6:1.
    """
    from scipy.special import stdtrit

    seen = np.asarray(values, dtype=float).ravel()
    seen = seen[~np.isnan(seen)]
    n = len(seen)
    mean = float(seen.mean()) if n else float("nan")
    if n < 2:
        return Spread(mean, float("nan"), float("nan"), float("nan"), n)
    deviation = float(seen.std(ddof=1))
    half = float(stdtrit(n - 1, 0.5 + level / 2)) * deviation / n**0.5
    return Spread(mean, mean - half, mean + half, deviation, n)


def area_under_curve(
    eps: npt.ArrayLike,
    correct: npt.ArrayLike,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> Estimate:
    """Return the mean robust accuracy over a range of eps, with bootstrap limits over images.

    `eps` [E] are two or more distinct sizes in any order; `correct` [E, N] says which image is
    still right at which size. The value is the area under the accuracy-eps curve (trapezoids) over
    the width of the range: a share in [0, 1]; 1 is right everywhere. Images are resampled whole,
    which keeps the dependence between the sizes. If all images agree, the interval has no width.

    The area is a mean over images, so a resample only needs how often each distinct value occurs:
    one multinomial draw instead of N indices. `scipy.stats.bootstrap` gives the same interval, more
    slowly.

    Source: bias-corrected and accelerated bootstrap, Efron 1987, J. Am. Stat. Assoc. 82:171.
    """
    size, right = np.asarray(eps, dtype=float), np.asarray(correct, dtype=float)
    if size.ndim != 1 or right.ndim != 2 or len(size) != len(right) or right.shape[1] == 0:
        raise ValueError(f"expected eps [E] and correct [E, N], got {size.shape} and {right.shape}")
    order = np.argsort(size)
    step = np.diff(size[order])
    if len(size) < 2 or np.any(step <= 0):
        raise ValueError("expected two or more distinct eps")
    weight = (np.append(step, 0) + np.append(0, step)) / 2 / step.sum()
    return mean_bootstrap(weight @ right[order], level, resamples, seed)


def mean_bootstrap(
    values: Floats, level: float = 0.95, resamples: int = 9999, seed: int = 0
) -> Estimate:
    """Return the mean of `values` [N], one per image, with BCa bootstrap limits over images.

    The same values give the same limits; if all are equal, the interval has no width.
    """
    normal, n = NormalDist(), len(values)
    # equal outcomes can differ in the last digit after the sum over eps
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    mean = float(values.mean())
    if len(distinct) == 1:
        return Estimate(mean, mean, mean)
    rng = np.random.default_rng(seed)
    batch = max(1, 2_000_000 // len(distinct))
    drawn = np.concatenate(
        [
            rng.multinomial(n, counts / n, size=min(batch, resamples - done)) @ distinct / n
            for done in range(0, resamples, batch)
        ]
    )
    off = values - mean
    # the jackknife of a mean needs no second loop: leaving one out moves it by off / (n - 1)
    acceleration = float((off**3).sum() / (6 * (off**2).sum() ** 1.5))
    at_most = float(np.mean(drawn < mean - 1e-12) + np.mean(drawn <= mean + 1e-12)) / 2
    bias = normal.inv_cdf(min(max(at_most, 1 / resamples), 1 - 1 / resamples))

    def limit(z: float) -> float:
        share = normal.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        return float(np.quantile(drawn, share))

    return Estimate(mean, limit(-_z(level)), limit(_z(level)))


def median_smallest_eps(
    values: npt.ArrayLike, censored: npt.ArrayLike, level: float = 0.95
) -> Estimate:
    """Return the median smallest eps over images, some of which no eps turned.

    `values` [N] is the smallest eps (or norm) that turned an image, or the largest one tried
    if `censored` [N] is true. The Kaplan-Meier curve is the share of images that are still right;
    the median is where it first falls to one half or below. Its limits are where the pointwise
    log(-log) limits of the curve do. inf means that the curve stays above: the number is larger
    than every eps tried.

    Source: Kaplan and Meier 1958, J. Am. Stat. Assoc. 53:457; interval: Brookmeyer and Crowley
    1982, Biometrics 38:29, with Greenwood's variance on the scale of Kalbfleisch and Prentice.
    """
    curve = held_out(values, censored, level)
    if not len(curve.eps):
        known = np.inf if np.size(values) else np.nan
        return Estimate(known, known, known)

    def reaches_half(share: Floats) -> float:
        # a share of one half is a product of fractions, with rounding
        below = curve.eps[share <= 0.5 + 1e-12]
        return float(below[0]) if len(below) else np.inf

    return Estimate(reaches_half(curve.share), reaches_half(curve.low), reaches_half(curve.high))


class Curve(NamedTuple):
    """The share of images that are right beyond `eps`, with its limits; all [E]."""

    eps: Floats
    share: Floats
    low: Floats
    high: Floats


def held_out(values: npt.ArrayLike, censored: npt.ArrayLike, level: float = 0.95) -> Curve:
    """Return the Kaplan-Meier curve of smallest eps, at each distinct value; empty if none broke.

    values, censored: as of `median_smallest_eps`. The pointwise limits are log(-log) ones; they
    are NaN for a share of 0 or 1, where they are not defined.
    """
    from scipy.stats import CensoredData, ecdf

    value, held = np.asarray(values, dtype=float), np.asarray(censored, dtype=bool)
    if held.all():
        return Curve(*(np.empty(0) for _ in range(4)))
    curve = ecdf(CensoredData(uncensored=value[~held], right=value[held])).sf
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        limits = curve.confidence_interval(level, method="log-log")
    shares = (curve.probabilities, limits.low.probabilities, limits.high.probabilities)
    return Curve(np.asarray(curve.quantiles), *(np.asarray(share) for share in shares))

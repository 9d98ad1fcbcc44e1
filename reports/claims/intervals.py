"""Effects with their 95 % limits: over images by bootstrap, over training seeds by Student's t."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.claims.rule import Effect
from reports.claims.sources import Missing
from reports.statistics.intervals import spread

Floats = npt.NDArray[np.float64]
# takes paired samples [N] and `axis`, as numpy's mean does
Statistic = Callable[..., Any]
LEVEL = 0.95
RESAMPLES = 2000


def over_images(statistic: Statistic, *samples: npt.ArrayLike) -> Effect:
    """Return a statistic of paired samples, each [N], with percentile bootstrap limits.

    Images are resampled whole. statistic: takes the samples and `axis`, as numpy's mean does.
    Raises Missing for fewer than two images.
    """
    from scipy.stats import bootstrap

    arrays = [np.asarray(s, dtype=np.float64) for s in samples]
    kept = np.all([np.isfinite(a) for a in arrays], axis=0)
    arrays = [a[kept] for a in arrays]
    n = len(arrays[0])
    if n < 2:
        raise Missing(f"{n} images are too few")
    with warnings.catch_warnings():
        # equal values in every resample give an interval without width, as they should
        warnings.simplefilter("ignore")
        size = {"confidence_level": LEVEL, "n_resamples": RESAMPLES, "batch": 100}
        how = {"paired": True, "vectorized": True, "method": "percentile", "random_state": 0}
        limits = bootstrap(arrays, statistic, **size, **how).confidence_interval
    # a difference of equal sums is 0 and not 1e-19
    value = round(float(statistic(*arrays, axis=-1)), 12) + 0.0
    return Effect(value, float(limits.low), float(limits.high), f"{n:,} images")


def mean_over_images(values: npt.ArrayLike) -> Effect:
    """Return the mean of one number per image."""
    return over_images(np.mean, values)


def between_samples(
    statistic: Statistic, a: Sequence[npt.ArrayLike], b: Sequence[npt.ArrayLike]
) -> Effect:
    """Return statistic(*a) - statistic(*b) for two sets of images, each resampled by itself.

    a, b: paired samples of each set.
    """
    random = np.random.default_rng(0)

    def drawn(samples: Sequence[npt.ArrayLike]) -> Floats:
        arrays = [np.asarray(s, dtype=np.float64) for s in samples]
        n = len(arrays[0])
        values = np.empty(RESAMPLES)
        for i in range(RESAMPLES):
            which = random.integers(0, n, n)
            values[i] = statistic(*(x[which] for x in arrays), axis=-1)
        return values

    a, b = ([np.asarray(sample) for sample in side] for side in (a, b))
    gap = drawn(a) - drawn(b)
    low, high = np.quantile(gap, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = statistic(*a, axis=-1) - statistic(*b, axis=-1)
    return Effect(float(value), float(low), float(high), f"{len(a[0]):,} and {len(b[0]):,} images")


def over_seeds(values: npt.ArrayLike) -> Effect:
    """Return the mean of one number per training seed, with Student's t limits."""
    seen = spread(values, LEVEL)
    return Effect(seen.mean, seen.low, seen.high, f"{seen.n} training seeds")

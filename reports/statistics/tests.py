"""p-values of a difference between two rates, and their correction for the number of cells.

They work on whole columns at once. The distributions come from `scipy.special`, which loads much
faster than `scipy.stats`; tests compare the two.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from reports.statistics.intervals import Floats, wilson

Correction = Literal["bh", "holm", "none"]

CORRECTIONS: dict[Correction, str] = {
    "bh": "Benjamini-Hochberg (false discovery rate)",
    "holm": "Holm (family-wise error rate)",
    "none": "none",
}


def mcnemar(only_a: npt.ArrayLike, only_b: npt.ArrayLike) -> Floats:
    """Return the exact two-sided p-value of McNemar's test for pairs.

    Without an effect, a changed image is as likely to be lost as gained: the number of lost ones
    is binomial with share one half; equal to `scipy.stats.binomtest`, for whole columns. No changed
    image gives 1. The test never exceeds its level, at the price of some power.

    Source: McNemar 1947, Psychometrika 12:153; exact form: Mosteller 1952, Biometrics 8:220.
    """
    from scipy.special import bdtr

    lost, gained = np.broadcast_arrays(np.asarray(only_a), np.asarray(only_b))
    less, changed = np.minimum(lost, gained), np.asarray(lost + gained)
    one_side = bdtr(less.astype(float), changed.astype(np.int64), 0.5)
    return np.asarray(np.minimum(1.0, 2 * one_side))[()]


def fisher(
    hits_a: npt.ArrayLike, n_a: npt.ArrayLike, hits_b: npt.ArrayLike, n_b: npt.ArrayLike
) -> Floats:
    """Return the exact two-sided p-value of Fisher's test for two independent rates.

    Sums all tables with the same margins that are no likelier than the observed one. Preferred to
    the chi-squared test because a correction for many cells needs the far tail, where chi-squared
    is inexact, and to Boschloo's because that takes seconds per cell at 10 000 images. The test
    never exceeds its level. NaN if a side has no trials.

    Source: Fisher 1935, J. R. Stat. Soc. 98:39; two-sided by Irwin 1935, Metron 12:83.
    """
    from scipy.special import gammaln

    counts = (np.asarray(c, dtype=np.int64) for c in (hits_a, n_a, hits_b, n_b))
    columns = np.broadcast_arrays(*counts)
    tables = np.stack([c.ravel() for c in columns], axis=1)
    log_factorial = gammaln(np.arange(int(tables[:, [1, 3]].sum(axis=1).max(initial=0)) + 1) + 1.0)
    distinct, back = np.unique(tables, axis=0, return_inverse=True)
    p = np.array([_fisher(log_factorial, *row) for row in distinct.tolist()], dtype=np.float64)
    return np.asarray(p[back.ravel()].reshape(columns[0].shape)[()])


def _fisher(log_factorial: Floats, hits_a: int, n_a: int, hits_b: int, n_b: int) -> float:
    if n_a == 0 or n_b == 0:
        return float("nan")
    total = hits_a + hits_b
    first = max(0, total - n_b)
    k = np.arange(first, min(n_a, total) + 1)
    log_p = -(
        log_factorial[k]
        + log_factorial[n_a - k]
        + log_factorial[total - k]
        + log_factorial[n_b - total + k]
    )
    weight = np.exp(log_p - log_p.max())
    # tables that are equally likely by symmetry differ in the last digits
    as_extreme = weight <= weight[hits_a - first] * (1 + 1e-7)
    return min(1.0, float(weight[as_extreme].sum() / weight.sum()))


def adjust(p: npt.ArrayLike, correction: Correction = "bh") -> Floats:
    """Return p-values adjusted for their number, to be compared with 1 - level.

    `bh`: Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57:289; bounds the expected share of
    false findings among all findings, for tests that are independent or positively dependent (as
    cells on the same images are). `holm`: Holm 1979, Scand. J. Stat. 6:65; bounds the chance of
    any false finding, whatever the dependence. `none`: as they are. NaN is not counted.
    """
    raw = np.asarray(p, dtype=float)
    out = raw.copy()
    tested = ~np.isnan(raw)
    m = int(tested.sum())
    if correction == "none" or m == 0:
        return out
    order = np.argsort(raw[tested], kind="stable")
    rank, ranked = np.arange(1, m + 1), raw[tested][order]
    if correction == "bh":
        steps = np.minimum.accumulate((ranked * m / rank)[::-1])[::-1]
    else:
        steps = np.maximum.accumulate(ranked * (m - rank + 1))
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(steps, 1)
    out[tested] = adjusted
    return out


def at_most(images: int) -> float:
    """Return the margin of error of an accuracy, in points: Wilson's 95 % limits at one half."""
    low, high = wilson(images / 2, images)
    return 50 * float(high - low)

"""The rate of a random defence: a mean over images and over scoring draws, with its interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reports.statistics.intervals import Estimate, wilson

# images that are added to both ends when the effective number of images is estimated
ADDED = 1.0


def mean_over_draws(hits: npt.ArrayLike, draws: int, level: float = 0.95) -> Estimate:
    """Return the mean share of right predictions, with limits for other images and other draws.

    hits: [N], in how many of its draws each image is right. draws: of each image; 1 gives Wilson's
    limits of `intervals.wilson`.

    Image i is right in a share m_i of its draws. Draws of an image are independent of those of
    others, so the m_i are independent, and their variance holds both parts: Var(m_i) = Var(p_i) +
    E[p_i (1 - p_i)] / draws, where p_i is the chance that the image is right. The limits are
    Wilson's with the effective number of images n = N m (1 - m) / Var(m_i), where m is the mean.
    It is N where each image is always or never right, and N draws where all p_i are equal.

    The variance is estimated with one image more that is right in every draw, and one that is
    wrong in every draw: without them n would be far too large where hardly an image is ever right
    (or wrong), and the interval would miss images that are not in the sample. Simulated coverage is
    95 % or more (tests/reports/statistics/test_draws.py).

    No images give NaN. Raises ValueError for hits below zero or above the draws.

    Source: effective sample size by the design effect, Kish 1965, Survey Sampling, section 8.2; in
    Wilson's interval, Dean and Pagano 2015, J. Surv. Stat. Methodol. 3:484.
    """
    hit = np.asarray(hits, dtype=float).ravel()
    if draws < 1 or np.any((hit < 0) | (hit > draws)):
        raise ValueError("hits must lie between 0 and the number of draws, which is at least 1")
    n = len(hit)
    if draws == 1 or not n:
        low, high = wilson(hit.sum(), n, level)
        return Estimate(float(hit.sum()) / n if n else float("nan"), float(low), float(high))
    # one division: the same as the share of right predictions among all
    mean, share = float(hit.sum()) / (n * draws), hit / draws
    images = n * _binary_variance(share) / _variance(share)
    images = min(max(images, n), n * draws)
    low, high = wilson(mean * images, images, level)
    return Estimate(mean, float(low), float(high))


def _variance(share: npt.NDArray[np.float64]) -> float:
    """Return the variance of the shares and of the images that are added."""
    total = len(share) + 2 * ADDED
    mean = (share.sum() + ADDED) / total
    return float(((share**2).sum() + ADDED) / total - mean**2)


def _binary_variance(share: npt.NDArray[np.float64]) -> float:
    """Return the variance that shares of the same mean would have if all were 0 or 1."""
    mean = (share.sum() + ADDED) / (len(share) + 2 * ADDED)
    return float(mean * (1 - mean))

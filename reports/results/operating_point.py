"""The eps at which a run is summed up, and the accuracies there."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from reports.results.norms import NO_NORM
from reports.results.threats import NONE_LISTED, OBLIVIOUS, Threats

COLUMNS = ("dataset", "network", "attack", "eps", "clean", "undefended", "oblivious", "adaptive")


def halving_point(curve: Iterable[tuple[float, float]]) -> tuple[int, bool]:
    """Return the place of the first point that keeps at most half of its clean accuracy.

    curve: accuracy under attack and clean accuracy, in one unit, by rising eps; not empty.
    Returns the last place and False where no point does.
    """
    points = list(curve)
    for place, (accuracy, clean) in enumerate(points):
        if accuracy <= clean / 2:
            return place, True
    return len(points) - 1, False


def operating_points(table: pd.DataFrame, threats: Threats = NONE_LISTED) -> pd.DataFrame:
    """Return one row per attack, network and data set, columns as in COLUMNS.

    Attacks without a norm, such as corruptions, are left out.

    eps: the smallest at which the undefended network keeps at most half of its clean accuracy
        (the largest tried, where none does that).
    clean, undefended: accuracy of the undefended network without and under attack.
    oblivious, adaptive: accuracy behind the best JPEG quality under the oblivious attacker and
        under attackers who see the defence, as text with the quality; empty where the run has no
        such cell. Of several attackers who see the defence the strongest counts at each quality.
    """
    # what has no norm is no search for a small change, and has no eps: corruptions
    done = table[(table["status"] == "ok") & (table["norm"] != NO_NORM)]
    done = done[~done["threat"].map(threats.crafted_elsewhere).astype(bool)]
    rows = []
    for subject, group in done.groupby(["dataset", "network", "attack"], sort=False):
        bare = group[group["defence"] == "none"].drop_duplicates("eps").sort_values("eps")
        if bare.empty:
            continue
        place, _ = halving_point(zip(bare["accuracy"], bare["clean_accuracy"], strict=True))
        chosen = bare.iloc[place]
        eps = group["eps"]
        same = group[eps.isna() if pd.isna(chosen["eps"]) else eps == chosen["eps"]]
        jpeg = same[same["defence"].str.startswith("jpeg")]
        numbers = (chosen[name] for name in ("eps", "clean_accuracy", "accuracy"))
        oblivious = jpeg[jpeg["threat"] == OBLIVIOUS]
        adaptive = jpeg[jpeg["threat"].map(threats.sees_defence).astype(bool)]
        rows.append((*subject, *numbers, _best(oblivious), _best(_strongest(adaptive))))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _strongest(jpeg: pd.DataFrame) -> pd.DataFrame:
    rows = jpeg.sort_values("accuracy", kind="stable")
    return rows.drop_duplicates(["defence", "quality", "samples", "seed"])


def _best(jpeg: pd.DataFrame) -> str:
    if jpeg.empty:
        return ""
    best = jpeg.sort_values("accuracy", ascending=False, kind="stable").iloc[0]
    return f"{best['accuracy']:.3f} (q{best['quality']})"

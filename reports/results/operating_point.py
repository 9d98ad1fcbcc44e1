"""The eps at which a run is summed up, and the accuracies there."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from reports.results.norms import NO_NORM
from reports.results.threats import NONE_LISTED, OBLIVIOUS, Threats

# the best defence under each kind of attacker: its accuracy, its name, its quality
_BEST = [f"{who}{of}" for who in ("unaware", "aware") for of in ("", "_defence", "_quality")]
COLUMNS = ("dataset", "network", "attack", "eps", "halved", "clean", "undefended", *_BEST)
# what rounding to 8 bits does alone: a control beside other defences
CONTROL = "quantize"


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
        (the largest tried, where none does that). halved: whether it does.
    clean, undefended: accuracy of the undefended network without and under attack.
    unaware, aware: accuracy behind the best defence under the oblivious attacker, and under
        attackers who see the defence; which defence that is, and its quality. Missing where the run
        has no such cell. Of several attackers who see a defence the strongest counts. The control
        of 8 bits counts as a defence where there is no other.
    """
    # what has no norm is no search for a small change, and has no eps: corruptions
    done = table[(table["status"] == "ok") & (table["norm"] != NO_NORM)]
    done = done[~done["threat"].map(threats.crafted_elsewhere).astype(bool)]
    rows = []
    for subject, group in done.groupby(["dataset", "network", "attack"], sort=False):
        bare = group[group["defence"] == "none"].drop_duplicates("eps").sort_values("eps")
        if bare.empty:
            continue
        place, halved = halving_point(zip(bare["accuracy"], bare["clean_accuracy"], strict=True))
        chosen = bare.iloc[place]
        eps = group["eps"]
        same = group[eps.isna() if pd.isna(chosen["eps"]) else eps == chosen["eps"]]
        defended = defended_rows(same)
        unaware = defended[defended["threat"] == OBLIVIOUS]
        aware = defended[defended["threat"].map(threats.sees_defence).astype(bool)]
        numbers = (chosen["eps"], halved, chosen["clean_accuracy"], chosen["accuracy"])
        rows.append((*subject, *numbers, *_best(unaware), *_best(_strongest(aware))))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def defended_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows behind a defence; those of the control only where there are no others."""
    defended = table[table["defence"] != "none"]
    others = defended[defended["defence"] != CONTROL]
    return defended if others.empty else others


def _strongest(defended: pd.DataFrame) -> pd.DataFrame:
    rows = defended.sort_values("accuracy", kind="stable")
    return rows.drop_duplicates(["defence", "quality", "samples", "seed"])


def _best(defended: pd.DataFrame) -> tuple[float | None, str, float | None]:
    if defended.empty:
        return None, "", None
    best = defended.sort_values("accuracy", ascending=False, kind="stable").iloc[0]
    quality = best["quality"]
    return float(best["accuracy"]), str(best["defence"]), None if pd.isna(quality) else int(quality)

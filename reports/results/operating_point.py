"""The main figures of a run, in one short table."""

from __future__ import annotations

import pandas as pd

from reports.worst_case.order import is_transfer

HEADLINE = ("dataset", "network", "attack", "eps", "clean", "undefended", "oblivious", "adaptive")


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """One row an attack of a network and data set.

    eps: the smallest at which the undefended network keeps at most half of its clean accuracy
        (the largest tried, where none does that).
    clean, undefended: accuracy of the undefended network without and under attack.
    oblivious, adaptive: accuracy behind the best JPEG quality under each attacker, as text with
        the quality; empty where the run has no such cell. Of several adaptive threats the
        strongest counts at each quality.
    """
    done = table[table["status"] == "ok"]
    done = done[~done["threat"].map(is_transfer).astype(bool)]
    rows = []
    for (dataset, network, attack), group in done.groupby(
        ["dataset", "network", "attack"], sort=False
    ):
        bare = group[group["defence"] == "none"].drop_duplicates("eps")
        if bare.empty:
            continue
        bare = bare.sort_values("eps")
        halved = bare[bare["accuracy"] <= bare["clean_accuracy"] / 2]
        chosen = halved.iloc[0] if len(halved) else bare.iloc[-1]
        same = (
            group[group["eps"].isna()]
            if pd.isna(chosen["eps"])
            else group[group["eps"] == chosen["eps"]]
        )
        jpeg = same[same["defence"].str.startswith("jpeg")]
        rows.append(
            (
                dataset,
                network,
                attack,
                chosen["eps"],
                chosen["clean_accuracy"],
                chosen["accuracy"],
                _best(jpeg[jpeg["threat"] == "oblivious"]),
                _best(_strongest(jpeg[jpeg["threat"].str.startswith("adaptive")])),
            )
        )
    return pd.DataFrame(rows, columns=list(HEADLINE))


def _strongest(jpeg: pd.DataFrame) -> pd.DataFrame:
    rows = jpeg.sort_values("accuracy", kind="stable")
    return rows.drop_duplicates(["defence", "quality", "samples", "seed"])


def _best(jpeg: pd.DataFrame) -> str:
    if jpeg.empty:
        return ""
    best = jpeg.sort_values("accuracy", ascending=False, kind="stable").to_dict("records")[0]
    return f"{best['accuracy']:.3f} (q{best['quality']})"

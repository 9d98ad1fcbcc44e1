"""A run as an entry of RobustBench's `model_info`, for its leaderboards."""

from __future__ import annotations

import json

from reports.errors import TableError
from reports.exports.record import RunRecord, eps_text
from reports.results.norms import norm_text
from reports.results.rows import Row, as_rows

ATTACK = "autoattack"
# evaluations on the leaderboards
IMAGES = {"cifar10": 10_000, "cifar100": 10_000, "imagenet": 5_000}
# what only the author knows, in RobustBench's order; null until they fill it in
OPEN = ("link", "name", "authors", "additional_data", "venue", "architecture", "reported")


def model_info(record: RunRecord, norm: str | None = None, eps: float | None = None) -> str:
    """Return the JSON of a network, with RobustBench's own names and percentages as text.

    `autoattack_acc` is the accuracy under AutoAttack without a defence. `external` is the worst
    case over all attackers of that budget, where it is lower. What a run does not know is null.

    record: of one network on one data set.
    norm, eps: the budget, where the run has several.

    Raises TableError for a run without AutoAttack, and for several budgets.
    """
    row = _budget(record, norm, eps)
    worst = [
        other
        for other in record.worst_rows()
        if (other["norm"], other["eps"]) == (row["norm"], row["eps"])
        and other["defence"] == "none"
        and other["seed"] == row["seed"]
    ]
    lowest = min((float(other["accuracy"]) for other in worst), default=row["accuracy"])
    info: dict[str, object] = dict.fromkeys(OPEN)
    info |= {
        "name": record.labels.network(str(row["network"])),
        "number_forward_passes": 1,
        "dataset": str(row["dataset"]),
        "eps": eps_text(row["eps"]),
        "clean_acc": _percent(row["clean_accuracy"]),
        "autoattack_acc": _percent(row["accuracy"]),
    }
    if _percent(lowest) != _percent(row["accuracy"]) and lowest < row["accuracy"]:
        info["external"] = _percent(lowest)
    info["footnote"] = _footnote(record, row)
    info["unreliable"] = False
    return json.dumps(info, indent=2) + "\n"


def _budget(record: RunRecord, norm: str | None, eps: float | None) -> Row:
    """Return the only row of AutoAttack against the undefended network."""
    rows = [
        row
        for row in as_rows(record.table)
        if str(row["attack"]).partition("[")[0] == ATTACK
        and row["defence"] == "none"
        and row["eps"]
    ]
    where = f"run {record.directory}"
    if not rows:
        raise TableError(
            f"{where}: RobustBench's numbers are accuracies under AutoAttack, and the run has no"
            f" row of {ATTACK} without a defence; run it with --attack {ATTACK}:eps=8/255"
            " --defence none"
        )
    matching = [
        row
        for row in rows
        if (norm is None or norm_text(norm) == norm_text(row["norm"]))
        and (eps is None or abs(row["eps"] - eps) < 1e-9)
    ]
    if len(matching) != 1:
        listed = [f"--norm {row['norm']} --eps {eps_text(row['eps'])}" for row in rows]
        what = "several budgets" if matching else "no such budget"
        raise TableError(f"{where}: {what}; choose one of: {'; '.join(dict.fromkeys(listed))}")
    return matching[0]


def _footnote(record: RunRecord, row: Row) -> str:
    low, high = (_percent(row[f"accuracy_{end}"]) for end in ("low", "high"))
    text = (
        f"art-bench {record.manifest.get('art_bench', '')}: {int(row['n']):,} images, Wilson 95 %"
        f" interval of the robust accuracy {low} to {high}."
    )
    full = IMAGES.get(str(row["dataset"]))
    if full is not None and row["n"] < full:
        text += f" The leaderboard's evaluation has {full:,} images."
    return text


def _percent(share: float) -> str:
    return f"{share * 100:.2f}"

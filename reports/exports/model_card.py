"""A section of a Hugging Face model card: metrics for the Hub, and a table for readers."""

from __future__ import annotations

from typing import Any

import yaml

from reports.errors import TableError
from reports.exports.record import RunRecord, bound_text
from reports.results.norms import norm_text
from reports.results.operating_point import halving_point
from reports.results.rows import Row, as_rows

TASK = "image-classification"
TITLE = "Adversarial robustness"
# characters that Markdown would read as markup in a table
_MARKUP = str.maketrans({c: f"\\{c}" for c in "\\|`*_<>[]#"} | {"\n": " "})


def model_card(record: RunRecord, norm: str | None = None, eps: float | None = None) -> str:
    """Return YAML metadata (`model-index`) and a Markdown section about one network.

    The card holds the accuracy without attack and the worst case over all attackers, without and
    behind each defence. For a README.md on the Hub; one that exists already takes the metadata into
    its own, and the section as it is.

    record: of one network on one data set.
    norm, eps: the budget. By default each norm, at the smallest eps that leaves the undefended
        network at most half of its accuracy, or at the largest; and attacks without a bound.

    Raises TableError for a budget that the run does not have.
    """
    rows = _budgets(record, norm, eps)
    index = yaml.safe_dump(
        {"model-index": [_index(record, rows)]}, sort_keys=False, allow_unicode=True, width=100
    )
    return f"---\n{index}---\n\n{_section(record, rows)}"


def _index(record: RunRecord, rows: list[Row]) -> dict[str, Any]:
    first = as_rows(record.table)[0]
    network, dataset = str(first["network"]), str(first["dataset"])
    metrics = [
        {"type": "accuracy", "value": round(share, 6), "name": _clean_name(record, row)}
        for row, share in _clean(record)
    ]
    metrics += [
        {
            "type": "accuracy",
            "value": round(float(row["accuracy"]), 6),
            "name": f"Worst accuracy, {bound_text(row)}, {record.labels.behind(row)}",
            "args": {
                "norm": str(row["norm"]),
                **({} if row["eps"] is None else {"eps": float(row["eps"])}),
                "defence": _defence(row),
                "attacks": str(row["attacks"]),
                "images": int(row["n"]),
            },
        }
        for row in rows
    ]
    data = {"name": record.labels.dataset(dataset), "type": _dataset_id(dataset), "split": "test"}
    result = {"task": {"type": TASK, "name": "Image Classification"}, "dataset": data}
    return {"name": record.labels.network(network), "results": [{**result, "metrics": metrics}]}


def _section(record: RunRecord, rows: list[Row]) -> str:
    first = as_rows(record.table)[0]
    subject = record.labels.subject(str(first["dataset"]), str(first["network"]))
    lines = [
        f"## {TITLE}",
        "",
        f"{_plain(subject)}, measured with art-bench. Worst accuracy: the"
        " share of images that is right without attack and under every attack of the row.",
        "",
    ]
    lines += [
        "| images changed by | behind | accuracy | 95 % interval | images | attacks |",
        "| --- | --- | ---: | --- | ---: | --- |",
    ]
    for row, share in _clean(record):
        cells = ("nothing", record.labels.behind(row), f"{share:.1%}", "", str(int(row["n"])), "")
        lines.append(_line(cells))
    for row in rows:
        attacks = ", ".join(record.labels.attack(name) for name in str(row["attacks"]).split(" + "))
        interval = f"{row['low']:.1%} to {row['high']:.1%}"
        cells = (
            bound_text(row),
            record.labels.behind(row),
            f"{row['accuracy']:.1%}",
            interval,
            str(int(row["n"])),
            attacks,
        )
        lines.append(_line(cells))
    lines += [
        "",
        "Intervals are Wilson's. Attacks search within the bound for each image; a lower"
        " accuracy under other attacks is possible.",
        "",
    ]
    return "\n".join(lines)


def _budgets(record: RunRecord, norm: str | None, eps: float | None) -> list[Row]:
    """Return the worst cases of the budgets that a card shows."""
    rows = record.worst_rows()
    if norm is not None:
        rows = [row for row in rows if norm_text(row["norm"]) == norm_text(norm)]
    if eps is not None:
        rows = [r for r in rows if r["eps"] is not None and abs(r["eps"] - eps) < 1e-9]
    if not rows:
        known = dict.fromkeys(map(bound_text, record.worst_rows()))
        listed = "; ".join(known) or "no predictions"
        raise TableError(f"run {record.directory}: no such budget; it has: {listed}")
    if eps is not None:
        return rows
    chosen: dict[str, float] = {}
    for name in dict.fromkeys(str(row["norm"]) for row in rows):
        own = [r for r in rows if r["norm"] == name and r["eps"] is not None]
        bare = sorted((r for r in own if r["defence"] == "none"), key=lambda row: row["eps"])
        levels = bare or sorted(own, key=lambda row: row["eps"])
        if levels:
            shares = [(row["correct"], row["clean_correct"]) for row in levels]
            chosen[name] = levels[halving_point(shares)[0]]["eps"]
    return [r for r in rows if r["eps"] is None or r["eps"] == chosen[str(r["norm"])]]


def _clean(record: RunRecord) -> list[tuple[Row, float]]:
    """Return a row for each defence, and the accuracy behind it without attack."""
    found: dict[str, tuple[Row, float]] = {}
    for row in as_rows(record.table):
        found.setdefault(_defence(row), (row, float(row["clean_accuracy"])))
    return list(found.values())


def _clean_name(record: RunRecord, row: Row) -> str:
    return f"Accuracy without attack, {record.labels.behind(row)}"


def _defence(row: Row) -> str:
    quality = row["quality"]
    return str(row["defence"]) if quality is None else f"{row['defence']} quality={int(quality)}"


def _dataset_id(name: str) -> str:
    """Return the identifier of a data set without its family and options."""
    bare = name.partition("[")[0]
    family, colon, path = bare.partition(":")
    return path.rstrip("/").rpartition("/")[2] or bare if colon and family else bare


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    return text.translate(_MARKUP)

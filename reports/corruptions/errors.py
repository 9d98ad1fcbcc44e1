"""Errors by kind of corruption, and their mean, from the results of a run.

After Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions
and Perturbations" (ICLR, arXiv:1903.12261), section 4.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from reports.corruptions.alexnet import ALEXNET, NAME
from reports.errors import TableError
from reports.results.atomic import csv_text, replace_text
from reports.results.csv_file import numbers, read_csv, require
from reports.results.predictions import Array
from reports.results.read_write import read_results
from reports.results.rows import Row, grouped
from reports.statistics.intervals import Estimate, mean_bootstrap
from reports.worst_case.evidence import Evidence, params_of, read_evidence

FILE = "corruptions.csv"
FAMILY = "corruption:"
# the kind of the row over all kinds
MEAN = "mean"
# all severities, as the column has them
COMPLETE = "1 2 3 4 5"

# name: meaning; the table in docs/results.md has the same, a test compares the two
COLUMNS: dict[str, str] = {
    "dataset": "data set",
    "network": "network with its parameters",
    "defence": "defence with its parameters, quality left out",
    "quality": "JPEG quality; empty for other defences",
    "samples": "images requested",
    "seed": "seed of the subset and of the corruptions",
    "kind": "kind of corruption; mean: over those of the paper's fifteen that have all severities",
    "severities": "severities that the run has",
    "kinds": "kinds that the row is the mean of",
    "n": "images of each severity",
    "clean_error": "share of wrong images without corruption",
    "error": "share of wrong images, mean over severities, then over kinds",
    "low": "its 95 % limit, lower (BCa bootstrap over images; empty without predictions)",
    "high": "the same, upper",
    "reference": "network that `relative` divides by; alexnet: the errors of the paper",
    "relative": "error by that of the reference, its mean over kinds: 1 is as good as that one",
}
_PLACE = ("dataset", "network", "defence", "quality", "samples", "seed")
_TEXT = ("dataset", "network", "defence", "samples", "kind", "severities", "reference")


def corruption_errors(evidence: Evidence, reference: str = "") -> pd.DataFrame:
    """Return one row per network, data set, defence and kind, and their mean; columns as COLUMNS.

    Threats do not matter: no corruption looks at a network.

    reference: a network of the run, or `alexnet`; "" leaves `relative` empty. A network counts as
        it is behind no defence, on the same data set, images and seed, at the same severities.

    Raises TableError for an unknown reference.
    """
    rows = list(_corrupted(evidence))
    known = tuple(dict.fromkeys(row["network"] for row in rows))
    if reference and rows and reference not in (*known, NAME):
        raise TableError(
            f"reference {reference}: not a network of this run; known: {', '.join((*known, NAME))}"
        )
    by_place = {key: _with_mean(evidence, own) for key, own in grouped(rows, _PLACE)}
    out: list[Row] = []
    for key, listed in by_place.items():
        place = dict(zip(_PLACE, key, strict=True))
        if reference in known:
            bare = {**place, "network": reference, "defence": "none", "quality": None}
            others = by_place.get(tuple(bare.values()), [])
            divisors = {(row["kind"], row["severities"]): row["error"] for row in others}
        else:
            divisors = {(kind, COMPLETE): error for kind, error in ALEXNET.items()}
        if reference:
            listed = _with_ratios(listed, divisors, reference)
        out += [{**place, **row} for row in listed]
    table = pd.DataFrame(out, columns=list(COLUMNS))
    return table.astype({"quality": "Int64"})


def write_corruptions(directory: Path, reference: str = "") -> pd.DataFrame | None:
    """Write `corruptions.csv` into the directory of a run and return it; None without corruptions.

    Reads results, predictions and manifest from the directory. Raises TableError for files that
    cannot be used, and for an unknown reference.
    """
    path = directory / FILE
    if not any(map(kind_of, read_results(directory)["attack"])):
        path.unlink(missing_ok=True)
        if reference:
            raise TableError(f"reference {reference}: run {directory} has no corruptions")
        return None
    table = corruption_errors(read_evidence(directory), reference)
    records = table.to_dict("records")
    replace_text(path, csv_text(COLUMNS, ([_text(r[name]) for name in COLUMNS] for r in records)))
    return table


def read_corruptions(directory: Path) -> pd.DataFrame | None:
    """Read `corruptions.csv` of a run directory; None if there is none.

    Raises TableError for a file with other columns or without numbers.
    """
    path = directory / FILE
    if not path.is_file():
        return None
    table = read_csv(path, "corruptions")
    again = "write it again with bench report"
    require(table, COLUMNS, f"corruptions {path}", again)
    try:
        for name in [name for name in COLUMNS if name not in _TEXT]:
            table[name] = numbers(table[name])
    except (ValueError, TypeError) as error:
        raise TableError(f"corruptions {path}: {error}; {again}") from error
    return table[list(COLUMNS)]


def kind_of(attack: str) -> str:
    """Return the kind of an attack `corruption:KIND[...]`; "" for another attack."""
    name = attack.partition("[")[0]
    return name.removeprefix(FAMILY) if name.startswith(FAMILY) else ""


def severity_of(attack_params: str) -> int:
    """Return the severity from the column `attack_params`; 0 if it has none."""
    severity = params_of(attack_params).get("severity")
    return severity if isinstance(severity, int) else 0


def _corrupted(evidence: Evidence) -> Iterator[Row]:
    """Yield the rows of corruptions with kind and severity, each once whatever the threat."""
    seen = set()
    for row in evidence.rows:
        kind = kind_of(row["attack"])
        about = {"kind": kind, "severity": severity_of(row["attack_params"])}
        at = (*(row[name] for name in _PLACE), *about.values())
        if kind and at not in seen:
            seen.add(at)
            yield {**row, **about}


def _with_mean(evidence: Evidence, group: list[Row]) -> list[Row]:
    """Return a row per kind of one network and defence, and the mean over kinds last."""
    listed, counting, wrong = [], [], []
    for (kind,), unsorted in grouped(group, ["kind"]):
        own = sorted(unsorted, key=lambda row: int(row["severity"]))
        severities = " ".join(str(row["severity"]) for row in own)
        images = _mean_wrong([_wrong(evidence, row) for row in own])
        listed.append(_summed({"kind": kind, "severities": severities}, own, images))
        if _counts(listed[-1]):
            counting += own
            wrong.append(images)
    if wrong:
        mean = _summed({"kind": MEAN, "severities": COMPLETE}, counting, _mean_wrong(wrong))
        listed.append({**mean, "kinds": len(wrong)})
    return listed


def _summed(about: Row, own: list[Row], images: Array | None) -> Row:
    """Return one row of the table from rows of equal weight."""
    error = float(np.mean([1 - row["accuracy"] for row in own]))
    limits = Estimate(error, np.nan, np.nan) if images is None else mean_bootstrap(images)
    clean = float(np.mean([1 - row["clean_accuracy"] for row in own]))
    numbers = {"kinds": 1, "n": int(own[0]["n"]), "clean_error": clean, "error": error}
    limit = {"low": float(limits.low), "high": float(limits.high)}
    return {**about, **numbers, **limit, "reference": "", "relative": np.nan}


def _wrong(evidence: Evidence, row: Row) -> Array | None:
    """Return which images [N] are wrong, by rising index; None without predictions."""
    scored = evidence.scored(row)
    return None if scored is None else (~scored.right).astype(float)


def _mean_wrong(parts: list[Array | None]) -> Array | None:
    """Return the mean by image; None where a part is missing or has other images."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or len({len(part) for part in known}) > 1:
        return None
    return np.asarray(np.mean(known, axis=0))


def _with_ratios(
    listed: list[Row], divisors: Mapping[tuple[str, str], float], reference: str
) -> list[Row]:
    """Return rows with their errors relative to the reference's; None where that is unknown or 0.

    divisors: errors of the reference by kind and severities.
    """
    ratios: dict[str, float | None] = {}
    for row in listed:
        divisor = divisors.get((row["kind"], row["severities"]))
        ratios[row["kind"]] = row["error"] / divisor if divisor else None
    of_mean = [ratios[row["kind"]] for row in listed if _counts(row)]
    defined = [ratio for ratio in of_mean if ratio is not None]
    ratios[MEAN] = float(np.mean(defined)) if defined and len(defined) == len(of_mean) else None
    return [{**row, "reference": reference, "relative": ratios[row["kind"]]} for row in listed]


def _counts(row: Row) -> bool:
    """Return whether the row of a kind is part of the mean."""
    return row["kind"] in ALEXNET and row["severities"] == COMPLETE


def _text(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else str(value)

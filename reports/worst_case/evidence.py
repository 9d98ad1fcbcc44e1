"""What an audit looks at: the rows of a run, what each attack is, what each attacker knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from reports.results.columns import read_results
from reports.results.manifest import read_manifest
from reports.results.predictions import Outcome, Predictions, Scored, read_predictions
from reports.worst_case.order import knows

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Evidence:
    """A run as far as an audit needs it.

    rows: the rows with status ok, missing values as None, with five columns more:
        number: place in this list.
        kind: `control` (looks at nothing), `query` (forward passes alone), `one-step` (one
            gradient an image) or `iterative`.
        targeted: the attack was told a class to reach.
        knows: the attacker attacks what is scored: no defence, or a threat `adaptive...`; never
            one who crafts on another network.
        level: eps to nine digits, so that 0.1 + 0.2 is 0.3.
    predictions: per image, where the run has them.
    manifest: what the run was made of; empty where there is none.
    """

    rows: list[Row]
    predictions: Predictions | None
    manifest: Mapping[str, Any]
    _kept: dict[tuple[int, Outcome], Scored | None] = field(default_factory=dict, repr=False)

    def scored(self, row: Row, outcome: Outcome = "adversarial") -> Scored | None:
        """Which images of a row were right; None without predictions.

        Raises TableError where the predictions are not those of the table.
        """
        at = (row["number"], outcome)
        if at not in self._kept:
            correct = row["correct" if outcome == "adversarial" else "clean_correct"]
            self._kept[at] = (
                self.predictions.scored(row["cell"], outcome, int(row["n"]), int(correct))
                if self.predictions
                else None
            )
        return self._kept[at]

    def about_data(self, dataset: str) -> Mapping[str, Any]:
        """What the manifest says of a data set; empty where it says nothing."""
        found = self.manifest.get("data", {})
        about = found.get(dataset, {}) if isinstance(found, dict) else {}
        return about if isinstance(about, dict) else {}


def gather(
    table: pd.DataFrame,
    predictions: Predictions | None = None,
    manifest: Mapping[str, Any] | None = None,
) -> Evidence:
    """The evidence of a results table (columns as in `reports.results.columns.COLUMNS`)."""
    rows: list[Row] = [
        {str(name): None if pd.isna(value) else value for name, value in record.items()}
        for record in table[table["status"] == "ok"].to_dict("records")
    ]
    params = {text: params_of(text) for text in {row["attack_params"] for row in rows}}
    kinds = {attack: _kind(same, params) for (attack,), same in grouped(rows, ["attack"])}
    for number, row in enumerate(rows):
        row.update(
            number=number,
            kind=kinds[row["attack"]],
            targeted=bool(params[row["attack_params"]].get("targeted")),
            knows=knows(row["threat"], row["defence"]),
            level=None if row["eps"] is None else round(row["eps"], 9),
        )
    return Evidence(rows, predictions, manifest or {})


def read_evidence(directory: Path) -> Evidence:
    """The evidence of a run directory. Raises TableError for files that cannot be used."""
    table, predictions = read_results(directory), read_predictions(directory)
    return gather(table, predictions, read_manifest(directory))


def params_of(text: str) -> dict[str, Any]:
    """The attack's parameters; empty where the column holds no JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def grouped(
    rows: Iterable[Row], columns: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], list[Row]]]:
    """Rows that agree in some columns, in the order in which they first come.

    Plain lists: a frame for each of thousands of small groups takes ten times as long.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in columns), []).append(row)
    yield from groups.items()


def behind(row: Mapping[str, Any]) -> str:
    """A defence as a sentence names it: `no defence`, `JPEG 50`, `quantize`."""
    defence, quality = str(row["defence"]), row["quality"]
    if defence == "none":
        return "no defence"
    name = "JPEG" if defence == "jpeg" else defence.replace("jpeg[", "JPEG[")
    return name if quality is None or pd.isna(quality) else f"{name} {int(quality)}"


def size(row: Mapping[str, Any]) -> str:
    """The budget of a row as a sentence names it: `eps 0.1`, or `no bound`."""
    eps = row["eps"]
    return "no bound" if eps is None or pd.isna(eps) else f"eps {float(eps):.4g}"


def _kind(rows: list[Row], params: Mapping[str, Mapping[str, Any]]) -> str:
    """The kind of an attack from what it cost: no list of names, so that any attack has one."""
    # at eps 0 an attack may be left out altogether
    spent = [row for row in rows if row["eps"] != 0] or rows
    gradients = min(row["gradients"] or 0 for row in spent)
    forwards = max(row["forwards"] or 0 for row in spent)
    steps = [params[row["attack_params"]].get("max_iter") for row in spent]
    if gradients > 0:
        many = any(isinstance(n, int) and n > 1 for n in steps)
        return "iterative" if gradients > 1 or many else "one-step"
    return "query" if forwards > 0 else "control"

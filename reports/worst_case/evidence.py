"""What an audit needs of a run: its rows, the kind of each attack, what each attacker sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from reports.results.certificates import read_certificates
from reports.results.manifest import read_manifest
from reports.results.predictions import Prediction, Predictions, Scored, read_predictions
from reports.results.read_write import read_results
from reports.results.rows import Row, as_rows, grouped
from reports.results.values import parsed
from reports.style.labels import Labels, labels_of

# how an attack is named that scores images of a file
GIVEN = "images:"


@dataclass(frozen=True, eq=False)
class Evidence:
    """A run as far as an audit needs it.

    rows: the rows with status ok, missing values as None, with five columns more:
        number: place in this list.
        kind: `control` (ignores the network), `query` (forward passes alone), `one-step` (one
            gradient per image), `iterative`, or `given` (images that others made).
        targeted: the attack was given a class to reach.
        attacks_scored: the attacker attacks the very thing that is scored: there is no defence,
            or the threat sees it; never if the images were crafted on another network.
        level: eps to nine digits, so that 0.1 + 0.2 is 0.3.
    predictions: per image, where the run has them.
    manifest: what the run was made of; empty where there is none.
    labels: those of the manifest.
    certificates: what was proved, image by image; None where nothing was.
    """

    rows: list[Row]
    predictions: Predictions | None
    manifest: Row
    labels: Labels
    certificates: pd.DataFrame | None = None
    _kept: dict[tuple[int, Prediction], Scored | None] = field(default_factory=dict, repr=False)

    def unattacked(self, row: Row) -> Row:
        """Return a row as it is at eps 0: its images without attack. Its number is negative."""
        clean = {"eps": 0.0, "level": 0.0, "correct": row["clean_correct"]}
        return {**row, **clean, "number": -1 - row["number"]}

    def scored(self, row: Row, prediction: Prediction = "adversarial") -> Scored | None:
        """Return which images of a row were right; None without predictions.

        Of a row of `unattacked` it is always the clean prediction that counts.

        Raises TableError if the predictions are not those of the table.
        """
        if row["number"] < 0:
            prediction = "clean"
        at = (row["number"], prediction)
        if at not in self._kept:
            correct = row["correct" if prediction == "adversarial" else "clean_correct"]
            known, n = self.predictions, int(row["n"])
            scored = known.scored(row["cell"], prediction, n, int(correct)) if known else None
            self._kept[at] = scored
        return self._kept[at]

    def about_data(self, dataset: str) -> Row:
        """Return the manifest's entry of a data set; empty if it has none."""
        data = self.manifest.get("data", {})
        about = data.get(dataset, {}) if isinstance(data, dict) else {}
        return about if isinstance(about, dict) else {}


def gather(
    table: pd.DataFrame,
    predictions: Predictions | None = None,
    manifest: Row | None = None,
    certificates: pd.DataFrame | None = None,
) -> Evidence:
    """Return the evidence of a results table (columns as in `reports.results.columns.COLUMNS`)."""
    rows = as_rows(table[table["status"] == "ok"])
    labels = labels_of(manifest or {})
    params = {text: params_of(text) for text in {row["attack_params"] for row in rows}}
    kinds = {attack: _kind(same, params) for (attack,), same in grouped(rows, ["attack"])}
    for number, row in enumerate(rows):
        row.update(
            number=number,
            kind=kinds[row["attack"]],
            targeted=bool(params[row["attack_params"]].get("targeted")),
            attacks_scored=labels.threats.attacks_scored(row["threat"], row["defence"]),
            level=None if row["eps"] is None else round(row["eps"], 9),
        )
    return Evidence(rows, predictions, manifest or {}, labels, certificates)


def read_evidence(directory: Path) -> Evidence:
    """Return the evidence of a run directory. Raises TableError for files that cannot be used."""
    table, predictions = read_results(directory), read_predictions(directory)
    return gather(table, predictions, read_manifest(directory), read_certificates(directory))


def params_of(text: str) -> Row:
    """Return the attack's parameters; empty if the column holds no JSON object."""
    params = parsed(text)
    return params if isinstance(params, dict) else {}


def _kind(rows: list[Row], params: dict[str, Row]) -> str:
    """Return the kind of an attack from its cost: without a list of names, any attack has one.

    What images of a file cost, and what their attacker knew, a run does not know.
    """
    if rows[0]["attack"].startswith(GIVEN):
        return "given"
    # at eps 0 an attack may be left out altogether
    spent = [row for row in rows if row["eps"] != 0] or rows
    gradients = min(row["gradients"] or 0 for row in spent)
    forwards = max(row["forwards"] or 0 for row in spent)
    steps = [params[row["attack_params"]].get("max_iter") for row in spent]
    if gradients > 0:
        many = any(isinstance(n, (int, float)) and n > 1 for n in steps)
        return "iterative" if gradients > 1 or many else "one-step"
    return "query" if forwards > 0 else "control"

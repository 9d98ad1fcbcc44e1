"""What an evaluation found: its table, the worst case per network and defence, what to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.api.html import as_html
from benchmark.api.notebook import display_html, in_notebook
from benchmark.api.summary import PAGE, Summary, summary_of
from benchmark.api.terminal import print_summary, summary_text
from benchmark.runs.finished.result import Result, Table
from reports.results.manifest import read_manifest
from reports.statistics.intervals import wilson
from reports.style.labels import Labels, read_labels
from reports.worst_case.strongest import ANY, read_worst_case

# columns of `Evaluation.worst`: those of `worst_case.csv` that say what and how much
WORST = (
    *("dataset", "network", "defence", "quality", "norm", "eps", "n", "clean_accuracy"),
    *("accuracy", "low", "high", "attack", "threat", "attacks"),
)


@dataclass(frozen=True, eq=False)
class Evaluation(Table):
    """How robust networks are: what `evaluate` returns. A notebook shows it as a table.

    table: one row per network, attack, threat and defence: the columns of `results.csv`.
    worst: one row per network, defence, norm and eps: the share of images that stay right under the
        strongest attack on each of them (`accuracy`), its Wilson 95 % interval (`low`, `high`), the
        number of images (`n`), the share without attack (`clean_accuracy`), which attack with which
        threat leaves the fewest right by itself (`attack`, `threat`), and all that count
        (`attacks`). An attack without a bound counts in a row without eps.
    findings: the checks for false robustness: the columns of `audit.csv`.
    manifest: what the numbers were made of: versions, hashes, warnings.
    labels: what is shown in the place of names.
    directory: where the files are; None for an evaluation without `out`.
    """

    worst: pd.DataFrame
    findings: pd.DataFrame
    manifest: dict[str, Any]
    labels: Labels
    directory: Path | None = None

    @property
    def page(self) -> Path | None:
        """The page `report.html`; None for an evaluation without `out`."""
        return None if self.directory is None else self.directory / PAGE

    def show(self) -> None:
        """Show the worst cases and the warnings: as HTML in a notebook, else in the terminal."""
        if in_notebook():
            display_html(self._repr_html_(), str(self))
        else:
            print_summary(self._summary())

    def _summary(self) -> Summary:
        return summary_of(
            self.table, self.worst, self.findings, self.manifest, self.labels, self.directory
        )

    def _repr_html_(self) -> str:
        """Return the table as a notebook shows it; every text in it is escaped."""
        return as_html(self._summary())

    def __repr__(self) -> str:
        """Return the table as text."""
        return summary_text(self._summary())


def read_evaluation(result: Result, directory: Path | None) -> Evaluation:
    """Return the evaluation of a finished run; directory: None for one that goes away."""
    found = read_worst_case(result.directory)
    return Evaluation(
        table=result.table,
        worst=pd.DataFrame(columns=list(WORST)) if found is None else _worst(found),
        findings=result.findings,
        manifest=read_manifest(result.directory),
        labels=read_labels(result.directory),
        directory=directory,
    )


def _worst(found: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `worst_case.csv` that count every threat, without those at eps 0."""
    place = ["dataset", "network", "norm", "defence", "quality", "seed"]
    several = found.groupby(place, dropna=False, sort=False)["threat"].transform("nunique") > 1
    rows = found[(~several | (found["threat"] == ANY)) & (found["eps"] != 0)].copy()
    # the file has six digits
    rows["clean_accuracy"] = rows["clean_correct"] / rows["n"]
    rows["accuracy"] = rows["correct"] / rows["n"]
    rows["low"], rows["high"] = wilson(rows["correct"], rows["n"])
    rows = rows.rename(columns={"strongest": "attack", "threat": "_row"})
    rows = rows.rename(columns={"strongest_threat": "threat"})
    return rows[list(WORST)].reset_index(drop=True)

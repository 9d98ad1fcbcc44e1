"""What a run says about its networks, read from its directory, as trackers and cards take it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.errors import TableError
from reports.results.columns import RESULTS
from reports.results.manifest import MANIFEST, read_manifest
from reports.results.norms import norm_text
from reports.results.read_write import read_results
from reports.results.rows import Row, as_rows
from reports.style.labels import Labels, labels_of
from reports.worst_case.strongest import ANY, read_worst_case
from reports.worst_case.strongest import FILE as WORST

FILES = (RESULTS, WORST, MANIFEST, "report.html")
MOST_TEXT = 500
_UNUSUAL = re.compile(r"[^A-Za-z0-9_.:/ -]+")


@dataclass(frozen=True)
class RunRecord:
    """A run directory, read.

    directory: where it is. manifest: of the run; empty where there is none.
    table: the finished rows, columns as `reports.results.columns.COLUMNS`.
    worst: the rows of `worst_case.csv`; None where there is none.
    labels: of the run.
    """

    directory: Path
    manifest: Row
    table: pd.DataFrame
    worst: pd.DataFrame | None
    labels: Labels

    @property
    def name(self) -> str:
        """Return the name of the run: that of its directory."""
        return self.directory.resolve().name

    def artifacts(self) -> list[Path]:
        """Return the files of the run that others read."""
        return [self.directory / name for name in FILES if (self.directory / name).is_file()]

    def parameters(self) -> dict[str, str]:
        """Return what was run, as texts by name."""
        grid = self.manifest.get("grid")
        machine = self.manifest.get("machine")
        seeds = self.manifest.get("seeds")
        found = {
            "art_bench": self.manifest.get("art_bench"),
            "git_revision": self.manifest.get("git_revision"),
            "grid": grid.get("name") if isinstance(grid, dict) else None,
            "device": machine.get("device") if isinstance(machine, dict) else None,
            "seeds": ", ".join(map(str, seeds)) if isinstance(seeds, list) else None,
            "cells": len(self.table),
        }
        for column in ("dataset", "network", "attack", "threat", "defence", "samples"):
            found[column] = ", ".join(map(str, self.table[column].drop_duplicates()))
        return {k: str(v)[:MOST_TEXT] for k, v in found.items() if v not in (None, "")}

    def metrics(self) -> dict[str, float]:
        """Return accuracies by name: of each cell, without attack, and in the worst case.

        `accuracy/DATASET/NETWORK/DEFENCE/ATTACK eps 0.1/THREAT`, `clean_accuracy/...` up to the
        defence, and `worst_accuracy/DATASET/NETWORK/DEFENCE/L-NORM eps 0.1` over all attackers.
        """
        found: dict[str, float] = {}
        for row in as_rows(self.table):
            place = f"{row['dataset']}/{row['network']}/{_defence(row)}"
            found.setdefault(metric_name(f"clean_accuracy/{place}"), float(row["clean_accuracy"]))
            attack = f"{row['attack']}{_eps(row)}"
            name = _free(f"accuracy/{place}/{attack}/{row['threat']}", row, found)
            found[name] = float(row["accuracy"])
        for row in self.worst_rows():
            place = f"{row['dataset']}/{row['network']}/{_defence(row)}"
            name = _free(f"worst_accuracy/{place}/L{row['norm']}{_eps(row)}", row, found)
            found[name] = float(row["accuracy"])
        return found

    def worst_rows(self) -> list[Row]:
        """Return the worst case over all attackers: per place, norm and eps; none at eps 0."""
        rows = [] if self.worst is None else as_rows(self.worst)
        last: dict[tuple[object, ...], Row] = {}
        for row in rows:
            if row["eps"] == 0:
                continue
            keys = ("dataset", "network", "norm", "defence", "quality", "seed", "eps")
            # `any` comes last, if there are several threats
            if row["threat"] == ANY or tuple(row[key] for key in keys) not in last:
                last[tuple(row[key] for key in keys)] = row
        return list(last.values())

    def only(self, network: str | None, dataset: str | None) -> RunRecord:
        """Return the record of one network on one data set.

        Raises TableError where that is not one; it lists what there is.
        """
        record = self
        for column, wanted in (("network", network), ("dataset", dataset)):
            names = list(record.table[column].drop_duplicates())
            known = record.labels.names.get(f"{column}s", {})
            chosen = [n for n in names if wanted is None or wanted in (n, known.get(n))]
            if len(chosen) != 1:
                what = f"no {column} {wanted!r}" if wanted else f"several {column}s"
                raise TableError(
                    f"run {self.directory}: {what}; choose one with --{column}: {', '.join(names)}"
                )
            worst = record.worst
            record = RunRecord(
                record.directory,
                record.manifest,
                record.table[record.table[column] == chosen[0]],
                None if worst is None else worst[worst[column] == chosen[0]],
                record.labels,
            )
        return record


def read_record(directory: Path) -> RunRecord:
    """Read a run directory. Raises TableError for one without finished rows."""
    if not directory.is_dir():
        raise TableError(f"run {directory}: no such directory; name one that bench run wrote")
    manifest, table = read_manifest(directory), read_results(directory)
    done = table[table["status"] == "ok"]
    if done.empty:
        raise TableError(f"run {directory}: no row has the status ok; see {RESULTS}")
    return RunRecord(directory, manifest, done, read_worst_case(directory), labels_of(manifest))


def metric_name(text: str) -> str:
    """Return a name that every tracker takes: letters, digits and `_ . : / -`, at most 250."""
    plain = text.replace("[", " ").replace("]", "").replace("=", " ").replace(",", " ")
    return _UNUSUAL.sub("_", plain).strip()[:250]


def bound_text(row: Mapping[str, object]) -> str:
    """Return norm and eps of a row for people: `Linf, eps 8/255`."""
    named = norm_text(row["norm"])
    norm = f"L{named}" if named[:1].isdigit() or named == "inf" else named
    return f"{norm}, any size" if row["eps"] is None else f"{norm}, eps {eps_text(row['eps'])}"


def eps_text(eps: Any) -> str:
    """Return an eps as papers write it: 0.1, or 8/255 where a decimal would be long."""
    short, levels = f"{eps:g}", eps * 255
    whole = round(levels)
    return f"{whole}/255" if len(short) > 4 and abs(levels - whole) < 1e-6 else short


def _defence(row: Row) -> str:
    quality = row["quality"]
    return str(row["defence"]) if quality is None else f"{row['defence']} quality={int(quality)}"


def _eps(row: Row) -> str:
    return "" if row["eps"] is None else f" eps {row['eps']:g}"


def _free(text: str, row: Row, taken: Mapping[str, float]) -> str:
    """Return a metric's name; with seed and samples where another cell has it already."""
    name = metric_name(text)
    if name in taken:
        more = [f"{key}={row[key]}" for key in ("seed", "samples") if row.get(key) is not None]
        name = metric_name(f"{name} {' '.join(more)}")
    return name

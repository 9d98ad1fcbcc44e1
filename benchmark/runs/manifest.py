"""The manifest: where the numbers of a run come from."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.execution.environment import git_revision, machine, package_versions
from benchmark.execution.executor import ExecutionReport
from benchmark.grids.cell import Cell
from benchmark.grids.model import Grid
from benchmark.runs.inputs import RunInputs
from benchmark.runs.network_outputs import output_facts
from benchmark.version import __version__
from estimators.data.samples import ALL, shown_samples
from reports.results.columns import SCHEMA
from reports.style.labels import labels_of
from reports.style.subtitle import subtitle


def manifest(
    grid: Grid,
    cells: list[Cell],
    inputs: RunInputs,
    report: ExecutionReport,
    table: pd.DataFrame,
    labels: Mapping[str, Any],
) -> dict[str, Any]:
    """Return grid, versions, machine and hashes of a run, ready for JSON.

    table: its rows. labels: of `grid_labels`.
    """
    return {
        "schema": SCHEMA,
        "art_bench": __version__,
        "git_revision": git_revision(),
        "grid": grid.model_dump(exclude_none=True),
        "cells": len(cells),
        "seeds": sorted({cell.seed for cell in cells}),
        **_sources(inputs),
        "data": _data(cells, inputs, table),
        "title": grid.title,
        "subtitle": subtitle(table, labels_of(labels)),
        **labels,
        "skipped": inputs.missing,
        "versions": {"python": platform.python_version(), **package_versions()},
        "machine": {**machine(report.device, report.threads), "workers": report.processors},
    }


def _sources(inputs: RunInputs) -> dict[str, Any]:
    """Return hashes and origin of weights and code, and facts about the networks."""
    networks = {f"{dataset}/{name}": (dataset, name) for dataset, name in inputs.networks}
    return {
        "code": dict(sorted(inputs.code.items())),
        "outputs": {
            name: output_facts(
                inputs.networks[key].network, inputs.images[key[0]], inputs.chunks[key]
            )
            for name, key in networks.items()
        },
        "chunks": {name: inputs.chunks[key] for name, key in networks.items()},
        "wrapping": {
            f"{dataset}/{network}": texts for (dataset, network), texts in inputs.warnings.items()
        },
        # networks whose gradient is not that of their outputs
        "misleading": [f"{dataset}/{network}" for dataset, network in inputs.misleading],
        # networks that were attacked by the margin of their outputs, too
        "squashed": {
            f"{data}/{network}": text for (data, network), text in inputs.squashed.items()
        },
        "weights": {
            name: {
                "sha256": inputs.networks[key].sha256,
                "seed": inputs.networks[key].metadata["seed"],
                "recipe": inputs.networks[key].metadata["recipe"],
                "test_accuracy": inputs.networks[key].metadata["test_accuracy"],
                "file": inputs.networks[key].path.name,
            }
            for name, key in networks.items()
        },
    }


def _data(cells: list[Cell], inputs: RunInputs, table: pd.DataFrame) -> dict[str, Any]:
    """Return hashes and facts of the data sets.

    Images on disk have a `fingerprint` in place of `sha256`, the hashes of the images scored by the
    cells, and the images that could not be read, by index. `asked` has the number of images of each
    choice that is no number.
    """
    about = {}
    choices = dict.fromkeys((c.dataset, c.samples, c.seed) for c in cells)
    for name, images in inputs.images.items():
        entry: dict[str, Any] = {
            "images": len(images),
            "shape": list(images.shape),
            "classes": len(images.classes),
            "class_names": list(images.classes),
        }
        asked = {
            shown_samples(choice[1]): inputs.count(*choice)
            for choice in choices
            if choice[0] == name and isinstance(choice[1], str) and choice[1] != ALL
        }
        if asked:
            entry["asked"] = asked
        if images.notes:
            entry["notes"] = list(images.notes)
        if inputs.names.get(name, name) != name:
            entry["read_as"] = inputs.names[name]
        if images.streamed:
            scored = table.loc[table["dataset"] == name, "data_sha256"]
            entry["fingerprint"] = images.fingerprint
            entry["scored_sha256"] = sorted(set(scored) - {""})
            entry["unreadable"] = {str(i): text for i, text in images.unreadable().items()}
        else:
            entry["sha256"] = images.sha256
        about[name] = entry
    return about

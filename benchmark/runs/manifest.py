"""The manifest: where the numbers of a run come from."""

from __future__ import annotations

import platform
from typing import Any

import pandas as pd

from benchmark.execution.environment import git_revision, machine, package_versions
from benchmark.execution.executor import ExecutionReport
from benchmark.grids.cell import Cell
from benchmark.grids.model import Grid
from benchmark.runs.inputs import RunInputs
from benchmark.runs.labels import labels_and_threats
from benchmark.runs.network_outputs import output_facts
from benchmark.threats import threat
from benchmark.version import __version__
from estimators.data.samples import ALL, shown_samples
from estimators.spec import Spec
from reports.results.columns import SCHEMA


def manifest(
    grid: Grid, cells: list[Cell], inputs: RunInputs, report: ExecutionReport, table: pd.DataFrame
) -> dict[str, Any]:
    """Return grid, versions, machine and hashes of a run, ready for JSON.

    table: its rows.
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
        **labels_and_threats(_used(cells)),
        "skipped": inputs.missing,
        "versions": {"python": platform.python_version(), **package_versions()},
        "machine": {**machine(report.device, report.threads), "workers": report.processors},
    }


def _used(cells: list[Cell]) -> dict[str, set[Spec]]:
    """Return what the cells name, by key of a grid file."""
    sources = {threat(text).source for text in {cell.threat for cell in cells}}
    return {
        "datasets": {Spec(cell.dataset) for cell in cells},
        "networks": {cell.network for cell in cells} | {s for s in sources if s is not None},
        "attacks": {cell.attack for cell in cells},
        "defences": {cell.defence for cell in cells},
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

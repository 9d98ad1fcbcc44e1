"""The adversarial images of a run, one archive per attack and attacker: `adversarial/*.npz`."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.attacks.lookup import all_params, attack_norm
from benchmark.execution.environment import package_versions
from benchmark.execution.executor import ChunkOutcomes
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Task, attacker_view
from benchmark.execution.plugin_code import plugin_code
from benchmark.grids.cell import Cell
from benchmark.runs.inputs import RunInputs
from benchmark.version import __version__
from estimators.atomic import PREFIX
from estimators.atomic import replace as replace_file
from estimators.data.archive import member, members
from estimators.data.archive_writer import Blocks, write_archive
from estimators.data.images import as_floats
from estimators.data.samples import shown_samples
from estimators.errors import InputError
from reports.results.atomic import csv_text, replace_text
from reports.results.columns import SCHEMA
from reports.results.manifest import sha256_of
from reports.style.file_names import safe_text

FOLDER, INDEX = "adversarial", "index.csv"
# of `index.csv`; a test compares the table in docs/results.md with this
COLUMNS: dict[str, str] = {
    "file": "name of the archive in this folder",
    "dataset": "data set of the images",
    "network": "network that the images were crafted on",
    "attack": "attack with its parameters, eps left out",
    "eps": "bound of the perturbation; empty without one",
    "norm": "norm of the bound, or the one that the attack minimises",
    "threats": "threats of the run that the images stand for",
    "sees": "defence that the attacker saw; none for one who saw the bare network",
    "samples": "images requested",
    "seed": "seed of subset and attack",
    "images": "images in the archive",
    "dtype": "uint8 where all pixels are grey levels, else float32",
    "sha256": "of the archive",
    "cells": "cells of `results.csv` that were scored on them",
}


@dataclass
class AdversarialFiles:
    """The archives of the adversarial images of a run, written as its tasks end.

    directory: of the run. inputs: its images and networks. names: the archive of each cell.
    cells: those of each archive; cells that share their images share it.
    """

    directory: Path
    inputs: RunInputs
    names: Mapping[Cell, str]
    cells: Mapping[str, Sequence[Cell]]
    # the labels and ids of each chunk that waits on disk, by archive and chunk
    _waiting: dict[str, dict[int, Outcome]] = field(default_factory=dict)

    @classmethod
    def of(cls, cells: Iterable[Cell], inputs: RunInputs, directory: Path) -> AdversarialFiles:
        """Return the archives of cells whose data are there."""
        names = {cell: _name(cell, inputs) for cell in cells}
        shared: dict[str, list[Cell]] = {}
        for cell, name in names.items():
            shared.setdefault(name, []).append(cell)
        return cls(directory, inputs, names, shared)

    def missing(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return one cell for each archive that is not there."""
        first: dict[str, Cell] = {}
        for cell in cells:
            first.setdefault(self.names[cell], cell)
        return [cell for name, cell in first.items() if not self._path(name).is_file()]

    def take(self, task: Task, chunk: int, outcomes: ChunkOutcomes) -> ChunkOutcomes:
        """Write the images of a chunk to a temporary file; return the outcomes without them."""
        found = {cell: one for cell, one in outcomes.items() if isinstance(one, Outcome)}
        with _written(self.directory):
            for cell in self._firsts(task):
                outcome = found.get(cell)
                if outcome is not None:
                    assert outcome.images is not None  # the task keeps them
                    np.save(self._part(self.names[cell], chunk), outcome.images)
                    shorter = replace(outcome, images=None)
                    self._waiting.setdefault(self.names[cell], {})[chunk] = shorter
        return {cell: replace(outcome, images=None) for cell, outcome in found.items()}

    def finish(self, task: Task) -> None:
        """Join the chunks of a task to its archives."""
        for cell in self._firsts(task):
            name = self.names[cell]
            with _written(self.directory):
                self._join(name, self._about(self.cells[name]))
        self.drop(task)

    def drop(self, task: Task) -> None:
        """Remove the temporary files of a task that is finished, or failed."""
        for cell in self._firsts(task):
            for chunk in self._waiting.pop(self.names[cell], {}):
                self._part(self.names[cell], chunk).unlink(missing_ok=True)

    def write_index(self, keys: Mapping[Cell, str]) -> None:
        """Write `index.csv`: one row per archive that is there; without archives no file.

        keys: of the cells.
        """
        there = [name for name in self.cells if self._path(name).is_file()]
        if there:
            rows = (self._row(name, self.cells[name], keys) for name in there)
            replace_text(self.directory / FOLDER / INDEX, csv_text(COLUMNS, rows))

    def _firsts(self, task: Task) -> Iterator[Cell]:
        """Yield the first cell of each attack of a task: the others have the same images."""
        for attack in task.attacks:
            yield next(cell for cell in task.cells if cell.attack == attack)

    def _join(self, name: str, about: Mapping[str, object]) -> None:
        chunks = sorted(self._waiting.get(name, {}).items())
        if not chunks:
            return
        parts = [self._part(name, chunk) for chunk, _ in chunks]
        headers = [np.load(part, mmap_mode="r") for part in parts]
        grey = all(header.dtype == np.uint8 for header in headers)
        shape = (sum(len(header) for header in headers), *headers[0].shape[1:])
        dtype = np.dtype(np.uint8 if grey else np.float32)
        del headers  # Windows removes no file that is mapped
        blocks = (part if grey else as_floats(part) for part in map(np.load, parts))
        arrays: dict[str, npt.NDArray[Any] | Blocks] = {"x": Blocks(shape, dtype, blocks)}
        for key, column in (("ids", "ids"), ("y", "label")):
            arrays[key] = np.concatenate([getattr(own, column) for _, own in chunks])
        arrays["about"] = np.array(json.dumps(about, sort_keys=True))
        replace_file(self._path(name), lambda path: write_archive(path, arrays))

    def _about(self, cells: Sequence[Cell]) -> dict[str, object]:
        """Return where images come from, for the archive itself."""
        first = cells[0]
        view, data = attacker_view(first), self.inputs.images[first.dataset]
        about: dict[str, object] = {**_described(cells), "backward": view.backward}
        about |= {"attack_params": json.loads(all_params(first.attack)), "draws": view.draws}
        about |= {"data_sha256": data.fingerprint, "classes": len(data.classes)}
        about["weights_sha256"] = self.inputs.networks[first.dataset, view.network].sha256
        versions = {"art-bench": __version__, "python": platform.python_version()}
        return {**about, "versions": {**versions, **package_versions()}}

    def _row(
        self, name: str, cells: Sequence[Cell], keys: Mapping[Cell, str]
    ) -> tuple[object, ...]:
        path = self._path(name)
        x = member(path, "x", members(path)["x"])
        values: dict[str, object] = {**_described(cells), "file": name, "sha256": sha256_of(path)}
        values |= {"images": x.shape[0], "dtype": x.dtype.name}
        values |= {"cells": " ".join(keys[cell] for cell in cells)}
        values["threats"] = " ".join(dict.fromkeys(cell.threat for cell in cells))
        return tuple("" if values[column] is None else values[column] for column in COLUMNS)

    def _path(self, name: str) -> Path:
        return self.directory / FOLDER / name

    def _part(self, name: str, chunk: int) -> Path:
        return self.directory / f"{PREFIX}{Path(name).stem}-{chunk}.npy"


def _name(cell: Cell, inputs: RunInputs) -> str:
    """Return the name of the archive of a cell: equal where the images are the same."""
    view = attacker_view(cell)
    crafted_on = replace(cell, network=view.network, defence=view.sees)
    decisive: list[object] = [SCHEMA, cell.dataset, shown_samples(cell.samples), cell.seed]
    decisive += [spec.canonical() for spec in (view.network, view.sees, cell.attack)]
    decisive += [view.backward, view.draws, inputs.images[cell.dataset].fingerprint]
    decisive += [inputs.networks[cell.dataset, view.network].sha256, plugin_code(crafted_on)]
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]
    sees = "" if view.sees.name == "none" else f"-{view.sees}-{view.backward}"
    told = f"{cell.dataset}-{view.network}-{cell.attack}{sees}"
    # an equals sign would read as a parameter in `--attack images:FILE`
    return f"{safe_text(told).replace('=', '')}-{digest}.npz"


def _described(cells: Sequence[Cell]) -> dict[str, object]:
    """Return what archive and index say of images that these cells share."""
    first = cells[0]
    view = attacker_view(first)
    about: dict[str, object] = {"dataset": first.dataset, "network": str(view.network)}
    about |= {"attack": str(first.attack.without("eps")), "eps": first.eps}
    about |= {"norm": attack_norm(first.attack), "sees": str(view.sees)}
    about["threats"] = list(dict.fromkeys(cell.threat for cell in cells))
    return {**about, "samples": shown_samples(first.samples), "seed": first.seed}


@contextmanager
def _written(directory: Path) -> Iterator[None]:
    """Turn an error of the disk into one line that says what to do."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"adversarial images in {directory}: cannot be written ({error.strerror or error});"
            " free some space; the same command continues"
        ) from error

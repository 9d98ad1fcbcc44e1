"""Planning and export of many made-up finished cells: what grows with the cells alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from benchmark.execution.executor import ExecutionReport
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import plan
from benchmark.grids.cell import Cell
from benchmark.grids.identity import identity
from benchmark.grids.model import Grid, load_grid
from benchmark.runs.export import export, file_hashes, write_json
from benchmark.runs.inputs import RunInputs
from benchmark.runs.labels import grid_labels
from benchmark.runs.manifest import manifest
from benchmark.runs.rows import ok
from benchmark.runs.store import Store, Stored
from estimators.data.images import Images
from estimators.networks.build import build_network
from estimators.networks.given import Trained
from estimators.spec import Spec
from reports.audit.audit import write_audit
from reports.results.columns import frame
from reports.results.manifest import MANIFEST

# data sets, networks, eps and qualities by cells; the other factors are five attacks, two threats
SIZES = {100: (1, 1, 2, 5), 1_000: (1, 2, 5, 10), 10_000: (2, 2, 10, 25), 100_000: (2, 2, 25, 100)}
DATASETS = ("mnist", "digits")
NETWORKS = ("lenet", "resnet")
ATTACKS = ("fgsm", "pgd", "bim", "apgd", "noise")
IMAGES = 100
# how the names of stages end that stand for the computation
MADE_UP = "(made-up)"


def stages(count: int) -> Iterator[tuple[str, float]]:
    """Yield each stage of planning and export, with its seconds of processor time.

    count: cells, a key of SIZES. The stages whose names end with MADE_UP stand for the computation.
    """
    clock = time.process_time()

    def spent() -> float:
        nonlocal clock
        before, clock = clock, time.process_time()
        return clock - before

    grid = load_grid(_grid(count))
    cells, labels = grid.cells(), grid_labels(grid)
    yield "grid to cells", spent()
    inputs = _inputs()
    yield f"inputs {MADE_UP}", spent()
    keys = {cell: inputs.key(cell) for cell in cells}
    yield "keys", spent()
    plan(cells)
    yield "plan", spent()
    with tempfile.TemporaryDirectory(prefix="art-bench-") as name:
        directory = Path(name)
        _fill(directory, cells, keys, inputs)
        yield f"rows and store {MADE_UP}", spent()
        store = Store(directory)
        store.keys()
        yield "opening the store", spent()
        table = _table(store, cells, keys)
        yield "table", spent()
        export(table, store, [keys[cell] for cell in cells], directory)
        store.close()
        yield "results.csv, timings.csv, predictions.parquet", spent()
        _write_manifest(directory, grid, cells, inputs, table, labels)
        yield "manifest.json", spent()
        write_audit(directory)
        yield "audit.csv, worst_case.csv", spent()


def _grid(count: int) -> dict[str, object]:
    datasets, networks, eps, qualities = SIZES[count]
    sizes = [round(0.3 * (n + 1) / eps, 6) for n in range(eps)]
    return {
        "name": "made-up",
        "datasets": list(DATASETS[:datasets]),
        "networks": list(NETWORKS[:networks]),
        "attacks": [{"name": name, "eps": sizes} for name in ATTACKS],
        "defences": [{"name": "jpeg", "quality": [100 - n for n in range(qualities)]}],
        "samples": IMAGES,
    }


def _inputs() -> RunInputs:
    """Return made-up images, and one network under all names."""
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, 28, 28), np.uint8)
    images = Images(pixels, np.arange(IMAGES) % 10, np.arange(IMAGES))
    torch.manual_seed(0)
    about = {"seed": 0, "recipe": "", "test_accuracy": None}
    network = build_network(Spec("lenet"), images.shape, 10).eval()
    trained = Trained(network, about, "0" * 64, Path("made-up.pt"), reused=True)
    pairs = [(dataset, Spec(name)) for dataset in DATASETS for name in NETWORKS]
    inputs = RunInputs(
        images=dict.fromkeys(DATASETS, images), networks=dict.fromkeys(pairs, trained)
    )
    inputs.chunks = dict.fromkeys(pairs, IMAGES)
    return inputs


def _fill(directory: Path, cells: list[Cell], keys: dict[Cell, str], inputs: RunInputs) -> None:
    """Put a finished cell for each into a store: the larger eps, the fewer images are right.

    Cells that differ in data set, network or quality alone have the same numbers, which saves the
    time of computing them.
    """
    random = np.random.default_rng(0)
    label = np.arange(IMAGES) % 10
    numbers: dict[tuple[Spec, str], Stored] = {}

    def stored(cell: Cell) -> Stored:
        of = cell.attack, cell.threat
        if of not in numbers:
            outcome = _outcome(random, label, cell.eps or 0.0)
            numbers[of] = ok(cell, keys[cell], inputs, outcome, 0.01)
        own = {**numbers[of].row, **identity(cell), "cell": keys[cell]}
        return replace(numbers[of], key=keys[cell], row=own)

    store = Store(directory)
    store.put(map(stored, cells))
    store.close()


def _outcome(random: np.random.Generator, label: npt.NDArray[np.int64], eps: float) -> Outcome:
    n = len(label)
    clean = np.where(random.random(n) < 0.95, label, (label + 1) % 10).astype(np.int16)
    adversarial = np.where(random.random(n) < 3 * eps, (clean + 1) % 10, clean).astype(np.int16)
    size, none, passes = np.full(n, eps, np.float32), np.zeros(n, np.bool_), np.ones(n)
    return Outcome(
        np.arange(n), label, label, clean, adversarial, size, size, none, none, none, passes,
        passes, size, size,
    )  # fmt: skip


def _table(store: Store, cells: list[Cell], keys: dict[Cell, str]) -> pd.DataFrame:
    rows = store.rows()
    return frame(rows[keys[cell]] for cell in cells)


def _write_manifest(
    directory: Path,
    grid: Grid,
    cells: list[Cell],
    inputs: RunInputs,
    table: pd.DataFrame,
    labels: dict[str, object],
) -> None:
    report = ExecutionReport("cpu", 1)
    content = manifest(grid, cells, inputs, report, table, labels)
    write_json(directory / MANIFEST, {**content, "files": file_hashes(directory)})

"""Planning and export of many made-up finished cells: what grows with the cells alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmark.execution.executor import ExecutionReport
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import plan
from benchmark.grids.cell import Cell
from benchmark.grids.model import Grid, load_grid
from benchmark.runs.export import export, file_hashes, write_json
from benchmark.runs.inputs import RunInputs
from benchmark.runs.labels import grid_labels
from benchmark.runs.manifest import manifest
from benchmark.runs.rows import ok
from benchmark.runs.store import Store
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


def stages(count: int) -> Iterator[tuple[str, float]]:
    """Yield each stage of planning and export, with its seconds of processor time.

    count: cells, a key of SIZES. The stages named `(made-up)` stand for the computation, which is
    left out.
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
    yield "inputs (made-up)", spent()
    keys = {cell: inputs.key(cell) for cell in cells}
    yield "keys", spent()
    plan(cells)
    yield "plan", spent()
    with tempfile.TemporaryDirectory(prefix="art-bench-") as name:
        directory = Path(name)
        _fill(directory, cells, keys, inputs)
        yield "rows and store (made-up)", spent()
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
    """Put an outcome for each cell into a store: the larger eps, the fewer images are right."""
    random = np.random.default_rng(0)
    label = np.arange(IMAGES) % 10
    store = Store(directory)
    stored = (
        ok(cell, keys[cell], inputs, _outcome(random, label, cell.eps or 0.0), 0.01)
        for cell in cells
    )
    store.put(stored)
    store.close()


def _outcome(random: np.random.Generator, label: np.ndarray, eps: float) -> Outcome:
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

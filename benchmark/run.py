"""A grid from its cells to the files of a run directory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmark.cell import Cell
from benchmark.engine import Failure, chosen_device, default_threads, execute
from benchmark.evaluate import Outcome, identity, row_of
from benchmark.grid import Grid, grid_hash
from benchmark.manifest import manifest
from benchmark.plan import Task, plan
from benchmark.store import Store, Stored
from estimators.checkpoints import Trained, trained_network
from estimators.classifier import check_fit
from estimators.datasets import Images, load_images, subset
from estimators.defences import build_defence
from estimators.errors import DataUnavailable, InputError
from estimators.networks import build_network
from estimators.spec import Spec
from reports.plots import draw_all
from reports.tables import frame, write_results

RUNS = Path("reports") / "runs"


@dataclass
class Progress:
    """What a run tells while it runs; each hook may be replaced, by default nothing is shown."""

    message: Callable[[str], None] = lambda text: None
    started: Callable[[int, int, float], None] = lambda cells, reused, work: None
    advanced: Callable[[Task, float, int], None] = lambda task, work, cells: None
    epoch: Callable[[dict[str, float]], None] = lambda row: None


@dataclass(frozen=True)
class Result:
    """A finished run.

    table: one row a cell, the columns of `results.csv`.
    directory: where everything is.
    reused: cells that were stored already.
    """

    table: pd.DataFrame
    directory: Path
    reused: int

    @property
    def skipped(self) -> pd.DataFrame:
        """The rows whose data were not to be had."""
        return self.table[self.table["status"] == "skipped"]

    @property
    def failed(self) -> pd.DataFrame:
        """The rows that raised."""
        return self.table[self.table["status"] == "failed"]


@dataclass
class _Material:
    """What the cells need: test images by data set, networks, and what is not to be had."""

    images: dict[str, Images] = field(default_factory=dict)
    networks: dict[tuple[str, Spec], Trained] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def run_grid(
    grid: Grid,
    data_dir: Path | str | None = None,
    out: Path | str | None = None,
    device: str = "auto",
    threads: int | None = None,
    retry_failed: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Run a grid and give its table: one row a cell, the columns of `results.csv`."""
    folder = None if data_dir is None else Path(data_dir)
    where = None if out is None else Path(out)
    return run(grid, folder, where, device, threads, retry_failed, progress).table


def run(
    grid: Grid,
    data_dir: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    retry_failed: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Run a grid into its directory; what is stored there already is not computed again.

    Raises InputError before anything is written, where the grid asks for what cannot be.
    """
    progress = progress or Progress()
    device = chosen_device(device)
    threads = default_threads(device) if threads is None else threads
    if threads < 1:
        raise InputError(f"threads: must be at least 1, found {threads}")
    cells = grid.cells()
    material = _gather(cells, data_dir, device, progress)
    directory = out if out is not None else RUNS / f"{grid.name}-{grid_hash(cells)}"
    keys = {cell: _key(cell, material) for cell in cells}
    store = _open(directory)
    try:
        stored = store.keys(failed=not retry_failed)
        todo = [c for c in cells if keys[c] not in stored and c.dataset not in material.missing]
        skipped = [c for c in cells if c.dataset in material.missing]
        reused = len(cells) - len(todo) - len(skipped)
        _compute(todo, keys, material, store, directory, device, threads, reused, progress)
        gone = [_skipped_row(c, keys[c], material.missing[c.dataset]) for c in skipped]
        found = {s.key: s for s in (store.get(keys[c]) for c in cells if c not in set(skipped))}
    finally:
        store.close()
    rows = {**{s.key: s.row for s in gone}, **{k: s.row for k, s in found.items()}}
    table = frame(rows[keys[cell]] for cell in cells)
    _export(table, found, directory)
    progress.message("drawing plots")
    draw_all(table, directory / "plots")
    _write_json(
        directory / "manifest.json",
        manifest(grid, cells, _sources(material), material.missing, device, threads),
    )
    return Result(table, directory, reused)


def _gather(cells: list[Cell], data_dir: Path | None, device: str, progress: Progress) -> _Material:
    """Load data, check everything that can be checked beforehand, then load or train networks."""
    material = _Material()
    for name in dict.fromkeys(cell.dataset for cell in cells):
        try:
            material.images[name] = load_images(name, "test", data_dir)
        except DataUnavailable as error:
            material.missing[name] = str(error)
            progress.message(f"skipped: {error}")
    for defence in dict.fromkeys(cell.defence for cell in cells):
        build_defence(defence)
    for cell in cells:
        images = material.images.get(cell.dataset)
        if images is not None and cell.samples != "all" and not 1 <= cell.samples <= len(images):
            raise InputError(
                f"samples: {cell.samples} asked for, but the test split of {cell.dataset}"
                f" has {len(images)} images"
            )
    wanted = dict.fromkeys((cell.dataset, cell.network) for cell in cells)
    present = [w for w in wanted if w[0] in material.images]
    for dataset, network in present:
        images = material.images[dataset]
        build_network(network, images.shape, len(images.classes))
    for dataset, network in present:
        trained = trained_network(dataset, network, data_dir, device, on_epoch=progress.epoch)
        images = material.images[dataset]
        check_fit(trained.network, images.shape, len(images.classes), str(network))
        if not trained.reused:
            progress.message(f"trained {network} on {dataset}, kept at {trained.path}")
        material.networks[dataset, network] = trained
    return material


def _open(directory: Path) -> Store:
    try:
        return Store(directory)
    except OSError as error:
        raise InputError(
            f"output directory {directory}: cannot be written ({error.strerror});"
            " name another with --out"
        ) from error


def _key(cell: Cell, material: _Material) -> str:
    if cell.dataset in material.missing:
        return cell.key("", "")
    trained = material.networks[cell.dataset, cell.network]
    return cell.key(material.images[cell.dataset].sha256, trained.sha256)


def _compute(
    todo: list[Cell],
    keys: dict[Cell, str],
    material: _Material,
    store: Store,
    directory: Path,
    device: str,
    threads: int,
    reused: int,
    progress: Progress,
) -> None:
    tasks = plan(todo)
    subsets: dict[tuple[Any, ...], Images] = {}

    def images_of(task: Task) -> Images:
        at = (task.dataset, task.samples, task.seed)
        if at not in subsets:
            subsets[at] = subset(material.images[task.dataset], task.samples, task.seed)
        return subsets[at]

    forward = {
        at: _forward_seconds(trained.network, material.images[at[0]])
        for at, trained in material.networks.items()
    }

    def work(task: Task) -> float:
        """Rough cost in forward passes, for the time left: 3 a gradient, 1 a cell."""
        size = len(images_of(task))
        crafting = 3 * _iterations(task) if task.attacks else 0
        cost = forward[task.dataset, task.network]
        return size * (crafting + len(task.cells)) * cost

    costs = {id(task): work(task) for task in tasks}
    progress.started(len(todo), reused, sum(costs.values()))

    def on_chunk(task: Task, chunks: int) -> None:
        progress.advanced(task, costs[id(task)] / chunks, 0)

    def on_task(task: Task, found: dict[Cell, Outcome] | Failure, seconds: float) -> None:
        share = seconds / len(task.cells)
        if isinstance(found, Failure):
            with (directory / "failures.log").open("a", encoding="utf-8") as log:
                log.write(f"{task.cells[0]}\n{found.trace}\n")
            rows = [_failed(c, keys[c], material, found.message, share) for c in task.cells]
            progress.message(f"failed: {task.cells[0]}: {found.message}")
        else:
            rows = [_ok(c, keys[c], material, found[c], share) for c in task.cells]
        store.put(rows)
        progress.advanced(task, 0.0, len(task.cells))

    models = {
        (dataset, network): (
            trained.network,
            material.images[dataset].shape,
            len(material.images[dataset].classes),
        )
        for (dataset, network), trained in material.networks.items()
    }
    execute(tasks, images_of, models, on_chunk, on_task, threads, device)


def _iterations(task: Task) -> int:
    kwargs = task.attacks[0].kwargs
    steps = int(str(kwargs.get("max_iter", 40 if task.attacks[0].name == "pgd" else 1)))
    return 500 if task.attacks[0].name.startswith("cw") else steps


def _forward_seconds(network: Any, images: Images) -> float:
    """Seconds of a forward pass of 25 images: how networks compare, for the time left."""
    x = torch.from_numpy(images.x[:25])
    with torch.inference_mode():
        network(x)
        start = time.perf_counter()
        network(x)
    return time.perf_counter() - start


def _base(cell: Cell, key: str, material: _Material) -> dict[str, Any]:
    trained = material.networks[cell.dataset, cell.network]
    return {
        **identity(cell),
        "cell": key,
        "data_sha256": material.images[cell.dataset].sha256[:16],
        "weights_sha256": trained.sha256[:16],
    }


def _ok(cell: Cell, key: str, material: _Material, outcome: Outcome, seconds: float) -> Stored:
    row = {**_base(cell, key, material), "status": "ok", "reason": "", **row_of(cell, outcome)}
    predictions = pd.DataFrame(
        {
            "id": outcome.ids,
            "label": outcome.label,
            "clean": outcome.clean,
            "adversarial": outcome.adversarial,
        }
    )
    return Stored(key, row, seconds, predictions)


def _failed(cell: Cell, key: str, material: _Material, message: str, seconds: float) -> Stored:
    row = {**_base(cell, key, material), "status": "failed", "reason": message}
    return Stored(key, row, seconds, None)


def _skipped_row(cell: Cell, key: str, reason: str) -> Stored:
    row = {**identity(cell), "cell": key, "status": "skipped", "reason": reason}
    return Stored(key, row, 0.0, None)


def _export(table: pd.DataFrame, found: dict[str, Stored], directory: Path) -> None:
    """The files that others read: each is replaced whole."""
    _replace(directory / "results.csv", lambda path: write_results(table, path))
    timings = pd.DataFrame(
        [(key, f"{s.seconds:.4f}") for key, s in found.items()], columns=["cell", "seconds"]
    )
    _replace(directory / "timings.csv", lambda path: timings.to_csv(path, index=False))
    parts = [
        s.predictions.assign(cell=key) for key, s in found.items() if s.predictions is not None
    ]
    if parts:
        predictions = pd.concat(parts, ignore_index=True)[
            ["cell", "id", "label", "clean", "adversarial"]
        ]
        predictions["cell"] = predictions["cell"].astype("category")
        _replace(
            directory / "predictions.parquet",
            lambda path: predictions.to_parquet(path, index=False, compression="zstd"),
        )
    else:
        (directory / "predictions.parquet").unlink(missing_ok=True)


def _sources(material: _Material) -> dict[str, Any]:
    return {
        "data": {
            name: {"sha256": images.sha256, "images": len(images), "shape": list(images.shape)}
            for name, images in material.images.items()
        },
        "weights": {
            f"{dataset}/{network}": {
                "sha256": trained.sha256,
                "seed": trained.metadata["seed"],
                "recipe": trained.metadata["recipe"],
                "test_accuracy": trained.metadata["test_accuracy"],
                "file": trained.path.name,
            }
            for (dataset, network), trained in material.networks.items()
        },
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, default=str) + "\n"
    _replace(path, lambda target: target.write_text(text, encoding="utf-8"))


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    partial = path.with_name(path.name + ".part")
    write(partial)
    partial.replace(path)

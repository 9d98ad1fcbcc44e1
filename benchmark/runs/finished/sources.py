"""Hashes of everything that decides the numbers of a run: code, versions, data, weights.

Imports no torch. Only inputs that are known to be plain files are hashed; a run with any other
input has no sources, and is never taken for finished.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path

from benchmark.attacks.lookup import is_ours
from benchmark.execution.environment import PACKAGES, package_versions
from benchmark.grids.model import Grid
from benchmark.runs.finished.result import RUNS
from benchmark.threats import threat
from estimators.data.load import default_data_dir
from estimators.defences.registry import DEFENCES, JOIN
from estimators.networks.known import DEFAULT, NONE
from estimators.networks.registry import NETWORKS
from estimators.spec import Spec
from reports.results.manifest import sha256_of

ROOT = Path(__file__).parents[3]
OURS = ("benchmark", "estimators", "reports")
# of data sets that torchvision reads, below the data folder
FOLDERS = {
    "mnist": "MNIST/raw",
    "fashion_mnist": "FashionMNIST/raw",
    "cifar10": "cifar-10-batches-py",
}
# of all files of one data set; above it reading them costs more than importing torch
MOST_BYTES = 1 << 30


def sources(grid: Grid, data_dir: Path | None) -> str | None:
    """Return one SHA-256 of the inputs of a grid and of the software; None for unknown inputs.

    Networks that are trained for the run are left out; their files are known after it only.
    """
    listed: dict[str, str] = {}
    cells = grid.cells()
    if not all(is_ours(attack) for attack in dict.fromkeys(cell.attack for cell in cells)):
        return None
    names = {part for cell in cells for part in cell.defence.name.split(JOIN)}
    if not names <= set(DEFENCES):
        return None
    networks = dict.fromkeys(cell.network for cell in cells)
    texts = dict.fromkeys(cell.threat for cell in cells)
    networks.update(dict.fromkeys(s for text in texts if (s := threat(text).source) is not None))
    paths: list[Path] = []
    for found in (
        *(_data_files(name, data_dir or default_data_dir()) for name in {c.dataset for c in cells}),
        *(_weight_files(network) for network in networks),
    ):
        if found is None:
            return None
        paths += found
    try:
        if sum(path.stat().st_size for path in paths) > MOST_BYTES:
            return None
        listed = {str(path.resolve()): sha256_of(path) for path in paths}
    except OSError:
        return None
    return sha256_of_json({"files": listed, "software": _software()})


def sha256_of_json(content: object) -> str:
    """Return the SHA-256 of a value as JSON with sorted keys."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _data_files(name: str, folder: Path) -> list[Path] | None:
    """Return the files of a data set, of both splits; None where they are not known."""
    if name.startswith("npz:"):
        return _existing([Path(name.removeprefix("npz:"))])
    if name == "digits":
        package = find_spec("sklearn")
        origin = None if package is None else package.origin
        return (
            origin and _existing([Path(origin).parent / "datasets" / "data" / "digits.csv.gz"])
        ) or None
    if name not in FOLDERS:
        return None
    archive = folder / f"{name}.npz"
    if archive.is_file():
        return [archive]
    return _existing(folder.joinpath(FOLDERS[name]).glob("*"))


def _existing(paths: Iterable[Path]) -> list[Path] | None:
    """Return the files among some paths, sorted; None where there are none."""
    return sorted(path for path in paths if path.is_file()) or None


def _weight_files(network: Spec) -> list[Path] | None:
    """Return the file that a network's spec names, if it does; None for external networks."""
    if network.name not in NETWORKS:
        return None
    weights = network.get("weights")
    if weights is None:
        return []
    if not isinstance(weights, str) or weights in (DEFAULT, NONE) or weights.endswith(".json"):
        return None
    return _existing([Path(weights)])


def _software() -> dict[str, object]:
    """Return the versions of Python and of the packages, the machine's kind and our own code."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": package_versions(sorted({*PACKAGES, *_required()})),
        "code": dict(_code()),
    }


def _required() -> Iterator[str]:
    """Yield the packages that this project requires, those of its extras too."""
    try:
        listed = requires("art-bench") or []
    except PackageNotFoundError:
        return
    for text in listed:
        name = re.match(r"[A-Za-z0-9._-]+", text)
        if name is not None:
            yield name[0]


def _code() -> Iterator[tuple[str, str]]:
    """Yield each file of this project's packages with its hash: code, tables, shipped weights."""
    runs = ROOT / RUNS
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*")):
            # in a checkout runs lie beside the code
            if path.suffix != ".pyc" and path.is_file() and runs not in path.parents:
                yield path.relative_to(ROOT).as_posix(), sha256_of(path)

"""A study from its question to its folder: tables, arrays, figures."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.execution.environment import package_versions
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import Findings, StudyRequest
from benchmark.version import __version__
from estimators.data.registry import image_shape, load_images
from estimators.errors import InputError
from estimators.networks.registry import build_network
from estimators.training.checkpoints import shipped_file

FILE = "study.json"


@dataclass(frozen=True)
class Done:
    """A finished study: its folder, what it took, whether it was reused."""

    folder: Path
    seconds: float
    reused: bool


def run_study(name: str, request: StudyRequest, folder: Path) -> Done:
    """Compute a study into a folder and draw its figures; a finished equal one is kept.

    The folder is put in place whole: a study that is broken off leaves the last one as it was.
    """
    study = STUDIES[name]
    module = importlib.import_module(f"benchmark.studies.{study.module}")
    key = _key(name, request, module)
    if _key_of(folder) == key:
        _draw(study.module, folder)
        return Done(folder, 0.0, reused=True)
    if folder.exists() and any(folder.iterdir()) and not (folder / FILE).is_file():
        raise InputError(f"--out {folder}: not empty, and not the folder of a study; name another")
    for dataset, network in request.subjects:
        build_network(network, *image_shape(dataset, request.data_dir))
    start = time.perf_counter()
    findings: Findings = module.compute(request)
    seconds = time.perf_counter() - start
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        _write(findings, fresh)
        about = {
            "study": name,
            "key": key,
            "seconds": round(seconds, 1),
            **_question(name, request),
            "art_bench": __version__,
            "versions": package_versions(),
        }
        text = json.dumps(about, indent=2, sort_keys=True) + "\n"
        (fresh / FILE).write_text(text, encoding="utf-8")
        _draw(study.module, fresh)
        fresh.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        fresh.replace(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return Done(folder, seconds, reused=False)


def _write(findings: Findings, folder: Path) -> None:
    for name, table in findings.files():
        table.to_csv(folder / name, index=False, lineterminator="\n")
    if findings.arrays:
        np.savez_compressed(folder / "arrays.npz", **findings.arrays)  # type: ignore[arg-type]


def _draw(module: str, folder: Path) -> None:
    plots = importlib.import_module(f"reports.plots.studies.{module}")
    plots.draw(folder)


def _question(name: str, request: StudyRequest) -> dict[str, Any]:
    subjects = [[dataset, network.canonical()] for dataset, network in request.subjects]
    return {"subjects": subjects, "params": dict(request.params), "seed": request.seed}


def _key(name: str, request: StudyRequest, module: Any) -> str:
    """Question, data, shipped weights and the study's own code: equal keys mean equal numbers."""
    parts = [json.dumps(_question(name, request), sort_keys=True, default=str), __version__]
    parts += _sources(module)
    for dataset in request.datasets:
        parts.append(load_images(dataset, "test", request.data_dir).sha256)
    for dataset, network in request.subjects:
        file = shipped_file(dataset, network)
        if file.is_file():
            parts.append(hashlib.sha256(file.read_bytes()).hexdigest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _sources(module: Any) -> list[str]:
    """The code of a study and of what it takes from `benchmark.studies`, in a fixed order."""
    found = {module.__name__: inspect.getsource(module)}
    for value in vars(module).values():
        name = getattr(value, "__module__", None)
        if isinstance(name, str) and name.startswith("benchmark.studies.") and name not in found:
            found[name] = inspect.getsource(sys.modules[name])
    return [found[name] for name in sorted(found)]


def _key_of(folder: Path) -> str | None:
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("key") if isinstance(content, dict) else None

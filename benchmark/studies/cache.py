"""Compute a study into its folder (tables, arrays, figures), or reuse what is there."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.execution.environment import package_versions
from benchmark.runs.labels import labels_and_threats
from benchmark.studies.entry import StudyEntry
from benchmark.studies.lookup import Draw, load_compute, load_draw, study_entry
from benchmark.studies.prepared import prepared
from benchmark.studies.request import Findings, StudyRequest
from benchmark.version import __version__
from estimators.atomic import replace_folder, sweep
from estimators.data.load import image_shape, load_images
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.given import is_given
from estimators.source_code import modules_sha256
from estimators.spec import Spec
from estimators.training.checkpoints import shipped_file
from estimators.training.train_or_load import trained_network
from estimators.writable import check_folder
from reports.results.bounded import bounded_json
from reports.results.manifest import sha256_of

FILE = "study.json"
# the share of a study that is done when only its figures are left
COMPUTED = 0.9
# The packages whose code decides the numbers of a study. An edit of any module that the study
# imports from them, directly or through others, computes the study again. Grids, runs, the command
# line, plots and pages only ask for studies or show them, so an edit there reuses the tables; so
# do the names and messages of `estimators` (spec, errors, plugins, entries).
DECIDING = (
    "benchmark.studies", "benchmark.attacks", "estimators.classifier", "estimators.data",
    "estimators.defences", "estimators.jpeg_codec", "estimators.networks",
    "estimators.random_streams", "estimators.training", "reports.statistics",
)  # fmt: skip


@dataclass(frozen=True)
class FinishedStudy:
    """A study whose folder is complete.

    folder: where its files are. seconds: of the computation; 0 where it was reused.
    reused: whether the folder already held this study.
    """

    folder: Path
    seconds: float
    reused: bool


def run_study(
    name: str, request: StudyRequest, folder: Path, figures: bool = True
) -> FinishedStudy:
    """Compute a study into a folder and draw its figures; reuse the folder if its key is equal.

    The folder is replaced as a whole: a study that is interrupted leaves the previous files.
    figures: False leaves them out. Raises InputError where the folder holds other files.
    """
    study, request = study_entry(name), prepared(request)
    compute, draw = load_compute(study), load_draw(study) if figures else None
    key = study_key(study, request)
    if _stored_key(folder) == key:
        if draw is not None:
            draw(folder)
        return FinishedStudy(folder, 0.0, reused=True)
    if folder.exists() and any(folder.iterdir()) and not (folder / FILE).is_file():
        problem = "neither empty nor the folder of a study"
        raise InputError(f"--out {folder}: {problem}; name another folder")
    check_folder(folder, f"--out {folder}")
    for dataset, network in request.subjects:
        build_network(network, *image_shape(dataset, request.data_dir))
    start = time.perf_counter()
    findings = compute(request.part(0, COMPUTED))
    seconds = time.perf_counter() - start
    record = {"study": name, "key": key, "seconds": round(seconds, 1), **_question(request)}
    record |= {"art_bench": __version__, "versions": package_versions()}
    record |= _labels(study, request)
    request.share(COMPUTED)
    request.report("drawing figures")
    _replace_folder(folder, findings, record, draw)
    return FinishedStudy(folder, seconds, reused=False)


def study_key(study: StudyEntry, request: StudyRequest) -> str:
    """Return a hash of all that decides the numbers: request, version, code, data and weights."""
    module = study.build.partition(":")[0]
    parts = [study.name, json.dumps(_question(request), sort_keys=True), __version__]
    parts.append(modules_sha256([module], follow=DECIDING))
    for dataset in request.datasets:
        parts.append(load_images(dataset, "test", request.data_dir).fingerprint)
    for dataset, network in request.subjects:
        if is_given(network):
            # its code, and the weights that it brings or that its spec names
            parts.append(trained_network(dataset, network, request.data_dir).sha256)
        file = shipped_file(dataset, network)
        if file.is_file():
            parts.append(sha256_of(file))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _labels(study: StudyEntry, request: StudyRequest) -> dict[str, object]:
    datasets = {Spec(dataset) for dataset, _ in request.subjects}
    networks = {network for _, network in request.subjects}
    record = labels_and_threats({"datasets": datasets, "networks": networks})
    record["labels"]["attacks"] |= study.attack_labels
    return record


def _question(request: StudyRequest) -> dict[str, object]:
    subjects = [[dataset, network.canonical()] for dataset, network in request.subjects]
    return {"subjects": subjects, "params": dict(request.params), "seed": request.seed}


def _stored_key(folder: Path) -> str | None:
    try:
        content = bounded_json(folder / FILE)
    except (OSError, ValueError):
        return None
    return content.get("key") if isinstance(content, dict) else None


def _replace_folder(
    folder: Path, findings: Findings, record: Mapping[str, object], draw: Draw | None
) -> None:
    def fill(new: Path) -> None:
        _write(findings, new)
        text = json.dumps(record, indent=2, sort_keys=True) + "\n"
        (new / FILE).write_text(text, encoding="utf-8")
        if draw is not None:
            draw(new)

    sweep(folder.parent)
    replace_folder(folder, fill)


def _write(findings: Findings, folder: Path) -> None:
    for name, table in findings.tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    if findings.arrays:
        np.savez_compressed(folder / "arrays.npz", **findings.arrays)  # type: ignore[arg-type]
    for name, part in findings.parts.items():
        shutil.copytree(part, folder / name)

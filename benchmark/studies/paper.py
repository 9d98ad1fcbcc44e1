"""The whole paper: its grid, its studies, its claims and one page."""

from __future__ import annotations

import sys
import traceback
from collections import ChainMap
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from benchmark.execution.environment import resolve_device
from benchmark.execution.progress import Parts, Progress
from benchmark.grids.model import load_grid
from benchmark.grids.overrides import narrowed
from benchmark.runs.finished.result import RUNS, Result
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from benchmark.studies.cache import run_study
from benchmark.studies.registry import STUDIES
from benchmark.studies.request import StudyRequest, make_request
from benchmark.terminal.shares import counted
from estimators.appending import append_text
from estimators.data.load import load_images
from estimators.errors import DataUnavailable
from reports.claims.evaluate import write_claims
from reports.claims.quick import write_size
from reports.page.page import write_page
from reports.results.unfinished import being_written

# images per cell of `quick`, by run
QUICK_SAMPLES = {"paper": 50, "photos": 4}
PAPER, PHOTOS = "paper", "photos"
# the other parts of the work beside the studies, and their seconds on two cores, whole and quick
GRID, CLAIMS = "grid", "claims and page"
SECONDS = {GRID: (300.0, 40.0), CLAIMS: (10.0, 10.0)}


@dataclass
class Paper:
    """The result of `run_paper`.

    directory: a run directory with `studies/` and `claims.csv`.
    grid: the result of its grid.
    claims: the columns of `claims.csv`.
    skipped: studies, or parts of them, whose data are unavailable, with the reason.
    failed: studies that raised, with the first line of the error.
    """

    directory: Path
    grid: Result
    claims: pd.DataFrame = field(default_factory=pd.DataFrame)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def run_paper(
    out: Path | None = None,
    data_dir: Path | None = None,
    seed: int = 0,
    quick: bool = False,
    device: str = "auto",
    progress: Progress | None = None,
    photos: bool = False,
    samples: int | Literal["all"] | None = None,
    replace: bool = False,
) -> Paper:
    """Run the paper's grid and every study into a directory, then evaluate the claims.

    Cells, networks and studies that exist already are reused. A study that raises does not stop
    the others; its traceback is in `failures.log`.

    quick: small sizes, for a look and not for the verdicts: each network is trained once, and some
        claims cannot be decided (`StudyEntry.undecided`).
    photos: run the grid `photos` and its study, the paper's open question, and their claims.
    samples: images per cell, and of a study that has the parameter; by default their own.
    replace: as in `RunOptions`.
    """
    which = PHOTOS if photos else PAPER
    progress = progress or Progress()
    message = progress.message
    studies = {name: study for name, study in STUDIES.items() if study.run == which}
    sizes = SECONDS | {name: study.seconds for name, study in studies.items()}
    parts = Parts.of(progress.share, {name: size[quick] for name, size in sizes.items()})
    progress.restart()
    progress.place("grid")
    directory = out if out is not None else RUNS / (f"{which}-quick" if quick else which)
    if samples is None and quick:
        grid = narrowed(load_grid(which), samples=QUICK_SAMPLES[which], seed=seed)
    else:
        grid = narrowed(load_grid(which), samples=samples, seed=seed)
    own = counted(progress.within(lambda share: parts.share(GRID, share)))
    options = RunOptions(
        out=directory, data_dir=data_dir, device=device, progress=own, replace=replace
    )
    paper = Paper(directory, run(grid, options))
    parts.finish(GRID, reused=paper.grid.reused == len(paper.grid.table))
    count = sys.maxsize if samples == "all" else samples
    for number, (name, study) in enumerate(studies.items(), 1):
        progress.place(f"study {number} of {len(studies)}")
        progress.step(name)
        sized = count is not None and "samples" in study.defaults
        request = make_request(
            study,
            params={"samples": count} if sized else None,
            quick=quick,
            seed=seed,
            data_dir=data_dir,
            device=resolve_device(device),
            report=lambda text, name=name: progress.step(f"{name}: {text}"),
            message=lambda text, name=name: message(f"{name}: {text}"),
            share=lambda share, name=name: parts.share(name, share),
        )
        request = _available(name, request, paper)
        if not request.subjects:
            parts.finish(name, reused=True)
            continue
        try:
            finished = run_study(name, request, directory / "studies" / name)
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            paper.failed[name] = f"{type(error).__name__}: {first}"
            append_text(directory / "failures.log", f"study {name}\n{traceback.format_exc()}\n")
            message(f"failed: study {name}: {paper.failed[name]}")
            parts.finish(name)
            continue
        parts.finish(name, finished.reused)
        took = "reused" if finished.reused else f"took {finished.seconds:.0f} s"
        message(f"{name}: {took}")
    progress.place("")
    progress.step(CLAIMS)
    undecided = ChainMap(*(dict(study.undecided) for study in studies.values()))
    with being_written(directory):
        write_size(directory, quick, undecided)
        paper.claims = write_claims(directory, which)
        write_page(directory, shown=directory)
    return paper


def _available(name: str, request: StudyRequest, paper: Paper) -> StudyRequest:
    """Return the request without the subjects whose data are unavailable; note those."""
    missing = set()
    for dataset in request.datasets:
        try:
            load_images(dataset, "test", request.data_dir)
        except DataUnavailable as error:
            missing.add(dataset)
            paper.skipped[f"{name}, {dataset}"] = str(error)
    return replace(request, subjects=tuple(s for s in request.subjects if s[0] not in missing))

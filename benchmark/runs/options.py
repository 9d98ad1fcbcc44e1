"""The options of a run: one object for the Python API and the command line."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.execution.chunk_size import parse_memory
from benchmark.execution.dask_checks import check_dask
from benchmark.execution.environment import check_device
from benchmark.execution.progress import Progress
from estimators.errors import InputError, unknown
from estimators.networks.handed.objects import NOTHING, Handed
from reports.exports.trackers import TRACKERS

# threads or processes; more than the cores of any machine
MOST_WORKERS = 4096


@dataclass(frozen=True)
class RunOptions:
    """Everything that a run needs beside its grid; nothing here changes a number.

    out: run directory; by default below `reports/runs`, named by the grid and its cells.
    data_dir: folder of data sets; None for the cache.
    device: `auto`, `cpu` or `cuda`.
    threads: worker threads of this process; None to measure how many are fastest.
    memory: what the computation may take, such as `4GB`; None for 70 % of what is available. Chunks
        of images, then threads, become fewer to stay below it.
    workers: processes of this machine to compute on, by Dask. A script that sets it must
        guard its entry point, as `multiprocessing` demands: the processes import the script.
    scheduler: address of a Dask scheduler whose workers compute, such as `tcp://HOST:8786`.
    retry_failed: compute cells again that failed in an earlier run of the same directory.
    trust_pickle: run the code that a .pt file of weights contains.
    save_adversarial: keep the adversarial images, see `runs.adversarial`. Cells that are stored
        without their images are computed again.
    baseline: results CSV or run directory that the page compares the run with.
    progress: functions that the run calls while it works.
    handed: data and networks that are objects of the caller.
    batch: images per chunk at most; None for as many as suit the network.
    report: draw plots and gallery, and write `report.html`; the tables and checks always are.
    replace: whether the table of a directory that holds another grid is replaced; by default such
        a directory is refused. What is stored there stays.
    log: the experiment trackers that get the finished run, of `reports.exports.trackers`.

    Paths may be given as text. Raises InputError for options that exclude each other and for
    values that are never possible.
    """

    out: Path | None = None
    data_dir: Path | None = None
    device: str = "auto"
    threads: int | None = None
    memory: str | None = None
    workers: int | None = None
    scheduler: str | None = None
    retry_failed: bool = False
    trust_pickle: bool = False
    save_adversarial: bool = False
    baseline: Path | None = None
    progress: Progress = field(default_factory=Progress)
    handed: Handed = NOTHING
    batch: int | None = None
    report: bool = True
    replace: bool = False
    log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("out", "data_dir", "baseline"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else Path(value))
        check_device(self.device)
        for name in self.log:
            if name not in TRACKERS:
                raise unknown("experiment tracker of --log", name, TRACKERS)
            if missing := TRACKERS[name].missing():
                raise InputError(f"--log {name}: {missing}")
        if self.workers is not None and self.scheduler is not None:
            raise InputError(
                "--workers and --scheduler: one starts a cluster, the other joins one;"
                " use one of them"
            )
        if self.uses_cluster and self.threads is not None:
            raise InputError("--threads: workers of a cluster have one thread each; leave it out")
        for name in ("threads", "workers", "batch"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise InputError(f"--{name}: must be at least 1, got {reprlib.repr(count)}")
            if count is not None and count > MOST_WORKERS:
                raise InputError(
                    f"--{name}: must be at most {MOST_WORKERS}, got {reprlib.repr(count)}"
                )
        if self.memory is not None:
            parse_memory(self.memory)
        if self.uses_cluster:
            check_dask("--workers" if self.scheduler is None else "--scheduler")
            self.handed.check_sendable()

    @property
    def uses_cluster(self) -> bool:
        """Whether the cells are computed on a Dask cluster."""
        return self.workers is not None or self.scheduler is not None

"""Which executor a run uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmark.execution.dask_executor import DaskExecutor
from benchmark.execution.environment import default_threads
from benchmark.execution.executor import Executor
from benchmark.execution.threads import ThreadExecutor, measured_threads
from benchmark.grids.cell import Cell
from benchmark.runs.inputs import RunInputs
from benchmark.runs.options import RunOptions


def executor_for(
    options: RunOptions, cells: Sequence[Cell], inputs: RunInputs, device: str
) -> Executor:
    """Return the executor that the options ask for; without cells no cluster is started.

    cells: the cells to compute. device: the device of this process.
    """
    if cells and options.uses_cluster:
        message = options.progress.message
        return DaskExecutor(options.workers, options.scheduler, options.device, message)
    return ThreadExecutor(options.threads or _fastest_threads(cells, inputs, device), device)


def _fastest_threads(cells: Sequence[Cell], inputs: RunInputs, device: str) -> int:
    """Measure the number of threads on the network that most cells have."""
    if not cells:
        return default_threads(device)
    counts = Counter((cell.dataset, cell.network) for cell in cells)
    (dataset, network), _ = counts.most_common(1)[0]
    trained = inputs.networks[dataset, network].network
    return measured_threads(trained, inputs.images[dataset], device)

"""A grid of FGSM behind JPEG of several qualities, against the loop that a user of ART writes."""

from __future__ import annotations

import torch

from benchmark.execution.chunk_size import need
from benchmark.execution.environment import default_threads
from benchmark.execution.executor import ChunkOutcomes, Failure, TrainedNetwork
from benchmark.execution.outcome import Outcome
from benchmark.execution.plan import Work, plan
from benchmark.execution.threads import ThreadExecutor
from benchmark.grids.cell import Cell
from benchmark.speed.floor import floor_of
from benchmark.speed.rivals import Bench, plain_loop
from benchmark.speed.timing import Measured, alternate
from estimators.networks.running.cheaper_passes import CheaperPasses
from estimators.networks.running.proofs import COMPARED
from estimators.spec import Spec


def grid_line(bench: Bench, threat: str) -> Measured:
    """Time the grid, and the passes through the network that it cannot do without."""
    network, samples = Spec("own"), len(bench.images)
    jpegs = [Spec.of("jpeg", quality=quality) for quality in bench.qualities]
    attacks = [Spec.of("fgsm", eps=eps) for eps in bench.eps]
    cells = [Cell("own", network, a, threat, jpeg, samples, 0) for a in attacks for jpeg in jpegs]
    tasks = plan(cells)
    passes = CheaperPasses.of(bench.network, torch.from_numpy(bench.images[:COMPARED].x))
    chunk = need(bench.network, bench.images.shape).chunk
    about = bench.images.shape, bench.classes, passes, chunk
    trained = TrainedNetwork(bench.network, *about)
    models = {("own", network): trained}

    def ours() -> list[int]:
        hits = dict.fromkeys(cells, 0)

        def done(task: Work, result: list[ChunkOutcomes] | Failure, seconds: float) -> None:
            assert not isinstance(result, Failure), result
            for part in result:
                for cell in cells:
                    outcome = part.get(cell)
                    if isinstance(outcome, Outcome):
                        hits[cell] += int((outcome.adversarial == outcome.label).sum())

        executor = ThreadExecutor(default_threads("cpu"))
        executor.execute(tasks, lambda task: bench.images, models, lambda *_: None, done)
        return list(hits.values())

    pair = alternate(ours, lambda: plain_loop(bench, threat), bench.repeat)
    floor = floor_of(bench, default_threads("cpu"), forwards=len(cells), gradients=len(tasks))
    differ = sum(abs(a - b) for a, b in zip(pair.our_result, pair.their_result, strict=True))
    note = f"counts of right images differ by {differ} of {len(cells) * samples:,}"
    return pair.line(
        f"{bench.name or type(bench.network).__name__}, {len(bench.eps)} eps x"
        f" {len(bench.qualities)} qualities, {samples:,} images, {threat}",
        "plain ART loop",
        pair.our_result == pair.their_result,
        note if differ else "",
        floor,
    )

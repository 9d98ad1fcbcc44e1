"""The inputs of `test_fuzz.py` by coverage-guided fuzzing, where atheris is installed; no test.

    pip install atheris
    PYTHONPATH=tests/helpers python tests/tools/fuzz_atheris.py grid -max_total_time=600

grid, archive, table or command: bytes, mutated from good files. made-grid and so on: what the
strategies of `fuzz_inputs.py` build from the bytes. Further arguments are libFuzzer's; a folder
among them is the corpus. A fault is an exception; see CONTRIBUTING.md.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["benchmark", "estimators", "reports", "yaml"]):
    import fuzz_harness
    import fuzz_inputs
    import numpy as np
    from hypothesis import HealthCheck, given, settings

    from benchmark.grids.model import SHIPPED
    from reports.results.csv_file import MOST_BYTES

# instrumented code is slower; a hang is longer than this
fuzz_harness.SECONDS = 20.0
One = Callable[[Any], None]
COMMANDS = [
    "run --attack pgd:eps=0.1,max_iter=[10,20] --network lenet:extra_layers=4 --samples 5",
    "run --grid full --threat transfer:from=resnet --dataset npz:x.npz --seed 3 --device cpu",
    "train --network lenet:adversarial=pgd --dataset digits --epochs 1 --out x.safetensors",
    "compare a.csv b.csv --force --level 0.9 --format html --tolerance 0.01 --fail-on worse",
]


def targets(work: Path) -> dict[str, tuple[One, list[bytes], Any]]:
    """By name: what is done with an input, inputs to begin with, and the strategy that builds."""
    rows = fuzz_harness.good_rows()
    archive = io.BytesIO()
    # stored and not deflated: mutations reach the arrays (and their checksums)
    np.savez(archive, x_test=np.zeros((2, 8, 8), np.uint8), y_test=np.arange(2))

    def command(content: bytes) -> None:
        words = content.decode("utf-8", "replace").replace("\0", "").split()
        # `bench study` and its like compute; these only look
        if words and words[0] in fuzz_inputs.OPTIONS:
            fuzz_harness.fuzz_command(work, words)

    return {
        "grid": (
            lambda content: fuzz_harness.fuzz_grid(work, content),
            [path.read_bytes() for path in sorted(SHIPPED.glob("*.yaml"))],
            fuzz_inputs.grid_files(),
        ),
        "archive": (
            lambda content: fuzz_harness.fuzz_archive(work, content),
            [archive.getvalue()],
            fuzz_inputs.archives(),
        ),
        "table": (
            lambda content: fuzz_harness.fuzz_table(work, content, rows),
            [fuzz_harness.as_csv(rows).encode()],
            fuzz_inputs.tables(rows),
        ),
        "command": (
            command,
            [line.encode() for line in COMMANDS],
            fuzz_inputs.command_lines().map(lambda words: " ".join(words).encode()),
        ),
    }


def main() -> None:
    """Fuzz one target until libFuzzer's limits, or a fault."""
    name = sys.argv.pop(1)
    with fuzz_harness.nothing_is_computed(), fuzz_harness.working_folder() as work:
        one, seeds, strategy = targets(work)[name.removeprefix("made-")]
        if name.startswith("made-"):
            quiet = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
            one = quiet(given(strategy)(one)).hypothesis.fuzz_one_input
            # what hypothesis builds from: long enough for the largest of its examples
            seeds = [np.random.RandomState(n).bytes(2000) for n in range(20)]
        if not any(Path(argument).exists() for argument in sys.argv[1:]):
            corpus = Path(tempfile.mkdtemp(prefix="corpus"))
            for number, seed in enumerate(seeds):
                (corpus / str(number)).write_bytes(seed)
            sys.argv.append(str(corpus))
        # an artifact of a fault is written where the fuzzer was started
        prefix = f"-artifact_prefix={Path.cwd()}/"
        longest = max([4096, *map(len, seeds)])
        assert longest < MOST_BYTES
        atheris.Setup(
            [*sys.argv, prefix, f"-max_len={longest}", "-timeout=60", "-len_control=0"], one
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()

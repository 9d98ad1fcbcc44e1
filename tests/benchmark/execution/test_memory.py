"""What a run keeps in memory grows with the pixels, and with nothing else."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from memory_grid import FewChunks

from benchmark.execution.chunk import ClassifierCache, run_chunk
from benchmark.execution.executor import TrainedNetwork
from benchmark.execution.memory import kept_memory
from benchmark.execution.plan import plan
from benchmark.grids.cell import Cell
from benchmark.runs.finished import sources
from benchmark.speed.memory import peaks
from estimators.data.images import Images, subset
from estimators.data.load import load_images
from estimators.spec import Spec

ATTACKS = (
    Spec.of("fgsm", eps=0.1),
    Spec.of("pgd", eps=0.1, max_iter=2),
    Spec.of("cw", max_iter=2, binary_search_steps=1),
    Spec.of("noise", eps=0.1),
)


def test_images_stay_8_bits_until_they_are_asked_for(digits: Images) -> None:
    assert digits.pixels.dtype == np.uint8
    assert subset(digits, 10, 0).pixels.dtype == np.uint8
    assert digits.x.dtype == np.float32
    assert np.array_equal(digits.x, digits.pixels.astype(np.float32) / np.float32(255))


def test_a_hash_is_that_of_the_floats(digits: Images) -> None:
    floats = Images(digits.x, digits.y, digits.ids, digits.classes)
    assert floats.x is floats.pixels
    assert floats.sha256 == digits.sha256 == load_images("digits", "test").sha256


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_what_outlives_a_chunk_holds_no_tensor_of_it(
    digits: Images, digits_lenet, attack: Spec
) -> None:
    images = subset(digits, 8, 0)
    lenet = Spec("lenet")
    cells = [
        Cell("digits", lenet, attack, "oblivious", defence, 8, 0)
        for defence in (Spec("none"), Spec.of("jpeg", quality=50))
    ]
    bench = ClassifierCache({("digits", lenet): TrainedNetwork(digits_lenet, images.shape, 10)})
    (task,) = plan(cells)
    for outcome in run_chunk(task, images, bench).values():
        for name in (field.name for field in fields(outcome)):
            array = getattr(outcome, name)
            if array is None:
                continue  # a column that only other cells have
            # a view of a subset's own labels costs nothing; memory of torch's is never shared
            assert array.flags.owndata or name in ("ids", "label", "target"), name


def test_the_measured_grid_crafts_its_first_chunks_and_keeps_the_size_of_all(
    digits: Images, digits_lenet
) -> None:
    lenet = Spec("lenet")
    cell = Cell("digits", lenet, ATTACKS[0], "oblivious", Spec("none"), 24, 0)
    bench = ClassifierCache({("digits", lenet): TrainedNetwork(digits_lenet, digits.shape, 10)})
    (task,) = plan([cell])
    chunks = [subset(digits, 24, 0)[start : start + 8] for start in (0, 8, 16)]
    few = FewChunks(crafted=2)
    first, second, last = (few(task, chunk, bench)[cell] for chunk in chunks)
    assert np.array_equal(second.l2, run_chunk(task, chunks[1], bench)[cell].l2)
    assert np.array_equal(last.l2, first.l2)
    assert not np.array_equal(last.l2, run_chunk(task, chunks[2], bench)[cell].l2)
    for field in fields(last):
        repeated, real = getattr(last, field.name), getattr(second, field.name)
        if real is None:
            assert repeated is None, field.name
        else:
            assert (repeated.shape, repeated.dtype) == (real.shape, real.dtype), field.name
    assert np.array_equal(last.ids, chunks[2].ids)
    assert np.array_equal(last.label, chunks[2].y)


@pytest.mark.skipif(kept_memory() == 0, reason="glibc 2.33 and later tells it")
def test_freed_memory_that_is_kept_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, since it changes what the C library does with freed memory."""
    code = """
    import torch
    from benchmark.execution import chunk_size, memory

    memory.keep_memory()
    chunk_size.available_memory = lambda: memory.Available(1e9, "memory")
    tensors = [torch.ones(1 << 24), torch.ones(1 << 20)]  # the second keeps the first from the top
    before = chunk_size.memory_budget(None)[0] / chunk_size.SHARE
    del tensors[0]
    gained = chunk_size.memory_budget(None)[0] / chunk_size.SHARE - before
    assert before >= 1e9 and abs(gained - (1 << 26)) < 1 << 20, (before, gained)
    """
    monkeypatch.setenv("PYTHONPATH", str(sources.ROOT))
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.skipif(kept_memory() == 0, reason="malloc_info is glibc's")
def test_all_threads_of_a_command_share_one_arena(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Libraries start threads when they are imported; arenas of these would be taken up later."""
    code = """
    import ctypes, sys
    from pathlib import Path
    from benchmark.cli.app import main

    try:
        main(["run", "--samples", "20", "--out", sys.argv[1]])
    except SystemExit as ended:
        assert ended.code == 0
    c = ctypes.CDLL(None)
    c.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(c.fopen(sys.argv[2].encode(), b"w"))
    c.malloc_info(0, file)
    c.fclose(file)
    assert Path(sys.argv[2]).read_text().count("<heap nr=") == 1
    """
    monkeypatch.setenv("PYTHONPATH", str(sources.ROOT))
    paths = [str(tmp_path / name) for name in ("run", "arenas.xml")]
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), *paths], check=True)


def test_a_peak_is_that_of_a_process() -> None:
    ((count, peak),) = peaks((200,))
    assert count == 200
    # torch alone takes that much
    assert 50 < peak < 5_000


@pytest.mark.slow
def test_the_peak_grows_by_the_pixels_alone() -> None:
    (few, low), (many, high) = peaks((1_000, 21_000))
    # data set and subset, 8 bits a pixel each; half as much again for what varies between runs
    assert (high - low) * 2**20 < 1.5 * 2 * 28 * 28 * (many - few) + 30 * 2**20

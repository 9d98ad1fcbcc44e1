"""A run and what may befall it: another run, a full disk, damage, bad cells, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
from faults import little_room, no_rights

from benchmark.attacks.steps import craft as crafting
from benchmark.execution import chunk as evaluate
from benchmark.runs import lock
from benchmark.runs.store import Store
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.spec import Spec
from estimators.training.checkpoints import load_checkpoint, save_checkpoint, shipped_file
from reports.errors import TableError
from reports.results.read_write import read_results

ROOT = Path(__file__).parents[3]
GRID = """
samples: 10
threats: [oblivious]
defences: [none, quantize]
attacks: [{name: fgsm, eps: [0, 0.1]}, {name: noise, eps: 0.1}, {name: fgm, eps: 1}]
"""
EXPORTS = ("results.csv", "predictions.parquet")


@pytest.fixture
def grid(tmp_path: Path) -> str:
    (tmp_path / "small.yaml").write_text(GRID)
    return str(tmp_path / "small.yaml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an undisturbed run of the grid."""
    from benchmark import load_grid, run_grid

    directory = tmp_path_factory.mktemp("finished")
    (directory / "small.yaml").write_text(GRID)
    run_grid(load_grid(directory / "small.yaml"), out=directory / "r")
    return {p.name: p.read_bytes() for p in (directory / "r").iterdir() if p.is_file()}


@pytest.fixture
def copy(finished: dict[str, bytes], tmp_path: Path) -> Path:
    """A directory with the files of the undisturbed run."""
    (tmp_path / "r").mkdir()
    for name, content in finished.items():
        (tmp_path / "r" / name).write_bytes(content)
    return tmp_path / "r"


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder: when it was changed, what it holds."""
    files = [p for p in root.rglob("*") if p.is_file()]
    # older versions of filelock open the empty lock file again, and change nothing else in it
    times = {p: 0 if p.name == "run.lock" else p.stat().st_mtime_ns for p in files}
    return {str(p): (time, p.read_bytes()) for p, time in times.items()}


def one_line(code: int, out: str) -> str:
    assert code == 2, out
    assert len(out.strip().splitlines()) == 1, out
    assert "Traceback" not in out
    return out


@pytest.fixture
def holder(copy: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run directory."""
    code = (
        "import sys; from pathlib import Path; from benchmark.runs.lock import hold;"
        f" claim = hold(Path({str(copy)!r})); print('held', flush=True); sys.stdin.read()"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    ) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_run_says_who_holds_it(
    bench, copy: Path, grid: str, holder: subprocess.Popen[str], finished: dict[str, bytes]
) -> None:
    before = tree(copy)
    out = one_line(*bench("run", "--grid", grid, "--out", str(copy)))
    assert f"process {holder.pid} on " in out
    assert " since 20" in out
    assert tree(copy) == before
    # killed, not closed: what it leaves behind is no obstacle
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (copy / "run.lock.json").exists()
    code, out = bench("run", "--grid", grid, "--out", str(copy))
    assert code == 0, out
    assert "reused 8 of 8 cells" in out
    assert not (copy / "run.lock.json").exists()
    assert (copy / "results.csv").read_bytes() == finished["results.csv"]


# on a machine that stalls, a process may hold the directory for longer than WAIT
LOOK = """
import sys
from pathlib import Path
from benchmark.runs import lock
from benchmark.runs.lock import refuse_if_held
directory = Path(sys.argv[1])
assert lock.WAIT >= 1
lock.WAIT = 600.0
print("ready", flush=True)
sys.stdin.readline()
for _ in range(300):
    refuse_if_held(directory)
"""


def test_commands_that_start_together_do_not_take_each_other_for_a_run(copy: Path) -> None:
    """Each looks whether the directory is free, and holds it for an instant."""
    (copy / "run.lock").touch()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    args = [sys.executable, "-c", LOOK, str(copy)]
    looking = [subprocess.Popen(args, text=True, env=env, **pipes) for _ in range(3)]
    for process in looking:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in looking:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in looking:
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-300:]


def test_a_run_that_ends_just_now_is_waited_for(
    bench, copy: Path, grid: str, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WAIT", 600.0)
    waiting: list[threading.Timer] = []

    class Watched(filelock.FileLock):
        """A lock whose holder ends while it is waited for."""

        def acquire(self, *args: Any, **kwargs: Any) -> Any:
            waiting.append(threading.Timer(0.2, holder.kill))
            waiting[-1].start()
            return super().acquire(*args, **kwargs)

    monkeypatch.setattr(lock, "FileLock", Watched)
    code, out = bench("run", "--grid", grid, "--out", str(copy))
    for timer in waiting:
        timer.join()
    assert waiting and code == 0 and "reused 8 of 8 cells" in out, out


def test_a_full_disk_keeps_what_is_stored(
    bench, grid: str, tmp_path: Path, finished: dict[str, bytes]
) -> None:
    args = ("run", "--grid", grid, "--out", "r")
    # room for the first pages of the store, not for the cells; then for the cells, which take up to
    # 80,000 bytes of its log (one commit for each task, or fewer), not for the page
    for room, message in ((14_000, "store.sqlite: cannot be written"), (90_000, "File too large")):
        with little_room(room):
            code, out = bench(*args)
        assert code == 2, out
        last = out.splitlines()[-1]
        assert last.startswith("Error: ") and message in last, out
        assert "Traceback" not in out
        assert not list((tmp_path / "r").glob("*.part"))
    code, out = bench(*args)
    assert code == 0, out
    assert "reused 8 of 8 cells" in out
    for name in EXPORTS:
        assert (tmp_path / "r" / name).read_bytes() == finished[name]


def test_directories_without_rights(bench, grid: str, tmp_path: Path, copy: Path) -> None:
    before = tree(copy)
    with no_rights(copy):
        assert "cannot be written" in one_line(*bench("run", "--grid", grid, "--out", str(copy)))
        assert "cannot be written" in one_line(*bench("report", str(copy)))
    assert tree(copy) == before
    (tmp_path / "file").write_text("")
    assert "file" in one_line(*bench("run", "--grid", grid, "--out", "file"))


@pytest.mark.parametrize("name", EXPORTS)
def test_a_changed_export_is_recognised_and_written_again(
    bench, copy: Path, grid: str, name: str, finished: dict[str, bytes]
) -> None:
    content = bytearray(finished[name])
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    for args in (("compare", str(copy), str(copy)), ("report", str(copy))):
        out = one_line(*bench(*args))
        assert f"{copy / name}: not as the run wrote it" in out
    code, _ = bench("run", "--grid", grid, "--out", str(copy))
    assert code == 0
    assert (copy / name).read_bytes() == finished[name]
    assert bench("compare", str(copy), str(copy))[0] == 0


def test_a_table_changed_on_purpose_is_read_by_its_own_name(bench, copy: Path) -> None:
    table = (copy / "results.csv").read_text()
    (copy / "results.csv").write_text(table.replace(",oblivious,", ",mine,"))
    with pytest.raises(TableError, match="not as the run wrote it"):
        read_results(copy)
    assert set(read_results(copy / "results.csv")["threat"]) == {"mine"}
    code, out = bench("compare", str(copy / "results.csv"), str(copy / "results.csv"))
    assert code == 0, out


@pytest.mark.parametrize("damage", ["bit", "half", "manifest"])
def test_damage_to_the_run_is_repaired_by_the_same_command(
    bench, copy: Path, grid: str, damage: str, finished: dict[str, bytes]
) -> None:
    path = copy / ("manifest.json" if damage == "manifest" else "store.sqlite")
    content = bytearray(finished[path.name])
    if damage == "bit":
        content[content.index(b'"accuracy": ') + 13] ^= 1
    else:
        del content[len(content) // 2 :]
    path.write_bytes(content)
    if damage == "manifest":
        assert "manifest.json" in one_line(*bench("compare", str(copy), str(copy)))
    code, out = bench("run", "--grid", grid, "--out", str(copy))
    if code == 2:
        # half a store may have lost the page that says what is in it
        assert "damaged" in out and "move it away" in out
        path.unlink()
        code, out = bench("run", "--grid", grid, "--out", str(copy))
    elif damage != "manifest":
        assert "computed again" in out
    assert code == 0, out
    for name in EXPORTS:
        assert (copy / name).read_bytes() == finished[name]


def test_flipped_bits_in_a_checkpoint_are_found(tmp_path: Path) -> None:
    shipped = load_checkpoint(shipped_file("digits", Spec("lenet")))
    path = tmp_path / "own.safetensors"
    save_checkpoint(shipped.network, shipped.metadata, path)
    content = path.read_bytes()
    sound = load_checkpoint(path)
    # the header's length, its JSON, the metadata in it, the weights
    places = [0, 7, 8, 40, content.index(b"test_accuracy") + 18, content.index(b"lenet")]
    chance = np.random.RandomState(0)
    places += chance.randint(0, len(content), 40).tolist()
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << chance.randint(7)
        path.write_bytes(damaged)
        try:
            loaded = load_checkpoint(path)
        except InputError as error:
            assert "own.safetensors" in str(error)
            continue
        # a space of the header may turn into another: nothing that is read has changed
        assert (loaded.sha256, loaded.metadata) == (sound.sha256, sound.metadata), place


@pytest.mark.parametrize("packed", [False, True])
def test_flipped_bits_in_a_data_file_are_found(tmp_path: Path, packed: bool) -> None:
    chance = np.random.RandomState(1)
    x, y = chance.randint(0, 256, (30, 8, 8), dtype=np.uint8), np.arange(30) % 3
    path = tmp_path / "own.npz"
    (np.savez_compressed if packed else np.savez)(path, x_test=x, y_test=y)
    sound = load_images(f"npz:{path}", "test").sha256
    content = path.read_bytes()
    refused = 0
    for place in chance.randint(0, len(content), 80):
        damaged = bytearray(content)
        damaged[place] ^= 1 << chance.randint(8)
        path.write_bytes(damaged)
        try:
            # dates and the like in the archive's directory may change
            assert load_images(f"npz:{path}", "test").sha256 == sound, place
        except InputError as error:
            refused += 1
            assert "own.npz" in str(error)
    assert refused > 40


def test_a_flipped_bit_in_mnist_is_found(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    header = (2051).to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in (10_000, 28, 28))
    (raw / "t10k-images-idx3-ubyte").write_bytes(header + bytes(10_000 * 784))
    (raw / "t10k-labels-idx1-ubyte").write_bytes(
        (2049).to_bytes(4, "big") + (10_000).to_bytes(4, "big") + bytes(10_000)
    )
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte: damaged or changed"):
        load_images("mnist", "test", tmp_path)


BAD_CELLS = {
    "arithmetic": (ZeroDivisionError("made up\nat length"), "ZeroDivisionError: made up"),
    "no memory": (MemoryError(), "MemoryError"),
    "recursion": (RecursionError("too deep"), "RecursionError: too deep"),
}


@pytest.mark.parametrize(
    "case",
    ["arithmetic", *(pytest.param(name, marks=pytest.mark.slow) for name in list(BAD_CELLS)[1:])],
)
def test_one_bad_cell_does_not_end_a_run(
    bench,
    grid: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    finished: dict[str, bytes],
) -> None:
    raised, reason = BAD_CELLS[case]
    honest = crafting.craft

    def craft(attacks, *rest):  # type: ignore[no-untyped-def]
        if attacks[0].name == "fgm":
            raise raised
        return honest(attacks, *rest)

    monkeypatch.setattr(evaluate, "craft", craft)
    args = ("run", "--grid", grid, "--out", "r")
    code, out = bench(*args)
    assert code == 4, out
    assert "failed: 2 cells" in out
    rows = read_results(tmp_path / "r").set_index("attack")
    assert set(rows.loc["fgm", "reason"]) == {reason}
    assert (rows.drop(index="fgm")["status"] == "ok").all()
    assert type(raised).__name__ in (tmp_path / "r" / "failures.log").read_text()
    monkeypatch.setattr(evaluate, "craft", honest)
    assert bench(*args)[0] == 4
    code, out = bench(*args, "--retry-failed")
    assert code == 0, out
    assert (tmp_path / "r" / "results.csv").read_bytes() == finished["results.csv"]


def test_ctrl_c_keeps_what_was_finished(
    bench, grid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: dict[str, bytes]
) -> None:
    honest = crafting.craft
    calls = []
    # a suite that a shell runs in its background starts with this signal ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def stopped(attacks, *rest):  # type: ignore[no-untyped-def]
        calls.append(attacks)
        if len(calls) == 3:
            # as a terminal does; to the main thread, which alone may raise it, so that it wakes
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return honest(attacks, *rest)

    monkeypatch.setattr(evaluate, "craft", stopped)
    args = ("run", "--grid", grid, "--out", "r", "--threads", "1")
    try:
        code, out = bench(*args)
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130, out
    assert "the same command continues" in out
    store = Store(tmp_path / "r")
    kept = store.keys()
    store.close()
    assert len(kept) < 8
    assert not (tmp_path / "r" / "run.lock.json").exists()
    monkeypatch.setattr(evaluate, "craft", honest)
    code, out = bench(*args)
    assert code == 0, out
    assert (tmp_path / "r" / "results.csv").read_bytes() == finished["results.csv"]

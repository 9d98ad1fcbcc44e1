"""No reader runs code of a file that a stranger wrote: YAML tags, and pickles under every name."""

from __future__ import annotations

import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.anchors.anchor import load_anchors
from benchmark.attacks.adapters.image_files import image_file
from benchmark.grids.model import load_grid
from benchmark.runs.packed import unpack
from estimators.data.load import load_images
from estimators.errors import InputError
from estimators.networks.weight_files import read_weights
from estimators.spec import Spec, parse_spec
from estimators.training.checkpoints import load_checkpoint
from reports.errors import TableError
from reports.results.manifest import read_manifest
from reports.results.predictions import read_predictions
from reports.results.read_write import read_results


class Runs:
    """Pickles to a program that writes a file when it is read."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch '{self.target}'",)


TAGS = {
    "apply": "!!python/object/apply:os.system ['touch {}']",
    "new": "!!python/object/new:os.system ['touch {}']",
    "new of a call": "!!python/object/new:subprocess.check_output [['touch', '{}']]",
    "name": "!!python/name:os.system",
    "module": "!!python/module:antigravity",
    "own": "!run 'touch {}'",
}
YAML: dict[str, Callable[[str, Path], object]] = {
    "grid": lambda text, path: load_grid(_written(path / "g.yaml", f"name: {text}\n")),
    "grid's attack": lambda text, path: load_grid(
        _written(path / "g.yaml", f"name: g\nattacks: [{{name: fgsm, eps: {text}}}]\n")
    ),
    "anchors": lambda text, path: load_anchors(Path(_written(path / "a.yaml", f"- {text}\n"))),
    "spec": lambda text, path: parse_spec(f"lenet:extra_layers={text}"),
}


def _written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("reader", YAML)
def test_yaml_runs_nothing(reader: str, tag: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with pytest.raises(InputError) as told:
        YAML[reader](TAGS[tag].format(ran), tmp_path)
    assert "\n" not in str(told.value)
    assert not ran.exists()


def _pickle(path: Path, ran: Path) -> None:
    path.write_bytes(pickle.dumps(Runs(ran)))


def _torch(path: Path, ran: Path) -> None:
    torch.save({"0.weight": torch.zeros(2, 2), "x": Runs(ran)}, path)


def _npy(path: Path, ran: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([Runs(ran)], dtype=object), allow_pickle=True)


def _npz(path: Path, ran: Path) -> None:
    array = np.array([Runs(ran)] * 4, dtype=object)
    with path.open("wb") as file:
        np.savez(file, x=array, x_test=array, y_test=array, x_train=array, y_train=array)


WRITERS = {"pickle": _pickle, "torch": _torch, "npy": _npy, "npz": _npz}
READERS: dict[str, Callable[[Path], object]] = {
    "w.pt": read_weights,
    "w.pth": read_weights,
    "w.safetensors": read_weights,
    "w.bin": read_weights,
    "checkpoint.safetensors": lambda path: load_checkpoint(path, Spec("lenet")),
    "data.npz": lambda path: load_images(f"npz:{path}", "test"),
    "made.npz": image_file,
    "made.npy": image_file,
    "made.pt": image_file,
    "results.csv": read_results,
    "manifest.json": lambda path: read_manifest(path.parent),
    "predictions.parquet": lambda path: read_predictions(path.parent),
    "blob": lambda path: unpack(path.read_bytes(), 100),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", READERS)
def test_pickles_run_nothing(name: str, kind: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    WRITERS[kind](tmp_path / name, ran)
    # a packed table has no words for its user: the store sets it aside
    expected = (ValueError, EOFError, zlib.error) if name == "blob" else (InputError, TableError)
    with pytest.raises(expected):
        READERS[name](tmp_path / name)
    assert not ran.exists()


def test_the_pickles_of_this_test_do_run(tmp_path: Path) -> None:
    _pickle(tmp_path / "w.pkl", tmp_path / "ran")
    pickle.loads((tmp_path / "w.pkl").read_bytes())
    assert (tmp_path / "ran").exists()

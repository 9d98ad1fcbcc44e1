"""Data sets on disk are called by their file, not by their path."""

from __future__ import annotations

from benchmark.grids.names import labels
from estimators.spec import Spec


def of(*names: str) -> dict[str, str]:
    shown = labels({"datasets": [Spec(name) for name in names]})["datasets"]
    return {name: shown[name] for name in names if name in shown}


def test_a_file_gives_the_label() -> None:
    photos = "imagefolder:/somewhere/deep/photos[resize=256,crop=224]"
    assert of("npz:/somewhere/deep/own.npz", photos, "mnist") == {
        "npz:/somewhere/deep/own.npz": "own.npz",
        photos: "photos",
        "mnist": "MNIST",
    }


def test_two_files_of_one_name_keep_their_paths() -> None:
    assert of("npz:a/own.npz", "npz:b/own.npz") == {}

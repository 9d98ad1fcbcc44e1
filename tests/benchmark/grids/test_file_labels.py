"""Data sets and images on disk are called by their file, not by their path."""

from __future__ import annotations

import pytest

from benchmark.grids.code_names import refuse_import
from benchmark.grids.names import labels
from estimators.errors import InputError
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


def test_an_attack_on_a_file_is_called_by_it() -> None:
    listed = [
        Spec.of("images:a/own.npz", eps=0.1),
        Spec("images:b/one.pt"),
        Spec("images:c/one.pt"),
    ]
    shown = labels({"attacks": listed})["attacks"]
    assert {name: text for name, text in shown.items() if "/" in name} == {
        "images:a/own.npz": "images own"
    }


def test_a_grid_file_may_name_images_and_no_code() -> None:
    for text in ("images:own.npz", "images:a/b:c.npz", "images:/deep/own.pt"):
        refuse_import("attacks", text)
    with pytest.raises(InputError, match="code to import"):
        refuse_import("attacks", "own.images:Attack")

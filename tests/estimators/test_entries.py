"""Rows of the registries, and plug-ins that are such rows."""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from estimators.data.load import image_shape, load_images
from estimators.data.registry import DATASET_PATTERNS, DATASETS
from estimators.defences.build import build_defence
from estimators.defences.registry import DEFENCE_PATTERNS, DEFENCES
from estimators.entries import Entry, load_object, table
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.given import given_network
from estimators.networks.registry import NETWORK_PATTERNS, NETWORKS, network_label
from estimators.plugins import plugin
from estimators.source_code import code_sha256
from estimators.spec import Spec, parse_spec
from estimators.training.recipes import recipe_for
from estimators.training_spec import TRAININGS

ROWS: list[Entry] = [
    *DEFENCES.values(),
    *DEFENCE_PATTERNS.values(),
    *NETWORKS.values(),
    *NETWORK_PATTERNS.values(),
    *DATASETS.values(),
    *DATASET_PATTERNS.values(),
    *TRAININGS.values(),
]

CODE = """
    import numpy as np
    from torch import nn

    from art.defences.preprocessor.preprocessor import Preprocessor

    class Darker(Preprocessor):
        def __init__(self, factor):
            super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)
            self.factor = factor

        def __call__(self, x, y=None):
            return (x * self.factor).astype(np.float32), y

    def perceptron(shape, classes, width):
        pixels = shape[0] * shape[1] * shape[2]
        return nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, classes)
        )

    def stripes(split, folder):
        return np.zeros((4, 8, 8), dtype=np.float32), np.arange(4) % 2
"""
PLUGIN = """
    from estimators.entries import DatasetEntry
    from estimators.entries import DefenceEntry
    from estimators.entries import NetworkEntry

    darker = DefenceEntry(
        name="darker", build="mine_code:Darker", summary="darker", defaults={"factor": 0.5}
    )
    perceptron = NetworkEntry(
        name="perceptron",
        build="mine_code:perceptron",
        summary="one hidden layer",
        defaults={"width": 8},
        recipes={("digits", ""): {"epochs": 2, "crop": 1}, ("digits", "pgd"): {"epochs": 3}},
    )
    stripes = DatasetEntry(
        name="stripes",
        build="mine_code:stripes",
        summary="stripes",
        shape=(1, 8, 8),
        classes=("no", "yes"),
    )
    broken = DefenceEntry(name="broken", build="mine_code:Nowhere", summary="a wrong name")
"""


@pytest.fixture
def mine(module):
    module("mine_code", CODE)
    return module("mine_plugin", PLUGIN)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_names_existing_code_and_a_summary(row: Entry) -> None:
    assert callable(row.load())
    assert row.summary


def test_rows_of_networks_have_every_parameter() -> None:
    for entry in NETWORKS.values():
        assert set(entry.defaults) == set(inspect.signature(entry.load()).parameters) - {
            "shape",
            "classes",
        }


def test_names_are_unique_and_patterns_are_no_names() -> None:
    entry = DEFENCES["jpeg"]
    with pytest.raises(ValueError, match="comes twice"):
        table(entry, entry)
    for name in ("torchvision:NAME", "package.module:factory"):
        assert name not in NETWORKS
    with pytest.raises(InputError, match="torchvision has no network of this name"):
        build_network(Spec("torchvision:NAME"), (1, 28, 28), 10)


def test_parameters_as_text() -> None:
    assert DEFENCES["jpeg"].parameters() == "quality=1 to 100"
    assert NETWORKS["cnn"].parameters() == "dropout=[0.1, 0.15, 0.2, 0.25]"
    assert NETWORKS["lenet"].parameters() == "extra_layers=0 activation=relu dropout=0.25"
    assert NETWORK_PATTERNS["package.module:factory"].parameters() == "its own"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("lenet", "LeNet"),
        ("lenet:adversarial=pgd", "LeNet trained by PGD"),
        ("lenet:adversarial=pgd,eps=0.1", "lenet[adversarial=pgd,eps=0.1]"),
        ("lenet:extra_layers=1", "lenet[extra_layers=1]"),
        ("torchvision:resnet18", "torchvision:resnet18"),
    ],
)
def test_labels_of_networks(text: str, label: str) -> None:
    assert network_label(parse_spec(text)) == label


def test_a_defence_by_its_row(mine) -> None:
    x = np.ones((1, 1, 2, 2), dtype=np.float32)
    for text, value in (("darker", 0.5), ("darker:factor=0.25", 0.25)):
        defence = build_defence(parse_spec(f"mine_plugin:{text}"))
        assert defence is not None
        assert defence(x)[0].max() == value
    with pytest.raises(InputError, match="unknown parameter"):
        build_defence(parse_spec("mine_plugin:darker:depth=3"))
    with pytest.raises(InputError, match=r"builder mine_code:Nowhere.*cannot be imported"):
        build_defence(Spec("mine_plugin:broken"))


def test_a_network_by_its_row(mine) -> None:
    spec = parse_spec("mine_plugin:perceptron")
    assert build_network(spec, (1, 28, 28), 10)[1].out_features == 8
    given = given_network(parse_spec("mine_plugin:perceptron:width=5"), (1, 28, 28), 10)
    assert given.network(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    assert given.path.name == "mine_code.py"
    assert (recipe_for("digits", spec).epochs, recipe_for("digits", spec).crop) == (2, 1)
    assert recipe_for("mnist", spec).epochs == 15
    robust = recipe_for("digits", parse_spec("mine_plugin:perceptron:adversarial=pgd"))
    assert (robust.epochs, robust.crop) == (3, 0)


def test_a_data_set_by_its_row(mine) -> None:
    assert image_shape("mine_plugin:stripes") == ((1, 8, 8), 2)
    assert load_images("mine_plugin:stripes", "test").shape == (1, 8, 8)


def test_the_code_behind_a_row_counts(mine) -> None:
    before = code_sha256("defences", "mine_plugin:darker")
    assert isinstance(plugin("defences", "mine_plugin:darker"), Entry)
    (mine / "mine_code.py").write_text("# changed\n")
    code_sha256.cache_clear()
    assert code_sha256("defences", "mine_plugin:darker") != before


def test_a_listing_older_than_a_file_hides_no_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "listed_first.py").write_text("")
    before = tmp_path.stat()
    # lists the folder; the byte code that it may write changes the folder's time
    importlib.import_module("listed_first")
    (tmp_path / "listed_later.py").write_text("value = 7")
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("listed_later")
    assert load_object("listed_later:value") == 7
    with pytest.raises(ModuleNotFoundError, match="listed_never"):
        load_object("listed_never:value")

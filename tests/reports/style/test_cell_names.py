"""Cells in words, and short enough for a line."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from reports.style.cell_names import describe, fitted, shown
from reports.style.labels import Labels

ROW: dict[str, Any] = {
    "dataset": "mnist",
    "network": "lenet",
    "attack": "fgsm",
    "norm": "inf",
    "eps": 0.1,
    "threat": "adaptive",
    "defence": "jpeg",
    "quality": 50,
    "seed": 0,
}
LABELS = Labels(
    {
        "datasets": {"mnist": "MNIST"},
        "networks": {"lenet": "LeNet"},
        "attacks": {"fgsm": "FGSM"},
        "defences": {"jpeg": "JPEG"},
    }
)


def test_a_cell_in_words() -> None:
    said = "MNIST, LeNet, FGSM Linf eps 0.1, adaptive, JPEG 50, seed 0"
    assert describe(ROW, labels=LABELS) == said
    assert describe(pd.Series(ROW), labels=LABELS) == said
    assert describe(ROW) == "mnist, lenet, fgsm Linf eps 0.1, adaptive, jpeg 50, seed 0"


def test_parts_of_a_cell() -> None:
    assert describe(ROW, ("attack", "eps")) == "fgsm eps 0.1"
    assert describe(ROW | {"attack": "no attack", "eps": 0.0, "norm": ""}, ("attack", "norm", "eps")) == "no attack"  # fmt: skip  # noqa: E501
    assert describe(ROW, ("eps", "quality")) == "eps 0.1, quality 50"
    assert (
        describe(ROW | {"defence": "none", "quality": None}, ("defence", "quality")) == "no defence"
    )
    assert describe(ROW | {"eps": float("nan")}, ("attack", "norm", "eps")) == "fgsm Linf"


@pytest.mark.parametrize(
    ("eps", "text"),
    [
        (8 / 255, "8/255"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "85/255"),
        (1 / 7, "0.142857142857"),
        (2.0, "2"),
    ],
)
def test_sizes_are_short_and_exact(eps: float, text: str) -> None:
    assert shown(ROW | {"eps": eps}, "eps") == text


def test_a_name_is_cut_in_the_middle() -> None:
    assert shown(ROW | {"network": "abcdefghij"}, "network", most=7) == "ab…ghij"
    assert shown(ROW | {"network": "abcdefghij"}, "network") == "abcdefghij"


@pytest.mark.parametrize("width", [20, 40, 70, 90, 200])
def test_a_cell_fits_a_width(width: int) -> None:
    row = ROW | {"network": "package.module.submodule:function_that_builds_a_network"}
    text = fitted(row, width)
    assert len(text) <= width
    if width >= 70:
        assert text.endswith("fgsm Linf eps 0.1, adaptive, jpeg 50, seed 0")
        assert text.startswith("mnist, packag")

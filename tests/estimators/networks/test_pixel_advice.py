"""Advice on data at chance: their range, dark and light, the order of their classes."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch
from torch import nn

from estimators.data.images import Images
from estimators.errors import InputError
from estimators.networks.advice.class_order import order_hint
from estimators.networks.advice.pixels import range_fault
from estimators.networks.checks.wrapping import check_fit, check_wrapped, pixels, probe

RANGES = {
    "divided by 255 twice": (1 / 255, r"0\.00392, at most 1/255: were they divided by 255 twice\?"),
    "some other factor": (0.015, r"the largest pixel .* is 0\.015, expected images that use"),
    "zero": (0.0, "every pixel of 125 images of the data is 0"),
}


def scaled(images: Images, factor: float) -> Images:
    return dataclasses.replace(images, pixels=(images.x * factor).astype(np.float32))


@pytest.mark.parametrize("case", RANGES)
def test_data_that_were_scaled_twice(digits: Images, digits_lenet: nn.Module, case: str) -> None:
    """The advice is about the data; eps would not be in pixels with a layer that scales back."""
    factor, message = RANGES[case]
    probed = probe(digits_lenet, scaled(digits, factor), "mine")
    with pytest.raises(InputError, match=message) as told:
        pixels(probed)
    assert "mean=" not in str(told.value)


def test_a_network_that_was_trained_on_such_data_is_warned(
    digits: Images, digits_lenet: nn.Module
) -> None:
    class Back(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = digits_lenet

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(255 * x)

    told = pixels(probe(Back(), scaled(digits, 1 / 255), "mine"))
    assert "divided by 255 twice" in str(told)


@pytest.mark.parametrize("high", [0.03, 0.5, 1.0])
def test_dark_images_have_no_fault(high: float) -> None:
    assert range_fault(torch.tensor([0.0, high])) is None


def test_inverted_images(digits: Images, digits_lenet: nn.Module) -> None:
    inverted = dataclasses.replace(digits, pixels=(1 - digits.x).astype(np.float32))
    hits = re.compile(r"inverted: swap dark and light")
    try:
        told = pixels(probe(digits_lenet, inverted, "mine"))
    except InputError as error:
        told = str(error)
    assert hits.search(str(told)), told


class Permuted(nn.Module):
    """A network whose output k is that of class order[k]."""

    def __init__(self, network: nn.Module, order: list[int]) -> None:
        super().__init__()
        self.network, self.order = network, order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)[:, self.order]


def test_a_permutation_is_told_with_its_first_pairs(
    digits: Images, digits_lenet: nn.Module
) -> None:
    # class c is the output at the position of c in the order
    order = [3, 4, 2, 9, 0, 1, 5, 8, 6, 7]
    (told,) = check_wrapped(Permuted(digits_lenet, order), digits, "mine").values()
    assert re.search(
        r"would be right with its outputs in another order: output 4 for class 0 \(0\), output 5"
        r" for class 1 \(1\), output 0 for class 3 \(3\) and 6 more; reorder the data's classes",
        told,
    )
    assert pixels(probe(digits_lenet, digits, "mine")) is None


class Brightness(nn.Module):
    """Three classes, by the mean of the pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -50 * (x.mean((1, 2, 3))[:, None] - (torch.arange(3) + 0.5) / 3) ** 2


def test_an_order_that_repairs_more_than_a_normalisation_is_told(digits: Images) -> None:
    """MNIST's normalisation makes most images brighter, and so right by luck; an order all."""
    shades = np.repeat([0, 1, 2], [18, 84, 18])
    x = np.broadcast_to(((shades + 0.5) / 3)[:, None, None, None], (120, 1, 28, 28))
    part = dataclasses.replace(
        digits.beginning(120), pixels=x.astype(np.float32), classes=("c", "a", "b")
    )
    mixed = dataclasses.replace(part, y=(shades + 1) % 3)
    told = str(pixels(probe(Brightness(), mixed, "mine")))
    assert told.startswith("0 of 120 images are right, which is chance; 120 of 120 would be right")
    assert "mean=" not in told
    # without a better order the normalisation is told
    other = dataclasses.replace(part, y=np.where(shades == 1, 2, shades), classes=("a", "b", "c"))
    with pytest.raises(InputError, match="120 with MNIST's normalisation"):
        pixels(probe(Brightness(), other, "mine"))


def test_folders_that_are_numbers(digits: Images, digits_lenet: nn.Module) -> None:
    """A network trained on folders 1, 10, 2, ...; one image a class shows it."""
    names = tuple(str(n) for n in range(1, 13))
    rng = np.random.default_rng(0)
    y = rng.permutation(12)
    as_text = sorted(range(12), key=lambda k: names[k])
    predicted = np.array([as_text.index(label) for label in y])
    told = order_hint(predicted, y, names)
    assert told is not None and told.right == 12
    assert (
        told.text == "12 of 12 would be right with the classes sorted as text (1, 10, 11, 12, ...)"
    )
    text_names = tuple(sorted(names))
    natural = sorted(range(12), key=lambda k: int(text_names[k]))
    predicted = np.array([natural.index(label) for label in y])
    assert "in the order of their numbers (1, 2, 3, 4, ...)" in str(
        order_hint(predicted, y, text_names)
    )


@pytest.mark.parametrize(("shift", "text"), [(1, "class k - 1"), (-1, "class k + 1")])
def test_classes_off_by_one(shift: int, text: str) -> None:
    y = np.arange(2, 100)
    told = order_hint(y + shift, y, tuple(f"c{n:03d}" for n in range(101)))
    assert f"98 of 98 would be right if output k stood for {text}" in str(told)


@pytest.mark.parametrize("classes", [2, 10, 40, 100])
@pytest.mark.parametrize("seed", range(5))
def test_luck_is_no_permutation(classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, names = np.arange(125) % classes, tuple(f"c{n:03d}" for n in range(classes))
    assert order_hint(rng.integers(0, classes, 125), y, names) is None
    assert order_hint(np.zeros(125, np.int64), y, names) is None
    # right as they are: nothing to gain
    assert order_hint(y, y, names) is None


def test_a_background_class_is_told() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 11))
    with pytest.raises(InputError, match=r"first of its outputs a background class\? Return out"):
        check_fit(network, (1, 28, 28), 10, "mine")

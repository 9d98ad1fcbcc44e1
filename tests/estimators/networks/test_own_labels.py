"""The class names that networks bring with them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch import nn

from estimators.networks.own_labels import own_labels
from estimators.spec import Spec

KNOWN = {
    "labels": (["a", "b"], ("a", "b")),
    "categories": (("a", "b"), ("a", "b")),
    "config": (SimpleNamespace(id2label={1: "b", 0: "a"}), ("a", "b")),
    "pretrained_cfg": ({"label_names": ["a", "b"]}, ("a", "b")),
    "id2label of text": (SimpleNamespace(id2label={"0": "a", "1": "b"}), ("a", "b")),
}


@pytest.mark.parametrize("name", KNOWN)
def test_labels_in_an_attribute(name: str) -> None:
    value, expected = KNOWN[name]
    network = nn.Linear(2, 2)
    setattr(network, name if "text" not in name else "config", value)
    assert own_labels(Spec("m:f"), nn.Sequential(nn.Flatten(), network)) == expected


@pytest.mark.parametrize("value", [None, 3, [1, 2], {0: "a", 2: "b"}, {"x": "a"}, "ab"])
def test_other_attributes_are_no_labels(value: object) -> None:
    network = nn.Linear(2, 2)
    network.labels = value  # type: ignore[assignment]
    assert own_labels(Spec("m:f"), network) == ()


def test_torchvision_knows_the_names_of_its_classes() -> None:
    labels = own_labels(Spec("torchvision:resnet18"), nn.Identity())
    assert len(labels) == 1000
    assert labels[:2] == ("tench", "goldfish")
    assert own_labels(Spec.of("torchvision:resnet18", weights="a.pt"), nn.Identity()) == ()
    assert own_labels(Spec("torchvision:nothing"), nn.Identity()) == ()

"""Networks with torch's lazy layers, whose weights get their shapes from the first images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.given import given_network
from estimators.spec import parse_spec

GREY = (1, 28, 28)
LAYERS = """
from torch import nn

def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(10))

class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.spare = nn.LazyLinear(10), nn.LazyLinear(3)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""


def test_weights_are_made_once_and_are_the_same_each_time(module) -> None:
    module("layers_of_mine", LAYERS)
    spec = parse_spec("layers_of_mine:lazy")
    first, second = (given_network(spec, GREY, 10) for _ in range(2))
    assert first.sha256 == second.sha256
    x = torch.rand(2, *GREY)
    assert torch.equal(first.network(x), second.network(x))
    # statistics are those of no image
    assert torch.equal(first.network[1].running_mean, torch.zeros(4))


def test_they_take_weights_of_a_file(module, tmp_path: Path) -> None:
    module("layers_of_mine", LAYERS)
    network = given_network(parse_spec("layers_of_mine:lazy"), GREY, 10).network
    changed = {name: torch.rand_like(t.float()) for name, t in network.state_dict().items()}
    save_file(changed, tmp_path / "w.safetensors")
    spec = parse_spec(f"layers_of_mine:lazy:weights={tmp_path / 'w.safetensors'}")
    loaded = given_network(spec, GREY, 10).network.state_dict()
    assert torch.equal(loaded["3.weight"], changed["3.weight"])


def test_they_are_there_for_a_training(module) -> None:
    module("layers_of_mine", LAYERS)
    network = build_network(parse_spec("layers_of_mine:lazy"), GREY, 10)
    assert {p.numel() > 0 for p in network.parameters()} == {True}


def test_a_layer_that_no_image_reaches(module) -> None:
    module("layers_of_mine", LAYERS)
    with pytest.raises(InputError, match=r"lazy layer spare\.weight has no weights after a pass"):
        given_network(parse_spec("layers_of_mine:Unused"), GREY, 10)

"""Files of `bench train` hold the layers before the network, too: the spec's numbers are used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.given import given_network
from estimators.spec import Spec

GREY = (1, 28, 28)


def stored(path: Path, **layers: object) -> str:
    """Write what `bench train` writes for a network behind these layers."""
    state = build_network(Spec.of("lenet", **layers), GREY, 10).state_dict()
    save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, path)
    return str(path)


# trained behind, named in the run, what the message says
OTHERS = {
    "normalisation": (
        {"mean": 0.5, "std": 0.25},
        {"mean": 0.1, "std": 0.9},
        "was trained with mean=0.5, std=0.25, the network has mean=0.1, std=0.9; give it what",
    ),
    "std alone": (
        {"mean": 0.5, "std": 0.25},
        {"mean": 0.5},
        "was trained with std=0.25, the network has std=1",
    ),
    # both kernels reach 5 pixels
    "filter": (
        {"low_pass": 1.1},
        {"low_pass": 1.2},
        "was trained with low_pass=1.1, the network has low_pass=1.2",
    ),
    "filter behind which is a normalisation": (
        {"low_pass": 1.1, "mean": 0.5},
        {"low_pass": 1.1, "mean": 0.4},
        "was trained with mean=0.5, the network has mean=0.4",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_layers_than_in_training_are_refused(tmp_path: Path, case: str) -> None:
    """The file's would be used without a word, under the name of the spec's."""
    trained, named, message = OTHERS[case]
    path = stored(tmp_path / "w.safetensors", **trained)
    with pytest.raises(InputError, match=re.escape(f"weights {path}: {message}")):
        given_network(Spec.of("lenet", weights=path, **named), GREY, 10)
    given_network(Spec.of("lenet", weights=path, **trained), GREY, 10)


def test_the_spec_s_numbers_replace_rounded_ones(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    state = build_network(Spec.of("lenet", mean=0.1307, std=0.3081), GREY, 10).state_dict()
    torch.save({name: tensor.half() for name, tensor in state.items()}, path)
    given = given_network(Spec.of("lenet", mean=0.1307, std=0.3081, weights=str(path)), GREY, 10)
    normalise = given.network[0]  # type: ignore[index]
    assert normalise.mean.item() == torch.tensor(0.1307).item()


def test_weights_without_a_normalisation_get_that_of_the_spec(tmp_path: Path) -> None:
    path = stored(tmp_path / "w.safetensors")
    given = given_network(Spec.of("lenet", mean=0.5, weights=path), GREY, 10)
    x = torch.rand(2, *GREY)
    bare = given_network(Spec.of("lenet", weights=path), GREY, 10).network
    assert torch.allclose(given.network(x), bare(x - 0.5), atol=1e-5)

"""From a network's spec to the untrained network."""

from __future__ import annotations

from torch import nn

from estimators.errors import unknown
from estimators.networks.external import NONE, call_factory, find_network, is_external
from estimators.networks.input_layers import behind_input_layers
from estimators.networks.registry import EVERY_NETWORK, NETWORK_PATTERNS, NETWORKS
from estimators.spec import Spec
from estimators.training_spec import split_training

# parameters of every network that the harness reads itself; the network never gets them
WRAPPING = (*EVERY_NETWORK.values, *EVERY_NETWORK.defaults)


def build_network(spec: Spec, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the untrained network of a spec for images of a shape (C, H, W), in evaluation mode.

    `mean` and `std`, which every network takes, become a first layer (x - mean) / std, and
    `low_pass` a fixed Gaussian filter of that width in pixels before it. `weights` is left to
    `given.given_network`, and `adversarial` to the training.

    Raises InputError for an unknown name or parameter, and for a bad one.
    """
    architecture, _ = split_training(spec)
    bare = architecture.without(*WRAPPING)
    if bare.name in NETWORKS:
        entry = NETWORKS[bare.name]
        network = call_factory(entry.load(), bare, shape, classes, entry.defaults)
    elif is_external(bare.name):
        network = find_network(bare, shape, classes, NONE).network
    else:
        raise unknown("network", bare.name, [*NETWORKS, *NETWORK_PATTERNS])
    mean, std, low_pass = spec.get("mean"), spec.get("std"), spec.get("low_pass", 0)
    return behind_input_layers(network, shape, bare.name, mean, std, low_pass).eval()

"""From a network's spec to the untrained network."""

from __future__ import annotations

from torch import nn

from estimators.networks.external import NONE, ExternalNetwork, find_network
from estimators.networks.input_layers import behind_low_pass, normalised
from estimators.networks.registry import EVERY_NETWORK
from estimators.spec import Spec
from estimators.training_spec import split_training

# parameters of every network that the harness reads itself; the network never gets them
WRAPPING = (*EVERY_NETWORK.values, *EVERY_NETWORK.defaults)


def build_network(spec: Spec, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the untrained network of a spec for images of a shape (C, H, W), in evaluation mode.

    `weights` is left to `given.given_network`, and `adversarial` to the training.

    Raises InputError for an unknown name or parameter, and for a bad one.
    """
    architecture, _ = split_training(spec)
    bare = find_network(architecture.without(*WRAPPING), shape, classes, NONE)
    return behind_input_layers(bare, spec, shape)


def behind_input_layers(
    bare: ExternalNetwork, spec: Spec, shape: tuple[int, int, int]
) -> nn.Module:
    """Return a network behind the layers that its spec puts before it, in evaluation mode.

    `mean` and `std`, which every network takes (one number, or one per channel; by default the
    network's own), become a first layer (x - mean) / std, and `low_pass` a fixed Gaussian filter of
    that width in pixels before it.

    Raises InputError for bad numbers, and for a filter that is wider than the images.
    """
    mean, std = spec.get("mean", bare.mean), spec.get("std", bare.std)
    network = normalised(bare.network, mean, std, shape[0], spec.name)
    return behind_low_pass(network, spec.get("low_pass", 0), shape).eval()

"""From a network's spec to the untrained network."""

from __future__ import annotations

from torch import nn

from estimators.errors import InputError
from estimators.networks.external import ExternalNetwork, find_network
from estimators.networks.input_layers import GreyToColour, behind_low_pass, normalised
from estimators.networks.known import NONE, WRAPPING
from estimators.networks.lazy_weights import make_lazy_weights
from estimators.spec import Spec
from estimators.training_spec import split_training

COLOURS = 3


def build_network(spec: Spec, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the untrained network of a spec for images of a shape (C, H, W), in evaluation mode.

    `weights` is left to `given.given_network`, and `adversarial` to the training.

    Raises InputError for an unknown name or parameter, and for a bad one.
    """
    architecture, _ = split_training(spec)
    if spec.get("weights_key") is not None and spec.get("weights") is None:
        raise InputError(f"network {spec}: weights_key needs weights=FILE")
    bare = find_network(architecture.without(*WRAPPING), shape, classes, NONE)
    return behind_input_layers(bare, spec, shape)


def behind_input_layers(
    bare: ExternalNetwork, spec: Spec, shape: tuple[int, int, int]
) -> nn.Module:
    """Return a network behind the layers that its spec puts before it, in evaluation mode.

    `mean` and `std`, which every network takes (one number, or one per channel; by default the
    network's own), become a first layer (x - mean) / std. Before it come the network's own resize,
    and `low_pass`, a fixed Gaussian filter of that width in pixels.

    Lazy layers get their weights from a pass.

    Raises InputError for bad numbers, for a filter that is wider than the images, and for lazy
    layers that no image reaches.
    """
    mean, std = spec.get("mean", bare.mean), spec.get("std", bare.std)
    network, channels, copied = bare.network, shape[0], colour_network(bare.network)
    if copied is not None and any(isinstance(v, tuple) and len(v) == COLOURS for v in (mean, std)):
        # numbers per colour belong behind the copy of a grey image to three channels
        network = nn.Sequential(GreyToColour(), normalised(copied, mean, std, COLOURS, spec.name))
    else:
        network = normalised(network, mean, std, channels, spec.name)
    if bare.sizing is not None:
        network = nn.Sequential(bare.sizing, network)
    whole = behind_low_pass(network, spec.get("low_pass", 0), shape).eval()
    make_lazy_weights(whole, shape, str(spec))
    return whole


def colour_network(network: nn.Module) -> nn.Module | None:
    """Return the network behind a copy of grey images to three channels; None without such."""
    parts = list(network.children()) if type(network) is nn.Sequential else []
    return parts[1] if len(parts) == 2 and isinstance(parts[0], GreyToColour) else None

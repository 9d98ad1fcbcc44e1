"""Networks that come with their weights: external ones, and those whose spec names a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from estimators.errors import InputError
from estimators.networks.build import behind_input_layers, colour_network
from estimators.networks.external import code_hash, find_network, is_external
from estimators.networks.files.fitting import load_into
from estimators.networks.files.stored_layers import keep_input_layers
from estimators.networks.handed.network import HandedNetwork
from estimators.networks.known import DEFAULT, NONE, WRAPPING
from estimators.networks.registry import NETWORKS
from estimators.networks.running.guarded import Guarded, guarded
from estimators.networks.weight_files import read_weights, weights_hash
from estimators.spec import Spec, Value

# of the rules by which external networks are attacked and judged; cells of older rules are computed
# again. 2: batch norms folded only where that is proved, losses for squashed outputs, broken ones;
# 3: the margin for outputs that hardly differ, and behind more squashing functions, products and
# means of them; float64 outputs read as float32
EVALUATION = 3
# how a network is normalised by what it or its package declares
AS_DECLARED = "normalised as it declares"


@dataclass(frozen=True)
class Trained:
    """A trained network and where its weights come from.

    network: in evaluation mode, on the CPU.
    metadata: data set, network, recipe, seed, hash of the training images, test accuracy; for a
        given network `recipe` is one line on its origin, the others are None.
    sha256: hash of the weights; for a given network of its code too.
    path: the file that they were read from or written to, or that holds the network's code.
    reused: True for loaded weights, False for those that were trained now.
    """

    network: nn.Module
    metadata: dict[str, Any]
    sha256: str
    path: Path
    reused: bool


def is_given(network: Spec) -> bool:
    """Return whether a network has or names its weights, and is not trained for a run."""
    return network.get("weights") is not None or network.name not in NETWORKS


def given_network(
    network: Spec,
    shape: tuple[int, int, int],
    classes: int,
    trust_pickle: bool = False,
    handed: HandedNetwork | None = None,
) -> Trained:
    """Return a network as its author made it, or with the weights that its spec names.

    network: `weights` is a file, `DEFAULT` for the author's own or `none` for random ones. Without
        it a factory's network is used as it is, one of a family with its own weights.
        `weights_key` names the state dict in a file that holds several.
    trust_pickle: as in `weight_files.read_weights`.
    handed: the object that the name stands for; None for a name that leads to a network.

    Raises InputError where the network or its weights are unavailable.
    """
    weights = network.get("weights", DEFAULT)
    if not isinstance(weights, str):
        raise InputError(f"network {network}: weights must be a file, {DEFAULT} or {NONE}")
    from_file = weights not in (DEFAULT, NONE)
    key = network.get("weights_key")
    if key is not None and not from_file:
        raise InputError(f"network {network}: weights_key needs weights=FILE")
    bare = network.without(*WRAPPING)
    with torch.random.fork_rng(devices=[]):
        external = is_external(bare.name)  # imports it, which may draw random numbers too
        # a network that starts at random is the same one in every run
        torch.manual_seed(0)
        if handed is not None:
            result = handed.found(str(network), shape)
        else:
            result = find_network(bare, shape, classes, NONE if from_file else weights)
        wrapped = behind_input_layers(result, network, shape)
    origin, path = result.origin, Path(result.source)
    if from_file:
        path = Path(weights)
        state = read_weights(path, trust_pickle, None if key is None else str(key))
        # what `bench train` wrote has the normalisation in it
        whole = state.keys() == wrapped.state_dict().keys()
        core = colour_network(result.network) or result.network
        if whole:
            state = keep_input_layers(wrapped, core, state, f"weights {path}")
        changes = load_into(wrapped if whole else core, state, f"weights {path}")
        taken = "" if key is None else f" ({key})"
        origin = f"{bare}, weights from {path.name}{taken}{changes and f', {changes}'}"
    chosen = handed is not None and (handed.mean, handed.std) != (None, None)
    how = "normalised" if chosen else AS_DECLARED
    if (result.mean, result.std) != (None, None) and not {"mean", "std"} & network.kwargs.keys():
        origin += f", {how} (mean={_short(result.mean)}, std={_short(result.std)})"
    decides = weights_hash(wrapped) + code_hash(wrapped, bare.name)
    if external or handed is not None:
        decides += f"evaluation {EVALUATION}"
    if handed is not None:
        decides += handed.sha256()
    digest = hashlib.sha256(decides.encode()).hexdigest()
    metadata = {"recipe": origin, "seed": None, "test_accuracy": None}
    return Trained(wrapped, metadata, digest, path, reused=True)


def guarded_network(
    network: Spec,
    shape: tuple[int, int, int],
    classes: int,
    trust_pickle: bool = False,
    handed: HandedNetwork | None = None,
) -> Trained:
    """Return a given network as it is run: behind a guard if it has external code."""
    given = given_network(network, shape, classes, trust_pickle, handed)
    return replace(given, network=guarded(given.network, shape, str(network)))


def in_order(trained: Trained, order: tuple[int, ...]) -> Trained:
    """Return a network whose outputs come in another order: class k is its output order[k]."""
    network = trained.network
    if isinstance(network, Guarded):
        network.network = nn.Sequential(network.network, Outputs(order))
    else:
        network = nn.Sequential(network, Outputs(order)).eval()
    origin = f"{trained.metadata['recipe']}, outputs in the order of the data's class names"
    digest = hashlib.sha256(f"{trained.sha256} {order}".encode()).hexdigest()
    return replace(
        trained, network=network, sha256=digest, metadata={**trained.metadata, "recipe": origin}
    )


class Outputs(nn.Module):
    """Take the outputs of a network in another order."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of logits [N, outputs]."""
        return logits[:, list(self.order)]


def _short(value: Value) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return f"[{', '.join(f'{v:.4g}' if isinstance(v, float) else str(v) for v in values)}]"

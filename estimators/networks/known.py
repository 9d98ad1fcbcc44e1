"""The name and parameters of a network, checked before torch is loaded."""

from __future__ import annotations

from pathlib import Path

from estimators.errors import InputError, unknown
from estimators.networks.huggingface.names import FAMILY as HUGGING_FACE
from estimators.networks.huggingface.names import check_name
from estimators.networks.registry import EVERY_NETWORK, FAMILIES, NETWORK_PATTERNS, NETWORKS
from estimators.plugins import installed, is_plugin
from estimators.spec import Spec
from estimators.training_spec import KEY, split_training

# values of `weights` that are no file
DEFAULT, NONE = "DEFAULT", "none"
# parameters of every network that the harness reads itself; the network never gets them
WRAPPING = (*EVERY_NETWORK.values, *EVERY_NETWORK.defaults)


def check_network(spec: Spec) -> None:
    """Raise InputError for an unknown network or parameter, and for a missing file of weights.

    No code of a network is imported. Names of a family, such as `torchvision:NAME`, and parameters
    of plug-ins are left to what builds them; of `hf:FOLDER` the files are looked at.
    """
    family, _, name = spec.name.partition(":")
    if family == HUGGING_FACE:
        check_name(name)
    if is_known(spec.name):
        architecture, _ = split_training(spec)
        if spec.name in NETWORKS:
            own = (*NETWORKS[spec.name].values, *NETWORKS[spec.name].defaults)
            for name in architecture.without(*WRAPPING).kwargs:
                if name not in own:
                    known = [*own, *WRAPPING, KEY]
                    raise unknown(f"parameter of the network {spec.name}", name, known)
    else:
        raise unknown_network(spec.name)
    weights = spec.get("weights")
    if isinstance(weights, str) and weights not in (DEFAULT, NONE) and not Path(weights).exists():
        raise InputError(f"network {spec.name}: weights {weights}: no such file; check the path")


def is_known(name: str) -> bool:
    """Return whether a name is one of the registry, of a family, or of a plug-in.

    Raises InputError for `package.module:factory` whose module is not found.
    """
    listed = name in NETWORKS or name.partition(":")[0] in FAMILIES
    return listed or is_plugin("networks", name)


def unknown_network(name: str) -> InputError:
    """Return the error for a name that no network has."""
    others = [found.name for found in installed("networks")]
    return unknown("network", name, [*NETWORKS, *NETWORK_PATTERNS, *others])

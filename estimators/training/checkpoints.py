"""The store of checkpoints: safetensors, named by a hash of data, network, recipe and seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from estimators.atomic import replace
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.given import Trained
from estimators.networks.registry import NETWORKS
from estimators.networks.weight_files import weights_hash
from estimators.spec import Spec
from estimators.training.recipes import Recipe
from estimators.training_spec import shortest

FORMAT = 1
LONGEST_NAME = 150
# what stands in place of the suffix of a checkpoint: its history, and the plot of that
HISTORY, CURVES = ".history.csv", ".curves.png"
SHIPPED = Path(__file__).parents[1] / "weights"
_TEXTS = ("key", "dataset", "train_sha256", "torch", "weights_sha256", "metadata_sha256")


def checkpoint_key(
    dataset: str, train_sha256: str, network: Spec, recipe: Recipe, seed: int
) -> str:
    """Return the hash that names a checkpoint: equal keys mean equal weights.

    They are equal to the last bit for the same number of torch threads: each thread adds up a part
    of a sum.
    """
    decides: dict[str, object] = {"format": FORMAT, "dataset": dataset, "seed": seed}
    decides |= {"train_sha256": train_sha256, "recipe": recipe.as_dict}
    decides["network"] = network.canonical()
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def shipped_file(dataset: str, network: Spec) -> Path:
    """Return where the shipped weights of a data set and a network are, if there are any."""
    full = f"{dataset}-{shortest(network)}"
    safe = "".join(c if c.isalnum() or c in "-_=.," else "_" for c in full)
    # a data set may be a path of any length; no shipped name is as long
    return SHIPPED / f"{safe[:LONGEST_NAME]}.safetensors"


def save_checkpoint(network: nn.Module, metadata: Mapping[str, object], path: Path) -> None:
    """Write weights and metadata as safetensors, whole or not at all."""
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}
    texts["weights_sha256"] = weights_hash(network)
    texts["metadata_sha256"] = _texts_hash(texts)
    content = save({k: v.contiguous() for k, v in network.state_dict().items()}, metadata=texts)
    replace(path, lambda temporary: temporary.write_bytes(content))


def load_checkpoint(path: Path, network: Spec | None = None) -> Trained:
    """Read weights that this project wrote, and build their network.

    network: the expected one. Without it the file may name only this project's own networks: a
        file cannot have code imported.

    Raises InputError for a file that is missing, damaged or of another program; the hashes of
    weights and metadata are checked.
    """
    with _opened(path) as file:
        texts = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    try:
        metadata = {k: v if k in _TEXTS else json.loads(v) for k, v in texts.items()}
        named = Spec.of(*metadata["network"])
        if named != network and named.name not in NETWORKS:
            raise KeyError(f"a network {named.name!r} that was not asked for")
        channels, height, width = metadata["shape"]
        model = build_network(named, (channels, height, width), len(metadata["classes"]))
        model.load_state_dict(tensors)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"checkpoint {path}: not written by `bench train` ({first})") from error
    digest = weights_hash(model)
    # the shipped weights are older than the second hash
    texts_hash = texts.get("metadata_sha256", _texts_hash(texts))
    if digest != metadata.get("weights_sha256") or texts_hash != _texts_hash(texts):
        raise InputError(f"checkpoint {path}: damaged (its hash differs); delete and train again")
    return Trained(model.eval(), metadata, digest, path, reused=True)


def read_key(path: Path) -> str | None:
    """Return the key that a checkpoint was written with; InputError as by `load_checkpoint`."""
    with _opened(path) as file:
        return (file.metadata() or {}).get("key")


def _opened(path: Path) -> Any:
    """Return safetensors' reader; InputError for a missing or damaged file."""
    try:
        return safe_open(str(path), framework="pt")
    except (OSError, SafetensorError) as error:
        message = f"checkpoint {path}: cannot be read ({error}); delete it and train again"
        raise InputError(message) from error


def _texts_hash(texts: dict[str, str]) -> str:
    """Return a SHA-256 of the metadata, which the hash of the weights does not cover."""
    hashed = {name: text for name, text in texts.items() if name != "metadata_sha256"}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()

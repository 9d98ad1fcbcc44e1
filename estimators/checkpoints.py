"""Weights on disk: safetensors, found by a hash of data, network, recipe and seed."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from estimators.datasets import load_images
from estimators.errors import InputError
from estimators.networks import build_network
from estimators.spec import Spec
from estimators.training import Recipe, recipe_for, train

FORMAT = 1
SHIPPED = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Trained:
    """A trained network and where its weights come from.

    network: in evaluation mode, on the CPU.
    metadata: data set, network, recipe, seed, hash of the training images, test accuracy.
    sha256: hash of the weights.
    path: the file that they were read from or written to.
    reused: True when they were loaded, False when they were trained just now.
    """

    network: nn.Module
    metadata: dict[str, Any]
    sha256: str
    path: Path
    reused: bool


def checkpoint_key(
    dataset: str, train_sha256: str, network: Spec, recipe: Recipe, seed: int
) -> str:
    """The hash that names a checkpoint: equal keys mean equal weights."""
    decides = {
        "format": FORMAT,
        "dataset": dataset,
        "train_sha256": train_sha256,
        "network": network.canonical(),
        "recipe": recipe.as_dict,
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def weights_hash(network: nn.Module) -> str:
    """SHA-256 of all weights and running statistics by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def default_cache() -> Path:
    """Where checkpoints are kept: `BENCH_CACHE_DIR`, or this user's cache folder."""
    named = os.environ.get("BENCH_CACHE_DIR")
    return (Path(named) if named else Path(platformdirs.user_cache_dir("art-bench"))) / "weights"


def trained_network(
    dataset: str,
    network: Spec,
    data_dir: Path | None = None,
    device: str = "cpu",
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Trained:
    """The network of a data set as `bench run` uses it: shipped, or cached, or trained now.

    Its training seed is 0, whatever seed a run has: that one draws images and noise.
    """
    file = shipped_file(dataset, network)
    if file.is_file():
        return load_checkpoint(file)
    return obtain(dataset, network, None, 0, data_dir, device, on_epoch=on_epoch)


def shipped_file(dataset: str, network: Spec) -> Path:
    """Where shipped weights of a data set and a network are, if there are any."""
    safe = "".join(c if c.isalnum() or c in "-_=.," else "_" for c in f"{dataset}-{network}")
    return SHIPPED / f"{safe}.safetensors"


def obtain(
    dataset: str,
    network: Spec,
    epochs: int | None,
    seed: int,
    data_dir: Path | None = None,
    device: str = "cpu",
    out: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Trained:
    """Load the checkpoint of a recipe, or train it and write it.

    epochs: None for the recipe's own number.
    out: the file to write; without it the checkpoint goes to the cache under its key. The history
        is written beside it as CSV.
    """
    images = load_images(dataset, "train", data_dir)
    recipe = recipe_for(dataset, network.name, epochs)
    key = checkpoint_key(dataset, images.sha256, network, recipe, seed)
    path = out if out is not None else default_cache() / f"{key[:24]}.safetensors"
    for candidate in (path, shipped_file(dataset, network)):
        if candidate.is_file():
            with safe_open_checked(candidate) as file:
                same = (file.metadata() or {}).get("key") == key
            if same:
                return load_checkpoint(candidate)
    test = load_images(dataset, "test", data_dir)
    model, history = train(
        lambda: build_network(network, images.shape, len(images.classes)),
        images, test, recipe, seed, device, on_epoch,
    )  # fmt: skip
    metadata = {
        "format": FORMAT,
        "key": key,
        "dataset": dataset,
        "network": [network.name, network.kwargs],
        "shape": list(images.shape),
        "classes": list(images.classes),
        "recipe": recipe.as_dict,
        "seed": seed,
        "train_sha256": images.sha256,
        "test_accuracy": float(history.test_accuracy.iloc[-1]),
        "torch": torch.__version__,
    }
    save_checkpoint(model, metadata, path)
    history.to_csv(path.with_suffix(".history.csv"), index=False, float_format="%.6g")
    return Trained(model, metadata, weights_hash(model), path, reused=False)


def save_checkpoint(network: nn.Module, metadata: dict[str, Any], path: Path) -> None:
    """Write weights and metadata as safetensors, whole or not at all."""
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}
    texts["weights_sha256"] = weights_hash(network)
    texts["metadata_sha256"] = _texts_hash(texts)
    content = save({k: v.contiguous() for k, v in network.state_dict().items()}, metadata=texts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        pass
    try:
        with open(file.name, "wb") as opened:
            opened.write(content)
            os.fsync(opened.fileno())
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError:
        os.unlink(file.name)  # a full disk is not helped by half a file
        raise


def load_checkpoint(path: Path) -> Trained:
    """Read weights that this project wrote, and the network that they belong to.

    Raises InputError for a missing, damaged or foreign file: the weights' own hash is checked.
    """
    with safe_open_checked(path) as file:
        texts = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    try:
        metadata = {k: v if k in _TEXTS else json.loads(v) for k, v in texts.items()}
        name, params = metadata["network"]
        channels, height, width = metadata["shape"]
        shape = (channels, height, width)
        network = build_network(Spec.of(name, params), shape, len(metadata["classes"]))
        network.load_state_dict(tensors)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"checkpoint {path}: not written by `bench train` ({first})") from error
    digest = weights_hash(network)
    # the shipped weights are older than the second hash
    told = texts.get("metadata_sha256", _texts_hash(texts))
    if digest != metadata.get("weights_sha256") or told != _texts_hash(texts):
        raise InputError(f"checkpoint {path}: damaged (its hash differs); delete and train again")
    return Trained(network.eval(), metadata, digest, path, reused=True)


def safe_open_checked(path: Path) -> Any:
    """safetensors' reader, with a missing or damaged file told in one line."""
    try:
        return safe_open(str(path), framework="pt")
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"checkpoint {path}: cannot be read ({error}); delete it and train again"
        ) from error


def _texts_hash(texts: dict[str, str]) -> str:
    """SHA-256 of the metadata: that of the weights does not cover them."""
    told = {name: text for name, text in texts.items() if name != "metadata_sha256"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def read_history(path: Path) -> pd.DataFrame:
    """The history that was written beside a checkpoint."""
    return pd.read_csv(path.with_suffix(".history.csv"))


_TEXTS = ("key", "dataset", "train_sha256", "torch", "weights_sha256", "metadata_sha256")

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

from estimators.data.registry import image_shape, load_images
from estimators.errors import InputError
from estimators.networks.external import (
    DEFAULT,
    NONE,
    WRAPPING,
    Found,
    code_hash,
    find_network,
    is_external,
)
from estimators.networks.input_layers import normalised
from estimators.networks.low_pass import behind_low_pass
from estimators.networks.registry import NETWORKS, build_network
from estimators.networks.weight_files import load_into, read_weights
from estimators.spec import Spec
from estimators.training.adversarial import shortest, split_training
from estimators.training.train import Recipe, recipe_for, train

FORMAT = 1
SHIPPED = Path(__file__).parents[1] / "weights"


@dataclass(frozen=True)
class Trained:
    """A trained network and where its weights come from.

    network: in evaluation mode, on the CPU.
    metadata: data set, network, recipe, seed, hash of the training images, test accuracy; of a
        network that was given, `recipe` is one line on its origin, the others are None.
    sha256: hash of the weights; of a network that was given, of its code too.
    path: the file that they were read from or written to, or that has the network's code.
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
    """The hash that names a checkpoint: equal keys mean equal weights.

    To the last bit on as many torch threads: sums are added up thread by thread.
    """
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
        if not isinstance(tensor, torch.Tensor):
            continue  # a module's "extra state" may be any object
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
    trust_pickle: bool = False,
) -> Trained:
    """The network of a data set as `bench run` uses it: given, shipped, cached, or trained now.

    Its training seed is 0, whatever seed a run has: that one draws images and noise.
    """
    if is_given(network):
        return given_network(network, *image_shape(dataset, data_dir), trust_pickle)
    file = shipped_file(dataset, network)
    if file.is_file():
        return load_checkpoint(file)
    return train_or_load(dataset, network, None, 0, data_dir, device, on_epoch=on_epoch)


def is_given(network: Spec) -> bool:
    """Whether a network comes with its weights, or names them: it is not trained for a run."""
    return network.get("weights") is not None or network.name not in NETWORKS


def given_network(
    network: Spec, shape: tuple[int, int, int], classes: int, trust_pickle: bool = False
) -> Trained:
    """A network as its author made it, or with the weights that its spec names.

    network: `weights` is a file, `DEFAULT` for the author's own or `none` for random ones; without
        it a factory's network is used as it is, torchvision's and its like with their own weights.
    trust_pickle: as in `weight_files.read_weights`.

    Raises InputError where the network or its weights cannot be had.
    """
    weights = network.get("weights", DEFAULT)
    if not isinstance(weights, str):
        raise InputError(f"network {network}: weights must be a file, {DEFAULT} or {NONE}")
    from_file = weights not in (DEFAULT, NONE)
    bare = network.without(*WRAPPING, "low_pass")
    with torch.random.fork_rng(devices=[]):
        foreign = is_external(bare.name)  # imports it, which may draw random numbers too
        # a network that starts at random is the same one in every run
        torch.manual_seed(0)
        if foreign:
            found = find_network(bare, shape, classes, NONE if from_file else weights)
        else:
            found = Found(build_network(bare, shape, classes), f"{bare}, untrained", bare.name)
    mean, std = network.get("mean", found.mean), network.get("std", found.std)
    sigma: Any = network.get("low_pass", 0)
    wrapped = normalised(found.network, mean, std, shape[0], bare.name)
    wrapped = behind_low_pass(wrapped, sigma, shape)
    origin, path = found.origin, Path(found.source)
    if from_file:
        path = Path(weights)
        state = read_weights(path, trust_pickle)
        # what `bench train` wrote has the normalisation in it
        whole = state.keys() == wrapped.state_dict().keys()
        load_into(wrapped if whole else found.network, state, f"weights {path}")
        origin = f"{bare}, weights from {path.name}"
    wrapped.eval()
    both = weights_hash(wrapped) + code_hash(wrapped, bare.name)
    digest = hashlib.sha256(both.encode()).hexdigest()
    metadata = {"recipe": origin, "seed": None, "test_accuracy": None}
    return Trained(wrapped, metadata, digest, path, reused=True)


def shipped_file(dataset: str, network: Spec) -> Path:
    """Where shipped weights of a data set and a network are, if there are any."""
    full = f"{dataset}-{shortest(network)}"
    safe = "".join(c if c.isalnum() or c in "-_=.," else "_" for c in full)
    return SHIPPED / f"{safe}.safetensors"


def train_or_load(
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
    if network.get("weights") is not None:
        raise InputError(f"network {network}: is trained from its first weights; leave out weights")
    images = load_images(dataset, "train", data_dir)
    recipe = recipe_for(dataset, network, epochs)
    decides, _ = split_training(network)
    if network.name not in NETWORKS:
        start = build_network(network, images.shape, len(images.classes))
        if not any(p.requires_grad for p in start.parameters()):
            raise InputError(f"network {network}: has no weights that train")
        # a factory's code may change under its name
        decides = Spec.of(decides.name, decides.kwargs, code=code_hash(start, network.name))
    key = checkpoint_key(dataset, images.sha256, decides, recipe, seed)
    path = out if out is not None else default_cache() / f"{key[:24]}.safetensors"
    for candidate in (path, shipped_file(dataset, network)):
        if candidate.is_file():
            with safe_open_checked(candidate) as file:
                same = (file.metadata() or {}).get("key") == key
            if same:
                return load_checkpoint(candidate, network)
    test = load_images(dataset, "test", data_dir)
    model, history = train(
        lambda: build_network(network, images.shape, len(images.classes)),
        images,
        test,
        recipe,
        seed,
        device,
        on_epoch,
    )
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


def load_checkpoint(path: Path, network: Spec | None = None) -> Trained:
    """Read weights that this project wrote, and the network that they belong to.

    network: the one that is expected. Without it the file may name this project's own networks
        alone: no code is imported on a file's word.

    Raises InputError for a missing, damaged or foreign file: the weights' own hash is checked.
    """
    with safe_open_checked(path) as file:
        texts = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    try:
        metadata = {k: v if k in _TEXTS else json.loads(v) for k, v in texts.items()}
        named = Spec.of(*metadata["network"])
        if named != network and named.name not in NETWORKS:
            raise KeyError(f"a network {named.name!r} that was not asked for")
        channels, height, width = metadata["shape"]
        shape = (channels, height, width)
        model = build_network(named, shape, len(metadata["classes"]))
        model.load_state_dict(tensors)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"checkpoint {path}: not written by `bench train` ({first})") from error
    digest = weights_hash(model)
    # the shipped weights are older than the second hash
    told = texts.get("metadata_sha256", _texts_hash(texts))
    if digest != metadata.get("weights_sha256") or told != _texts_hash(texts):
        raise InputError(f"checkpoint {path}: damaged (its hash differs); delete and train again")
    return Trained(model.eval(), metadata, digest, path, reused=True)


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

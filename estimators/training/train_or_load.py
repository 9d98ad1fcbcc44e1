"""Trained networks: loaded where a checkpoint has the same key, trained where none has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from estimators.data.load import image_shape, load_images
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.external import code_hash
from estimators.networks.given import Trained, guarded_network, is_given
from estimators.networks.registry import NETWORKS
from estimators.networks.weight_files import default_cache, weights_hash
from estimators.spec import Spec
from estimators.training import checkpoints
from estimators.training.checkpoints import checkpoint_key, load_checkpoint, shipped_file
from estimators.training.recipes import recipe_for
from estimators.training.train import train
from estimators.training_spec import split_training


def trained_network(
    dataset: str,
    network: Spec,
    data_dir: Path | None = None,
    device: str = "cpu",
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    trust_pickle: bool = False,
) -> Trained:
    """Return the network of a data set as `bench run` uses it: given, shipped, cached or trained.

    Its training seed is 0: the seed of a run draws images and noise only.
    """
    if is_given(network):
        shape, classes = image_shape(dataset, data_dir)
        return guarded_network(network, shape, classes, trust_pickle)
    file = shipped_file(dataset, network)
    if file.is_file():
        return load_checkpoint(file)
    return train_or_load(dataset, network, None, 0, data_dir, device, on_epoch=on_epoch)


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
        text = "training starts from random weights; leave out weights"
        raise InputError(f"network {network}: {text}")
    images = load_images(dataset, "train", data_dir)
    recipe = recipe_for(dataset, network, epochs)
    decides, _ = split_training(network)
    build = partial(build_network, network, images.shape, len(images.classes))
    if network.name not in NETWORKS:
        start = build()
        if not any(p.requires_grad for p in start.parameters()):
            raise InputError(f"network {network}: has no weights that train")
        # a factory's code may change under its name
        decides = Spec.of(decides.name, decides.kwargs, code=code_hash(start, network.name))
    key = checkpoint_key(dataset, images.fingerprint, decides, recipe, seed)
    path = out if out is not None else default_cache() / f"{key[:24]}.safetensors"
    for candidate in (path, shipped_file(dataset, network)):
        if candidate.is_file() and checkpoints.read_key(candidate) == key:
            return load_checkpoint(candidate, network)
    test = load_images(dataset, "test", data_dir)
    model, history = train(build, images, test, recipe, seed, device, on_epoch)
    metadata = {
        "format": checkpoints.FORMAT,
        "key": key,
        "dataset": dataset,
        "network": [network.name, network.kwargs],
        "shape": list(images.shape),
        "classes": list(images.classes),
        "recipe": recipe.as_dict,
        "seed": seed,
        "train_sha256": images.fingerprint,
        "test_accuracy": float(history.test_accuracy.iloc[-1]),
        "torch": torch.__version__,
    }
    checkpoints.save_checkpoint(model, metadata, path)
    history.to_csv(path.with_suffix(".history.csv"), index=False, float_format="%.6g")
    return Trained(model, metadata, weights_hash(model), path, reused=False)

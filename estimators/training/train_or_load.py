"""Trained networks: loaded where a checkpoint has the same key, trained where none has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from estimators.atomic import replace_entries, sweep
from estimators.data.load import image_shape, known_shape, load_images
from estimators.errors import InputError, check_utf8
from estimators.networks.build import build_network
from estimators.networks.cache_folder import default_cache
from estimators.networks.external import code_hash
from estimators.networks.given import Trained, guarded_network, is_given
from estimators.networks.registry import NETWORKS
from estimators.networks.weight_files import weights_hash
from estimators.spec import Spec
from estimators.training import checkpoints
from estimators.training.checkpoints import (
    CURVES,
    HISTORY,
    checkpoint_key,
    load_checkpoint,
    shipped_file,
)
from estimators.training.precision import fitted, provenance, trial_of
from estimators.training.recipes import Recipe, recipe_for
from estimators.training.splits import check_splits
from estimators.training.train import train
from estimators.training_spec import split_training
from estimators.writable import check_folder, check_new_file


def trained_network(
    dataset: str,
    network: Spec,
    data_dir: Path | None = None,
    device: str = "cpu",
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    trust_pickle: bool = False,
    on_share: Callable[[float], None] | None = None,
) -> Trained:
    """Return the network of a data set as `bench run` uses it: given, shipped, cached or trained.

    Its training seed is 0: the seed of a run draws images and noise only.
    on_epoch, on_share: as in `train`.
    """
    if is_given(network):
        shape, classes = image_shape(dataset, data_dir)
        return guarded_network(network, shape, classes, trust_pickle)
    file = shipped_file(dataset, network)
    if file.is_file():
        return load_checkpoint(file)
    return train_or_load(dataset, network, None, 0, data_dir, device, None, on_epoch, on_share)


def train_or_load(
    dataset: str,
    network: Spec,
    epochs: int | None,
    seed: int,
    data_dir: Path | None = None,
    device: str = "cpu",
    out: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_share: Callable[[float], None] | None = None,
    force: bool = False,
    every_epoch: bool = True,
) -> Trained:
    """Load the checkpoint of a recipe, or train it and write it.

    epochs: None for the recipe's own number.
    out: the file to write; without it the checkpoint goes to the cache under its key. The history
        is written beside it as CSV.
    force: overwrite `out`, and the files beside it, where they are of another training.

    on_epoch, on_share, every_epoch: as in `train`.

    A recipe in bfloat16 is trained in float32 where bfloat16 is slow (`training.precision`). What
    was trained by the recipe itself, here or elsewhere, is loaded on every machine.

    Raises InputError, before training, where the checkpoint cannot be written, for files that
    would be overwritten without `force`, and for splits that differ in classes or shape.
    """
    if network.get("weights") is not None:
        text = "training starts from random weights; leave out weights"
        raise InputError(f"network {network}: {text}")
    images = load_images(dataset, "train", data_dir)
    test = None
    # of a known data set the test images are read for a training only
    if known_shape(dataset) is None:
        test = load_images(dataset, "test", data_dir)
        check_splits(images, test, dataset)
    recipe = recipe_for(dataset, network, epochs)
    decides, _ = split_training(network)
    build = partial(build_network, network, images.shape, len(images.classes))
    if network.name not in NETWORKS:
        start = build()
        if not any(p.requires_grad for p in start.parameters()):
            raise InputError(f"network {network}: has no weights that train")
        # a factory's code may change under its name
        decides = Spec.of(decides.name, decides.kwargs, code=code_hash(start, network.name))

    def finished(recipe: Recipe) -> tuple[str, Path, Trained | None]:
        key = checkpoint_key(dataset, images.fingerprint, decides, recipe, seed)
        path = out if out is not None else default_cache() / f"{key[:24]}.safetensors"
        for candidate in (path, shipped_file(dataset, network)):
            if candidate.is_file() and _key(candidate, candidate == out) == key:
                return key, path, load_checkpoint(candidate, network)
        return key, path, None

    asked, trial = recipe, None
    key, path, loaded = finished(recipe)
    if loaded is None and recipe.bfloat16:
        trial = trial_of(device)
        recipe = fitted(recipe, trial)
        key, path, loaded = finished(recipe)
    if loaded is not None:
        return loaded
    if out is None:
        where = f"folder of trained networks {path.parent}"
        check_folder(path.parent, where, "set BENCH_CACHE_DIR to another folder")
    else:
        _check_free(out, force)
    sweep(path.parent)
    if test is None:
        test = load_images(dataset, "test", data_dir)
        check_splits(images, test, dataset)
    hooks = on_epoch, on_share
    model, history = train(build, images, test, recipe, seed, device, *hooks, every_epoch)
    metadata = {
        "format": checkpoints.FORMAT,
        "key": key,
        "dataset": dataset,
        "network": [network.name, network.kwargs],
        "shape": list(images.shape),
        "classes": list(images.classes),
        "recipe": recipe.as_dict,
        "precision": provenance(asked, recipe, trial),
        "seed": seed,
        "train_sha256": images.fingerprint,
        "test_accuracy": float(history.test_accuracy.iloc[-1]),
        "torch": torch.__version__,
    }
    # the plot of earlier weights; whoever asked for this training draws a new one
    path.with_suffix(CURVES).unlink(missing_ok=True)
    history_file = path.with_suffix(HISTORY).name

    def fill(side: Path) -> None:
        history.to_csv(side / history_file, index=False, float_format="%.6g")
        checkpoints.save_checkpoint(model, metadata, side / path.name)

    # the checkpoint last: with it a training counts as finished
    order = history_file, path.name
    replace_entries(path.parent, fill, dict.fromkeys(order, lambda name: False))
    return Trained(model, metadata, weights_hash(model), path, reused=False)


def _key(path: Path, chosen: bool) -> str | None:
    """Return the key of a checkpoint; None where the user chose a file that is none."""
    try:
        return checkpoints.read_key(path)
    except InputError:
        if chosen:
            return None
        raise


def _check_free(out: Path, force: bool) -> None:
    """Raise InputError where a checkpoint cannot be written, or would overwrite other files."""
    check_utf8("--out", str(out))  # what reads checkpoints takes no other name
    check_new_file(out, f"--out {out}")
    files = (out, out.with_suffix(HISTORY), out.with_suffix(CURVES))
    taken = [file.name for file in files if file.exists()]
    if taken and not force:
        raise InputError(
            f"--out {out}: {', '.join(taken)} would be overwritten and is not of this training;"
            " name another file, or add --force"
        )

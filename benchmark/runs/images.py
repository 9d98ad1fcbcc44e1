"""The images of a run: in the size that the networks declare, with the classes that they know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from estimators.data.folder import uniform_size
from estimators.data.folders.class_order import reordered
from estimators.data.geometry import (
    FOLDER,
    SIZED,
    Geometry,
    hf_choices,
    split_options,
    with_geometry,
)
from estimators.data.handed.huggingface import uniform_size as uniform_size_of_saved
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.interrupts import contained
from estimators.networks.external import declared_geometry
from estimators.networks.own_labels import own_labels
from estimators.spec import Spec


def with_declared_size(name: str, networks: Iterable[Spec]) -> tuple[str, str]:
    """Return the name of a data set with the size that its networks declare, and a note on it.

    The note is empty where nothing changes: another data set than a folder of photos, options in
    the name, photos that all have the size already, networks that declare none.

    Raises InputError for networks that declare different sizes.
    """
    family = name.partition(":")[0]
    if family not in SIZED or split_options(name)[1] is not None:
        return name, ""
    declared: dict[Geometry, Spec] = {}
    for network in networks:
        geometry = declared_geometry(network)
        if geometry is not None:
            declared.setdefault(geometry, network)
    if not declared:
        return name, ""
    if len(declared) > 1:
        sizes = ", ".join(f"{network} {geometry}" for geometry, network in declared.items())
        raise InputError(
            f"data set {name}: its networks declare different sizes ({sizes}); run them one by"
            f" one, or choose one: {family}:PATH[resize=...,crop=...]"
        )
    ((geometry, network),) = declared.items()
    side = geometry.crop
    size = _uniform_size(name)
    if side is not None and size == (side, side):
        return name, ""
    return with_geometry(name, geometry), f"photos brought to {geometry}, as {network} declares"


def _uniform_size(name: str) -> tuple[int, int] | None:
    """Return height and width of the photos of a data set; None where they differ."""
    family, _, path = name.partition(":")
    if family == FOLDER:
        return uniform_size(Path(path), "test")
    return uniform_size_of_saved(
        Path(split_options(name)[0].partition(":")[2]), "test", hf_choices(name)
    )


def output_order(images: Images, network: nn.Module, spec: Spec) -> tuple[int, ...] | None:
    """Return the output of a network for each class of the data, by its own labels.

    None where the order is the same already, and where the labels are not the names of the classes.
    """
    labels = own_labels(spec, network)
    if images.class_source != "names" or len(labels) != len(images.classes):
        return None
    position = reordered(images.classes, labels)
    return None if position == tuple(range(len(labels))) else position


def with_classes_of(images: Images, network: nn.Module, spec: Spec) -> tuple[Images, str]:
    """Return images with the classes that a network has, and a note where these changed.

    Classes that were counted from the labels become as many as the network has outputs. The order
    of folders without a file of classes becomes that of the network's own labels, where these
    contain the names of the folders; so does that of classes with names, of which the network has
    more.

    Raises InputError for labels that begin at 1, and for folders whose outputs are unknown.
    """
    outputs = _outputs(network, images.shape)
    labels = own_labels(spec, network)
    fewer = images.class_source == "names" and len(images.classes) < len(labels)
    known = bool(labels) and outputs in (None, len(labels))
    if known and (images.class_source == "folders" or fewer):
        position = reordered(images.classes, labels)
        if position is not None:
            note = f"class order from the labels of {spec}: {len(labels)} classes"
            y = np.array(position, dtype=np.int64)[images.y]
            ordered = replace(images, y=y, classes=_unique(labels), class_source="names")
            # the first note of folders says the order that is no more
            kept = images.notes if fewer else images.notes[1:]
            return replace(ordered, notes=(note, *kept)), note
    if outputs is None:
        return images, ""
    count = len(images.classes)
    if images.class_source == "folders" and outputs > count:
        raise InputError(
            f"network {spec}: has {outputs} outputs, the folder has {count} classes"
            f" ({', '.join(images.classes[:3])}, ...): which outputs these are is unknown; put a"
            " file classes.txt beside the folders, one folder name per line in the order of the"
            f" {outputs} outputs"
        )
    if images.class_source == "labels" and outputs != count:
        if outputs == count - 1 and images.y.min() == 1:
            raise InputError(
                f"network {spec}: has {outputs} outputs, and the labels of the data run from 1 to"
                f" {outputs}; expected 0 to {outputs - 1}: subtract 1 from them"
            )
        if outputs < count:
            raise InputError(
                f"network {spec}: has {outputs} outputs, and the labels of the data run up to"
                f" {count - 1}; expected 0 to {outputs - 1}"
            )
        if outputs > count:
            classes = tuple(str(c) for c in range(outputs))
            note = f"{outputs} classes, the outputs of {spec} (the largest label is {count - 1})"
            notes = (*images.notes, note)
            return replace(images, classes=classes, class_source="names", notes=notes), note
    return images, ""


def _outputs(network: nn.Module, shape: tuple[int, int, int]) -> int | None:
    """Return the number of a network's outputs; None where it does not take such images."""
    try:
        with contained(), torch.no_grad():
            out = network(torch.full((2, *shape), 0.5))
    except Exception:
        # external code may raise anything; the checks that follow say it
        return None
    return int(out.shape[1]) if isinstance(out, torch.Tensor) and out.ndim == 2 else None


def _unique(labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels with their number where two are equal: ImageNet has two cranes."""
    return tuple(
        f"{label} ({at})" if labels.count(label) > 1 else label for at, label in enumerate(labels)
    )

"""The class names that a network brings with it."""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

from estimators.spec import Spec


def own_labels(spec: Spec, network: nn.Module) -> tuple[str, ...]:
    """Return the class names of a network in the order of its outputs; empty where it has none.

    They stand in the `meta["categories"]` of torchvision's weights, and in an attribute of the
    network or of a part of it: `labels` or `categories` (a list of texts), `config.id2label` as
    Hugging Face has it (a mapping), `pretrained_cfg["label_names"]` as timm has it.
    """
    family, _, name = spec.name.partition(":")
    if family == "torchvision" and spec.get("weights", "DEFAULT") == "DEFAULT":
        try:
            models = importlib.import_module("torchvision.models")
            meta: dict[str, Any] = models.get_model_weights(name).DEFAULT.meta
        except (ValueError, AttributeError):
            return ()
        return _texts(meta.get("categories"))
    for part in network.modules():
        trained = _attribute(part, "pretrained_cfg")
        for candidate in (
            _attribute(part, "labels"),
            _attribute(part, "categories"),
            _attribute(_attribute(part, "config"), "id2label"),
            trained.get("label_names") if isinstance(trained, dict) else None,
        ):
            if texts := _texts(candidate):
                return texts
    return ()


def _attribute(thing: object, name: str) -> object:
    """Return an attribute; None where there is none, or where reading it fails."""
    try:
        value: object = getattr(thing, name)
    except Exception:
        # a property of external code may raise anything
        return None
    return value


def _texts(value: object) -> tuple[str, ...]:
    """Return a list of texts, or a mapping from 0, 1, 2, ... to texts; else nothing."""
    if isinstance(value, dict):
        try:
            numbered = {int(key): text for key, text in value.items()}
        except (TypeError, ValueError):
            return ()
        if sorted(numbered) != list(range(len(numbered))):
            return ()
        value = [numbered[at] for at in range(len(numbered))]
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        # transformers numbers the classes of a network without names: LABEL_0
        unnamed = all(text == f"LABEL_{at}" for at, text in enumerate(value))
        return () if unnamed else tuple(value)
    return ()

"""The networks that a caller hands over or names, each under the name that results give it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from art.estimators import BaseEstimator
from torch import nn

from benchmark.api.entries import entry, several
from benchmark.grids.names import names as known_names
from estimators.errors import InputError
from estimators.networks.handed.art_classifiers import Span, from_classifier
from estimators.networks.handed.network import HandedNetwork, plain_module
from estimators.spec import Spec, Value

UNIT: Span = (0.0, 1.0)
# what stands in the results; `:[]=,` and slashes have a meaning in names
_NAME = re.compile(r"[A-Za-z0-9][\w .()-]{0,79}", flags=re.ASCII)


@dataclass(frozen=True)
class Networks:
    """The networks of an evaluation.

    entries: as a grid has them. handed: those that are objects, by name.
    span: the range of float pixels that they were made for; of a classifier of ART its clip values.
    """

    entries: list[dict[str, Any]]
    handed: dict[str, HandedNetwork]
    span: Span = UNIT


def networks_of(model: Any, name: str | None, mean: Any, std: Any) -> Networks:
    """Return the networks that a caller means.

    model: a torch.nn.Module, a PyTorchClassifier of ART, the name of a network, a list of these,
        or a mapping from names to objects. name: of a single object; by default its class.
    mean, std: of all objects, as numbers or one per channel.

    Raises InputError for anything else, for a name that is taken, and for mean and std beside a
    classifier of ART that has its own.
    """
    things = _named(model, name)
    entries: list[dict[str, Any]] = []
    handed: dict[str, HandedNetwork] = {}
    spans: set[Span] = set()
    layer = _numbers(mean, "mean"), _numbers(std, "std")
    for called, thing in things:
        if called is None:
            if not isinstance(thing, (str, Spec, Mapping)):
                raise _no_network("model", thing)
            own = entry(thing, "networks")
            for param, value in zip(("mean", "std"), layer, strict=True):
                if value is not None:
                    own.setdefault(param, list(value) if isinstance(value, tuple) else value)
            entries.append(own)
            continue
        if called in handed:
            raise InputError(
                f"network {called}: two have this name; pass a mapping from names to networks"
            )
        network, span = _handed(thing, called)
        if layer != (None, None):
            if (network.mean, network.std) != (None, None):
                text = "its classifier has a standardisation or clip values already"
                raise InputError(f"network {called}: {text}; leave out mean and std")
            network = replace(network, mean=layer[0], std=layer[1])
        handed[called] = network
        spans.add(span)
        entries.append({"name": called})
    if len(spans) > 1:
        raise InputError(f"networks with different clip_values ({sorted(spans)}): run each alone")
    return Networks(entries, handed, *spans)


def checked_name(name: object, key: str, what: str) -> str:
    """Return a name for an object; InputError for one that means something already.

    key: of a grid file, whose names are taken. what: what it is, for messages.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        expected = "expected letters, digits, spaces and .-_() of at most 80"
        raise InputError(f"{what} name {name!r}: {expected}")
    if name in known_names(key):
        raise InputError(f"{what} name {name!r}: is the name of another {what}; choose a new one")
    return name


def _named(model: Any, name: str | None) -> list[tuple[str | None, Any]]:
    """Return things with their names; None for a thing that is a name itself."""
    if isinstance(model, Mapping) and "name" not in model:
        if name is not None:
            raise InputError("network: the mapping has the names already; leave it out")
        if not model:
            raise InputError("model: an empty mapping; name at least one network")
        return [(checked_name(key, "networks", "network"), model[key]) for key in model]
    if _is_object(model):
        return [(_name_of(model, name), model)]
    if name is not None:
        raise InputError(f"network: {name!r} names an object, and the model is a name already")
    things = several(model) if isinstance(model, (str, Spec, Mapping, list, tuple)) else [model]
    if not things:
        raise InputError("model: an empty list; name at least one network")
    return [(_name_of(thing, None) if _is_object(thing) else None, thing) for thing in things]


def _is_object(thing: Any) -> bool:
    return isinstance(thing, (nn.Module, BaseEstimator))


def _name_of(thing: Any, name: str | None) -> str:
    """Return the name of an object: the given one, or that of its class."""
    if name is not None:
        return checked_name(name, "networks", "network")
    inner = thing if isinstance(thing, nn.Module) else getattr(thing, "model", thing)
    own = type(plain_module(inner) if isinstance(inner, nn.Module) else inner).__name__
    return own if _NAME.fullmatch(own) and own not in known_names("networks") else "model"


def _handed(thing: Any, name: str) -> tuple[HandedNetwork, Span]:
    if isinstance(thing, nn.Module):
        return HandedNetwork(thing), UNIT
    if isinstance(thing, BaseEstimator):
        return from_classifier(thing, name)
    raise _no_network(f"network {name}", thing)


def _no_network(where: str, thing: Any) -> InputError:
    if isinstance(thing, type) and issubclass(thing, nn.Module):
        return InputError(f"{where}: is a class; make a network of it: {thing.__name__}(...)")
    expected = "expected a torch.nn.Module, a PyTorchClassifier of ART, or a name"
    return InputError(f"{where}: {expected}, got {type(thing).__name__}")


def _numbers(value: Any, what: str) -> Value:
    """Return mean or std as a spec has it: a number, or a tuple of one per channel."""
    if value is None or isinstance(value, (int, float)):
        return value
    listed = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(listed, (int, float)):
        return listed
    return tuple(map(float, _flat(listed, what)))


def _flat(listed: Any, what: str) -> list[Any]:
    """Return numbers in a list; those of an array [C, 1, 1] one by one."""
    found: list[Any] = []
    waiting = [listed]
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, (list, tuple)):
            waiting = [*value, *waiting]
        elif isinstance(value, (int, float)):
            found.append(value)
        else:
            got = type(value).__name__
            raise InputError(f"{what}: expected a number, or one per channel, got {got}")
    return found

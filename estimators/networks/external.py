"""External networks: a factory or module by dotted name or plug-in, a package's model zoo."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from estimators.data.geometry import Geometry
from estimators.entries import NetworkEntry
from estimators.errors import InputError, unknown
from estimators.interrupts import contained
from estimators.networks.copies.copying import copied
from estimators.networks.declared import declared_by, family_geometry
from estimators.networks.known import DEFAULT, unknown_network
from estimators.networks.programs import as_module, program_sha256, programs_in
from estimators.networks.registry import EVERY_NETWORK, FAMILIES, NETWORKS
from estimators.plugins import builder, describe_error, entry_of, plugin
from estimators.source_code import modules_sha256
from estimators.spec import Spec, Value


@dataclass(frozen=True)
class ExternalNetwork:
    """A network as its author made it, without the layers that the harness puts before it.

    network: in evaluation mode, float32, on the CPU.
    origin: one line on where it comes from.
    source: the file that holds its code, or the package.
    mean, std: the normalisation that its own weights were trained with, where it is known.
    geometry: how photos become images of its size, where it is known.
    sizing: a layer that brings images to its size, before they are normalised; None for no such.
    """

    network: nn.Module
    origin: str
    source: str
    mean: Value = None
    std: Value = None
    geometry: Geometry | None = None
    sizing: nn.Module | None = None


# the builder of a family: called with name, spec (`family:name`), shape, classes, pretrained
Finder = Callable[[str, Spec, tuple[int, int, int], int, bool], ExternalNetwork]


def is_external(name: str) -> bool:
    """Return whether a name stands for an external network; a family may still not know it."""
    return name.partition(":")[0] in FAMILIES or plugin("networks", name) is not None


def network_entry(name: str) -> NetworkEntry | None:
    """Return the row of a network or of its family, or a plug-in's entry; None for other names."""
    family = name.partition(":")[0]
    if family in FAMILIES:
        return FAMILIES[family]
    return entry_of("networks", name, NETWORKS, NetworkEntry)


def find_network(
    spec: Spec, shape: tuple[int, int, int], classes: int, weights: str
) -> ExternalNetwork:
    """Return the network that a spec names, for images of a shape (C, H, W).

    spec: without the parameters that every network takes.
    weights: `DEFAULT` for those of its author, `none` for a network that will be trained or
        filled. A factory makes the same network either way.

    Raises InputError for an unknown name, a package that is not installed, unavailable weights, a
    factory that raises or returns no nn.Module.
    """
    family, _, name = spec.name.partition(":")
    if family in FAMILIES:
        find: Finder = FAMILIES[family].load()
        return find(name, spec, shape, classes, weights == DEFAULT)
    if spec.name in NETWORKS:
        entry = NETWORKS[spec.name]
        network = call_factory(entry.load(), spec, shape, classes, entry.defaults)
        return ExternalNetwork(network.eval(), f"{spec}, untrained", spec.name)
    if not is_external(spec.name):
        raise unknown_network(spec.name)
    return _from_factory(spec, shape, classes)


def call_factory(
    factory: Callable[..., Any],
    spec: Spec,
    shape: tuple[int, int, int],
    classes: int,
    defaults: Mapping[str, Value],
) -> nn.Module:
    """Return the network that a factory makes.

    `shape` and `classes` go to factories that have these parameters; the spec's parameters go
    before the defaults.
    """
    try:
        known = inspect.signature(factory).parameters
    except (TypeError, ValueError) as error:
        raise InputError(f"network {spec.name}: not a factory ({describe_error(error)})") from error
    offered = {"shape": shape, "classes": classes}
    own = [name for name in known if name not in offered]
    if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        for name in spec.kwargs:
            if name not in own:
                raise unknown(f"parameter of the network {spec.name}", name, own or ["(none)"])
    params = {**{k: v for k, v in offered.items() if k in known}, **defaults, **spec.kwargs}
    try:
        with contained():
            network = as_module(factory(**params))
    except InputError:
        raise
    except Exception as error:
        # external code may raise anything
        raise InputError(f"network {spec}: its factory failed ({describe_error(error)})") from error
    if not isinstance(network, nn.Module):
        got = type(network).__name__
        raise InputError(
            f"network {spec.name}: expected a torch.nn.Module from its factory, got {got}"
        )
    return network


def declared_geometry(spec: Spec) -> Geometry | None:
    """Return how photos become images of a network's size, where the network says so.

    Nothing is downloaded. A factory is called only where neither it nor its module says it, and
    where it needs neither `shape` nor `classes`.
    """
    family, _, name = spec.name.partition(":")
    if family in FAMILIES:
        return family_geometry(family, name) or declared_by(FAMILIES[family].load()).geometry
    thing = builder("networks", spec.name) if is_external(spec.name) else None
    if thing is None:
        return None
    declared = declared_by(thing)
    if declared.geometry is not None or isinstance(thing, nn.Module) or not callable(thing):
        return declared.geometry
    try:
        known = inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return None  # no factory, which loading it says
    needed = [n for n in ("shape", "classes") if n in known and known[n].default is known[n].empty]
    if needed:
        return None
    bare = spec.without(*EVERY_NETWORK.values, *EVERY_NETWORK.defaults)
    with torch.random.fork_rng(devices=[]):
        return _from_factory(bare, (3, 224, 224), 1000).geometry


def code_hash(network: nn.Module, name: str) -> str:
    """Return a SHA-256 of a network's layers and of the modules that hold its code.

    Modules of torch and of this package are left out. Modules that are not installed bring those
    that they import (`source_code.modules_sha256`). Together with the hash of the weights it tells
    a network from its changed code with the same weights.

    name: of the network in its spec; the module of its factory counts too.
    """
    modules = {type(m).__module__ for m in network.modules()}
    if name.partition(":")[0] not in FAMILIES:
        modules.add(str(getattr(builder("networks", name), "__module__", "")))
    digest = hashlib.sha256(repr(network).encode())
    for module in sorted(modules):
        if module.partition(".")[0] not in ("torch", "estimators", ""):
            digest.update(f"{module} {modules_sha256([module])}\n".encode())
    for program in programs_in(network):
        digest.update(program_sha256(program).encode())
    return digest.hexdigest()


def _from_factory(spec: Spec, shape: tuple[int, int, int], classes: int) -> ExternalNetwork:
    thing = as_module(builder("networks", spec.name))
    if isinstance(thing, nn.Module):
        if spec.params:
            raise InputError(f"network {spec}: a ready module takes no parameters")
        network, source = copied(thing, spec.name), _source(type(thing))
    elif callable(thing):
        entry = network_entry(spec.name)
        network = call_factory(thing, spec, shape, classes, entry.defaults if entry else {})
        source = _source(thing)
    else:
        raise InputError(
            f"network {spec.name}: expected a factory of networks or a torch.nn.Module,"
            f" got {type(thing).__name__}"
        )
    declared = declared_by(network, thing)
    try:
        with contained():
            network = network.float().cpu().eval()
    except Exception as error:
        # modules override train(), and graphs of torch.export within others refuse it
        raise InputError(f"network {spec}: its eval() failed ({describe_error(error)})") from error
    return ExternalNetwork(
        network, spec.name, source, declared.mean, declared.std, declared.geometry
    )


def _source(thing: Any) -> str:
    try:
        return Path(inspect.getfile(thing)).name
    except (OSError, TypeError):
        return str(getattr(thing, "__module__", "")) or type(thing).__name__

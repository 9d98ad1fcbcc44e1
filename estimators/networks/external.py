"""Networks of others: a factory by dotted name or plug-in, torchvision's, timm's, RobustBench's."""

from __future__ import annotations

import copy
import difflib
import hashlib
import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from estimators.errors import InputError, unknown
from estimators.networks.input_layers import GreyToColour
from estimators.networks.weight_files import pickles_as_data
from estimators.plugins import FAMILIES, plugin, told
from estimators.source_code import modules_sha256
from estimators.spec import Spec, Value

# parameters of every network that the harness reads itself; the network never sees them
WRAPPING = ("weights", "mean", "std")
DEFAULT, NONE = "DEFAULT", "none"


@dataclass(frozen=True)
class Found:
    """A network as its author made it, without the layers that the harness puts before it.

    network: in evaluation mode, float32, on the CPU.
    origin: one line on where it comes from.
    source: the file that its code is in, or the package.
    mean, std: the normalisation that its own weights were trained with, where they are known.
    """

    network: nn.Module
    origin: str
    source: str
    mean: Value = None
    std: Value = None


def is_external(name: str) -> bool:
    """Whether a name stands for a network of others (it may still be unknown)."""
    return name.partition(":")[0] in FAMILIES or plugin("networks", name) is not None


def find_network(spec: Spec, shape: tuple[int, int, int], classes: int, weights: str) -> Found:
    """The network of others that a spec names, for images of a shape (C, H, W).

    spec: without the parameters in WRAPPING.
    weights: `DEFAULT` for those of its author, `none` for a network that is yet to be trained or
        filled. A factory makes what it makes, whatever is said here.

    Raises InputError for a package that is not there, weights that cannot be had, a factory that
    raises or that makes no nn.Module.
    """
    family, _, name = spec.name.partition(":")
    if family in FAMILIES:
        return _FINDERS[family](name, spec, shape[0], classes, weights == DEFAULT)
    return _from_factory(spec, shape, classes)


def call_factory(
    factory: Callable[..., Any], spec: Spec, shape: tuple[int, int, int], classes: int
) -> nn.Module:
    """The network that a factory makes; `shape` and `classes` go to those that ask for them."""
    try:
        known = inspect.signature(factory).parameters
    except (TypeError, ValueError) as error:
        raise InputError(f"network {spec.name}: not a factory ({told(error)})") from error
    given = {"shape": shape, "classes": classes}
    own = [name for name in known if name not in given]
    if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        for name in spec.kwargs:
            if name not in own:
                raise unknown(f"parameter of the network {spec.name}", name, own or ["(none)"])
    params = {**{k: v for k, v in given.items() if k in known}, **spec.kwargs}
    try:
        network = factory(**params)
    except InputError:
        raise
    except Exception as error:
        # code of others may raise anything
        raise InputError(f"network {spec}: its factory failed ({told(error)})") from error
    if not isinstance(network, nn.Module):
        raise InputError(
            f"network {spec.name}: its factory gave {type(network).__name__},"
            " wanted a torch.nn.Module"
        )
    return network


def code_hash(network: nn.Module, name: str) -> str:
    """SHA-256 of a network's layers and of every module that has code of it, ours and torch's not.

    Modules that are not installed bring those that they import (`source_code.modules_sha256`).
    Beside the weights' hash it tells a network from its changed code, whose weights are the same.

    name: the network's name in its spec; the module of its factory counts too.
    """
    modules = {type(m).__module__ for m in network.modules()}
    if name.partition(":")[0] not in FAMILIES:
        modules.add(str(getattr(plugin("networks", name), "__module__", "")))
    digest = hashlib.sha256(repr(network).encode())
    for module in sorted(modules):
        if module.partition(".")[0] in ("torch", "estimators", ""):
            continue
        digest.update(f"{module} {modules_sha256([module])}\n".encode())
    return digest.hexdigest()


def _from_factory(spec: Spec, shape: tuple[int, int, int], classes: int) -> Found:
    thing = plugin("networks", spec.name)
    if isinstance(thing, nn.Module):
        if spec.params:
            raise InputError(f"network {spec}: is made already, takes no parameters")
        return Found(copy.deepcopy(thing).float().cpu().eval(), spec.name, _source(type(thing)))
    if not callable(thing):
        raise InputError(
            f"network {spec.name}: found {type(thing).__name__}, wanted a factory of networks"
            " or a torch.nn.Module"
        )
    network = call_factory(thing, spec, shape, classes)
    return Found(network.float().cpu().eval(), spec.name, _source(thing))


def _source(thing: Any) -> str:
    try:
        return Path(inspect.getfile(thing)).name
    except (OSError, TypeError):
        return str(getattr(thing, "__module__", "")) or type(thing).__name__


def _torchvision(name: str, spec: Spec, channels: int, classes: int, pretrained: bool) -> Found:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise _unknown_of("torchvision", name, known)
    mean: Value = None
    std: Value = None
    if pretrained:
        weights = models.get_model_weights(name).DEFAULT
        network = _downloaded(
            spec, lambda: models.get_model(name, weights=weights, progress=False, **spec.kwargs)
        )
        preset = weights.transforms()
        mean, std = tuple(preset.mean), tuple(preset.std)
    else:
        network = _made(
            spec, lambda: models.get_model(name, weights=None, num_classes=classes, **spec.kwargs)
        )
    return Found(_coloured(network, channels), _origin(spec, pretrained), "torchvision", mean, std)


def _timm(name: str, spec: Spec, channels: int, classes: int, pretrained: bool) -> Found:
    try:
        import timm
    except ImportError as error:
        raise _extra_missing(spec, "timm", error) from error
    if not timm.is_model(name):
        raise _unknown_of("timm", name, timm.list_models())
    mean: Value = None
    std: Value = None
    if pretrained:
        # its own number of classes: another one would get a new, untrained last layer
        network = _downloaded(spec, lambda: timm.create_model(name, pretrained=True, **spec.kwargs))
        config: Any = network.pretrained_cfg
        mean, std = tuple(config["mean"]), tuple(config["std"])
    else:
        network = _made(spec, lambda: timm.create_model(name, num_classes=classes, **spec.kwargs))
    return Found(_coloured(network, channels), _origin(spec, pretrained), "timm", mean, std)


def _robustbench(name: str, spec: Spec, channels: int, classes: int, pretrained: bool) -> Found:
    """RobustBench's model zoo; parameters `dataset` and `threat_model` (cifar10, Linf).

    Its networks take images in [0, 1] and hold their own normalisation.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports what is deprecated
            _name_autoattack()
            from robustbench.utils import load_model
    except ImportError as error:
        raise _extra_missing(spec, "robustbench", error) from error
    from estimators.training.checkpoints import default_cache

    if not pretrained:
        raise InputError(f"network {spec.name}: RobustBench gives trained networks alone")
    params = {"dataset": "cifar10", "threat_model": "Linf", **spec.kwargs}
    known = ["dataset", "threat_model"]
    for param in params:
        if param not in known:
            raise unknown(f"parameter of the network {spec.name}", param, known)
    folder = default_cache() / "robustbench"
    file = folder / str(params["dataset"]) / str(params["threat_model"]) / f"{name}.pt"
    put = f"put its checkpoint at {file}"
    with pickles_as_data():
        network = _downloaded(spec, lambda: load_model(name, model_dir=folder, **params), put)
    return Found(_coloured(network, channels), _origin(spec, True), "robustbench")


_FINDERS: dict[str, Callable[[str, Spec, int, int, bool], Found]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "robustbench": _robustbench,
}


def _made(spec: Spec, make: Callable[[], Any]) -> nn.Module:
    try:
        network: nn.Module = make()
    except (TypeError, ValueError) as error:
        raise InputError(f"network {spec}: {told(error)}") from error
    return network


def _downloaded(spec: Spec, make: Callable[[], Any], way_out: str = "") -> nn.Module:
    family, _, name = spec.name.partition(":")
    way_out = way_out or (
        "name a file with --weights, or train it first: bench train"
        f" --network {spec.name} --dataset NAME --out FILE.safetensors"
    )
    try:
        network: nn.Module = make()
    except TypeError as error:
        raise InputError(f"network {spec}: {told(error)}") from error
    except Exception as error:
        if isinstance(error, KeyError) and error.args == (name,):
            raise _unknown_of(family, name, ()) from error
        # mirrors fail in many ways, and each package has its own
        raise InputError(
            f"network {spec.name}: its weights are not at hand and could not be had"
            f" ({told(error)}); {way_out}"
        ) from error
    return network


def _coloured(network: nn.Module, channels: int) -> nn.Module:
    network = network.float().cpu()
    return (nn.Sequential(GreyToColour(), network) if channels == 1 else network).eval()


def _origin(spec: Spec, pretrained: bool) -> str:
    return f"{spec.name}, {'its own weights' if pretrained else 'untrained'}"


def _extra_missing(spec: Spec, extra: str, error: ImportError) -> InputError:
    install = f"pip install 'art-bench[{extra}]'"
    if (error.name or extra).partition(".")[0] == extra:
        why = f"needs the package {extra}, which is not installed here; {install}"
    else:
        why = f"{extra} is installed but cannot be imported ({told(error)}); {install}"
    return InputError(f"network {spec.name}: {why}")


def _name_autoattack() -> None:
    """RobustBench 1.1.1 imports `autoattack`; its requirements install that as `pyautoattack`."""
    if "autoattack" in sys.modules or find_spec("autoattack") or not find_spec("pyautoattack"):
        return
    sys.modules["autoattack"] = importlib.import_module("pyautoattack")


def _unknown_of(family: str, name: str, known: Iterable[str]) -> InputError:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"; near: {', '.join(near)}" if near else ""
    return InputError(f"network {family}:{name}: {family} has no network of this name{hint}")

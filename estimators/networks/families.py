"""The model zoos of torchvision, timm and RobustBench."""

from __future__ import annotations

import difflib
import importlib
import sys
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec

from torch import nn

from estimators.errors import InputError, install_extra, unknown
from estimators.networks.cache_folder import default_cache
from estimators.networks.declared import UNDECLARED, Declared, declared_by, family_geometry
from estimators.networks.external import ExternalNetwork
from estimators.networks.huggingface.names import cache_only
from estimators.networks.input_layers import GreyToColour
from estimators.networks.registry import FAMILIES
from estimators.networks.weight_files import pickles_as_data
from estimators.plugins import describe_error
from estimators.spec import Spec


def torchvision(
    name: str, spec: Spec, shape: tuple[int, int, int], classes: int, pretrained: bool
) -> ExternalNetwork:
    """Load or make a classifier of torchvision."""
    from torchvision import models  # a second and 170 MB, which other networks do without

    known = models.list_models(module=models)
    if name not in known:
        raise _unknown_of("torchvision", name, known)
    make = partial(models.get_model, name, **spec.kwargs)
    geometry = family_geometry("torchvision", name)
    if not pretrained:
        network = _made(spec, lambda: make(weights=None, num_classes=classes))
        return _external(network, spec, shape[0], pretrained, Declared(geometry=geometry))
    weights = models.get_model_weights(name).DEFAULT
    network = _downloaded(spec, lambda: make(weights=weights, progress=False))
    preset = weights.transforms()
    declared = Declared(tuple(preset.mean), tuple(preset.std), geometry)
    return _external(network, spec, shape[0], pretrained, declared)


def timm(
    name: str, spec: Spec, shape: tuple[int, int, int], classes: int, pretrained: bool
) -> ExternalNetwork:
    """Load or make a network of timm."""
    try:
        zoo = importlib.import_module("timm")
    except ImportError as error:
        raise _extra_missing(spec, "timm", error) from error
    if not zoo.is_model(name):
        raise _unknown_of("timm", name, zoo.list_models())
    make = partial(zoo.create_model, name, **spec.kwargs)
    if not pretrained:
        network = _made(spec, lambda: make(num_classes=classes))
        size = Declared(geometry=declared_by(network).geometry)
        return _external(network, spec, shape[0], pretrained, size)
    # its own number of classes: another one would get a new, untrained last layer
    with cache_only():
        network = _downloaded(spec, lambda: make(pretrained=True))
    return _external(network, spec, shape[0], pretrained, declared_by(network))


def robustbench(
    name: str, spec: Spec, shape: tuple[int, int, int], classes: int, pretrained: bool
) -> ExternalNetwork:
    """Load a network of RobustBench's zoo; parameters `dataset` and `threat_model`.

    Its networks take images in [0, 1] and contain their own normalisation.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports what is deprecated
            _name_autoattack()
            load_model = importlib.import_module("robustbench.utils").load_model
    except ImportError as error:
        raise _extra_missing(spec, "robustbench", error) from error
    if not pretrained:
        raise InputError(f"network {spec.name}: RobustBench has only trained networks")
    known = FAMILIES["robustbench"].defaults
    params = {**known, **spec.kwargs}
    for param in params:
        if param not in known:
            raise unknown(f"parameter of the network {spec.name}", param, known)
    folder = default_cache() / "robustbench"
    file = folder / str(params["dataset"]) / str(params["threat_model"]) / f"{name}.pt"
    remedy = f"put its checkpoint at {file}"
    with pickles_as_data():
        network = _downloaded(spec, lambda: load_model(name, model_dir=folder, **params), remedy)
    return _external(network, spec, shape[0], pretrained)


def _made(spec: Spec, make: Callable[[], nn.Module]) -> nn.Module:
    try:
        network: nn.Module = make()
    except (TypeError, ValueError) as error:
        raise InputError(f"network {spec}: {describe_error(error)}") from error
    return network


def _downloaded(spec: Spec, make: Callable[[], nn.Module], remedy: str = "") -> nn.Module:
    family, _, name = spec.name.partition(":")
    remedy = remedy or (
        "name a file with --weights, or train it first: bench train"
        f" --network {spec.name} --dataset NAME --out FILE.safetensors"
    )
    try:
        network: nn.Module = make()
    except TypeError as error:
        raise InputError(f"network {spec}: {describe_error(error)}") from error
    except Exception as error:
        if isinstance(error, KeyError) and error.args == (name,):
            raise _unknown_of(family, name, ()) from error
        # mirrors fail in many ways, and each package has its own
        raise InputError(
            f"network {spec.name}: its weights are not on disk and the download failed"
            f" ({describe_error(error)}); {remedy}"
        ) from error
    return network


def _external(
    network: nn.Module, spec: Spec, channels: int, pretrained: bool, declared: Declared = UNDECLARED
) -> ExternalNetwork:
    network = network.float().cpu()
    network = (nn.Sequential(GreyToColour(), network) if channels == 1 else network).eval()
    origin = f"{spec.name}, {'its own weights' if pretrained else 'untrained'}"
    source = spec.name.partition(":")[0]
    return ExternalNetwork(network, origin, source, declared.mean, declared.std, declared.geometry)


def _extra_missing(spec: Spec, extra: str, error: ImportError) -> InputError:
    install = install_extra(extra)
    if (error.name or extra).partition(".")[0] == extra:
        why = f"needs the package {extra}, which is not installed here; {install}"
    else:
        why = f"{extra} is installed but cannot be imported ({describe_error(error)}); {install}"
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

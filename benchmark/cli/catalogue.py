"""Everything that has a name: what a grid can hold, grids and studies, with one line each."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from benchmark.attacks.entry import AttackEntry
from benchmark.attacks.registry import ATTACKS
from benchmark.grids.model import load_grid, shipped_grids
from benchmark.studies.registry import STUDIES
from benchmark.threats import PARAMETERS, THREATS
from estimators.errors import InputError
from estimators.plugins import Kind, Plugin, installed, plugin

Row = tuple[str, str, str]


def catalogue() -> dict[str, list[Row]]:
    """Rows (name, about, parameters) of all that a grid can name, of grids and of studies."""
    attacks = [
        (name, kind.about, _params({**({"eps": "..."} if kind.bounded else {}), **kind.params}))
        for name, kind in ATTACKS.items()
    ]
    grids = []
    for name in shipped_grids():
        grid = load_grid(name)
        grids.append((name, grid.description, f"{len(grid.cells()):,} cells"))
    return {
        "attacks": [
            *attacks,
            ("art.attacks.evasion.NAME", "any other evasion attack of ART", ""),
            ("package.module:attack", "your own, see docs/extending.md", "its own"),
            *_plugins("attacks"),
        ],
        "threats": [
            (name, about, _threat_params(*PARAMETERS.get(name, ("", None))))
            for name, about in THREATS.items()
        ],
        "defences": [*DEFENCES, *_plugins("defences")],
        "networks": [*NETWORKS, *_plugins("networks")],
        "data sets": [*DATASETS, *_plugins("datasets")],
        "grids": grids,
        "studies": [
            (name, f"{study.about} ({_figures(study.figures)})", _settings(study.params))
            for name, study in STUDIES.items()
        ],
    }


DEFENCES: list[Row] = [
    ("none", "the bare network", ""),
    ("quantize", "8 bits alone: the control that JPEG must beat", ""),
    ("jpeg", "JPEG compression, 4:2:0, exactly as Pillow's", "quality=1 to 100"),
    ("smoothing", "the median of each window, as ART's SpatialSmoothing", "window_size=3"),
    ("squeezing", "fewer grey levels, as ART's FeatureSqueezing", "bit_depth=4"),
    (
        "tvm",
        "total variation, as ART's TotalVarMin; random",
        "prob=0.3 lamb=0.5 norm=2 max_iter=10",
    ),
    ("gaussian", "normal noise at prediction; random", "sigma=0.1"),
    ("resize", "shrunk and shifted by chance (Xie et al. 2018); random", "smallest=0.85"),
    ("NAME+NAME+...", "one after the other, the first next to the image", "NAME.PARAMETER=VALUE"),
    ("art.defences.preprocessor.NAME", "any other preprocessor of ART", ""),
    ("package.module:factory", "your own, see docs/extending.md", "its own"),
]
NETWORKS: list[Row] = [
    ("lenet", "LeNet, any input from 12x12", "extra_layers=0 activation=relu dropout=0.25"),
    ("resnet", "the paper's ResNet for MNIST", ""),
    ("cnn", "the paper's network for CIFAR-10", "dropout=[0.1, 0.15, 0.2, 0.25]"),
    ("NAME", "learned from PGD's images (Madry et al. 2018)", "adversarial=pgd eps=0.3 max_iter=7"),
    (
        "NAME",
        "learned from JPEG's too (Das et al. 2017)",
        "adversarial=jpeg qualities=90+80+...+20",
    ),
    ("torchvision:NAME", "a classifier of torchvision", "weights=DEFAULT, none or FILE"),
    ("timm:NAME", "a network of timm (extra timm)", "weights=DEFAULT, none or FILE"),
    (
        "robustbench:NAME",
        "a network of RobustBench's zoo (extra robustbench)",
        "dataset=cifar10 threat_model=Linf",
    ),
    ("package.module:factory", "your own, see docs/extending.md", "its own"),
    ("(every network)", "a file of weights; a first layer", "weights=FILE mean=0 std=1"),
]
DATASETS: list[Row] = [
    ("digits", "scikit-learn's 8x8 digits at 28x28; embedded, 500 test images", ""),
    ("mnist", "MNIST, 28x28 grey, 10,000 test images", ""),
    ("cifar10", "CIFAR-10, 32x32 colour, 10,000 test images", ""),
    ("fashion_mnist", "Fashion-MNIST, 28x28 grey, 10,000 test images", ""),
    ("npz:PATH", "arrays x_train, y_train, x_test, y_test (idx_*, classes)", ""),
    ("imagefolder:PATH", "one folder a class, below train/ and test/ where these exist", ""),
    ("package.module:function", "your own, see docs/extending.md", ""),
]


def _figures(numbers: str) -> str:
    """What a study repeats of the paper, in words."""
    if not numbers[0].isdigit():
        return numbers.removeprefix("none: ")
    return f"Figure {numbers}" if numbers.isalnum() else f"Figures {numbers}"


def _settings(params: Mapping[str, Any]) -> str:
    """The parameters that a study takes, without their values: those are long."""
    return " ".join(params)


def _threat_params(name: str, default: int | None) -> str:
    return f"{name}={default or 'NETWORK'}" if name else ""


# what the harness gives to a plug-in of each kind itself
_GIVEN: dict[Kind, tuple[str, ...]] = {
    "attacks": ("estimator", "classifier"),
    "defences": ("channels_first", "clip_values", "verbose"),
    "networks": ("shape", "classes"),
    "datasets": ("split", "data_dir", "folder"),
}


def _plugins(kind: Kind) -> list[Row]:
    """Installed plug-ins with their distribution; each is imported, to show its parameters."""
    return [_described(kind, found) for found in installed(kind)]


def _described(kind: Kind, found: Plugin) -> Row:
    source = f"plug-in of {found.distribution}"
    try:
        thing: Any = plugin(kind, found.name)
    except InputError as error:
        return found.name, f"{source}: {error}", ""
    about = (inspect.getdoc(thing) or "").partition("\n")[0]
    if isinstance(thing, AttackEntry):
        return found.name, f"{thing.about} ({source})", _params(thing.params)
    try:
        known = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return found.name, f"{about} ({source})", ""
    own = [p for p in known if p.name not in _GIVEN[kind] and p.kind is not p.VAR_KEYWORD]
    params = {p.name: "..." if p.default is p.empty else p.default for p in own}
    return found.name, f"{about} ({source})", _params(params)


def _params(params: dict[str, object]) -> str:
    return " ".join(
        f"{k}={v if isinstance(v, str) else json.dumps(v, default=str)}" for k, v in params.items()
    )

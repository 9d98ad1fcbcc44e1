"""Everything that a grid can name, with one line each."""

from __future__ import annotations

import json

Row = tuple[str, str, str]


def catalogue() -> dict[str, list[Row]]:
    """Rows (name, about, parameters) of attacks, threats, defences, networks, data and grids."""
    from benchmark.attacks import ATTACKS
    from benchmark.grid import load_grid, shipped_grids
    from benchmark.threats import PARAMETERS, THREATS

    attacks = [
        (name, kind.about, _params({**({"eps": "..."} if kind.bounded else {}), **kind.defaults}))
        for name, kind in ATTACKS.items()
    ]
    grids = []
    for name in shipped_grids():
        grid = load_grid(name)
        grids.append((name, grid.description, f"{len(grid.cells()):,} cells"))
    return {
        "attacks": [*attacks, ("art.attacks.evasion.NAME", "any other evasion attack of ART", "")],
        "threats": [
            (name, about, _threat_params(*PARAMETERS.get(name, ("", None))))
            for name, about in THREATS.items()
        ],
        "defences": DEFENCES,
        "networks": NETWORKS,
        "data sets": DATASETS,
        "grids": grids,
    }


DEFENCES: list[Row] = [
    ("none", "the bare network", ""),
    ("quantize", "8 bits alone: the control that JPEG must beat", ""),
    ("jpeg", "JPEG compression, 4:2:0, exactly as Pillow's", "quality=1 to 100"),
    ("art.defences.preprocessor.NAME", "any other preprocessor of ART", ""),
]
NETWORKS: list[Row] = [
    ("lenet", "LeNet, any input from 12x12", "extra_layers=0 activation=relu dropout=0.25"),
    ("resnet", "the paper's ResNet for MNIST", ""),
    ("cnn", "the paper's network for CIFAR-10", "dropout=[0.1, 0.15, 0.2, 0.25]"),
]
DATASETS: list[Row] = [
    ("digits", "scikit-learn's 8x8 digits at 28x28; embedded, 500 test images", ""),
    ("mnist", "MNIST, 28x28 grey, 10,000 test images", ""),
    ("cifar10", "CIFAR-10, 32x32 colour, 10,000 test images", ""),
    ("fashion_mnist", "Fashion-MNIST, 28x28 grey, 10,000 test images", ""),
    ("npz:PATH", "arrays x_train, y_train, x_test, y_test (idx_*, classes)", ""),
    ("imagefolder:PATH", "one folder a class, below train/ and test/ where these exist", ""),
]


def _threat_params(name: str, default: int | None) -> str:
    return f"{name}={default or 'NETWORK'}" if name else ""


def _params(params: dict[str, object]) -> str:
    return " ".join(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in params.items())

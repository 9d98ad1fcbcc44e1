"""What a run was made of: grid, versions, hashes, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmark.grids.cell import Cell
from benchmark.grids.model import Grid
from benchmark.version import __version__
from reports.results.columns import SCHEMA

# placeholder: to be made from the registries and from `benchmark.threats`
LABELS: dict[str, dict[str, str]] = {
    "datasets": {"digits": "digits", "mnist": "MNIST", "cifar10": "CIFAR-10"},
    "networks": {
        "lenet": "LeNet",
        "lenet[adversarial=pgd]": "LeNet trained by PGD",
        "resnet": "ResNet",
        "cnn": "CNN",
    },
    "attacks": {
        "fgsm": "FGSM",
        "fgm": "FGM",
        "fgsm-margin": "FGSM on the margin",
        "pgd": "PGD",
        "apgd": "APGD",
        "cw": "C&W",
        "deepfool": "DeepFool",
        "noise": "random signs",
    },
    "defences": {"none": "none", "quantize": "8 bits only", "jpeg": "JPEG"},
    "threats": {},
}
# from the weakest to the strongest: name, sees the defence, crafts on another network
_THREATS = (
    ("transfer", False, True),
    ("oblivious", False, False),
    ("adaptive", True, False),
    ("adaptive-diff", True, False),
    ("adaptive-eot", True, False),
)

PACKAGES = (
    "adversarial-robustness-toolbox",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pandas",
    "Pillow",
    "scikit-learn",
)


def manifest(
    grid: Grid,
    cells: list[Cell],
    sources: dict[str, Any],
    missing: dict[str, str],
    device: str,
    threads: int,
) -> dict[str, Any]:
    """Everything needed to say where the numbers of a run come from, ready for JSON."""
    return {
        "schema": SCHEMA,
        "art_bench": __version__,
        "git_revision": git_revision(),
        "grid": grid.model_dump(exclude_none=True),
        "cells": len(cells),
        "seeds": sorted({cell.seed for cell in cells}),
        **sources,
        **labels_and_threats(),
        "skipped": missing,
        "versions": {"python": platform.python_version(), **package_versions()},
        "machine": machine(device, threads),
    }


def labels_and_threats() -> dict[str, Any]:
    """Return what reports show in place of names, and the order of the threats."""
    keys = ("name", "sees_defence", "crafted_elsewhere")
    return {"labels": LABELS, "threats": [dict(zip(keys, t, strict=True)) for t in _THREATS]}


def git_revision() -> str | None:
    """The revision of the checkout that this code runs from; None for an installed package."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def machine(device: str, threads: int) -> dict[str, Any]:
    """Processor, cores and threads; no name of the host or the user."""
    return {
        "system": platform.system(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "device": device,
        "threads": threads,
    }


def processor() -> str:
    """The name of this machine's processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that may change a number."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

"""Every name that a grid or a command takes, checked before torch is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.attacks.lookup import check_attack, file_entry, is_ours
from benchmark.attacks.registry import ATTACK_PATTERNS, ATTACKS, LIBRARIES
from benchmark.grids.expand import check_size, specs, threats
from benchmark.grids.model import LISTS, Grid
from benchmark.grids.proof import methods
from benchmark.threats import threat
from estimators.data.geometry import dataset_name
from estimators.data.known import check_dataset
from estimators.defences.known import check_defence
from estimators.errors import InputError, unknown
from estimators.networks.known import check_network
from estimators.plugins import check_art_name, installed, is_plugin
from estimators.spec import Spec


def check_names(grid: Grid) -> None:
    """Raise InputError for the first name or parameter of a grid that leads nowhere.

    Data sets, networks, attacks, threats, defences and certificates; files of weights and data,
    and modules of plug-ins, too. What only their code knows is left to the run.
    """
    for block in grid.blocks:
        for key in LISTS:
            entries = grid.of(block, key)
            check_size(1, entries)
            if key == "threats":
                for text in threats(entries):
                    check_threat(text)
            else:
                for spec in dict.fromkeys(specs(entries, key)):
                    CHECKS[key](spec)
        methods(grid.of(block, "certify"))


def check_attack_name(spec: Spec) -> None:
    """Raise InputError for an unknown attack or parameter, and for a library that is missing.

    No code of an attack is imported. Parameters of libraries and plug-ins are left to
    `attacks.lookup.check_attack`.
    """
    family, colon, _ = spec.name.partition(":")
    read = file_entry(spec)
    if read is not None and not Path(read.file).exists():
        raise InputError(f"attack {spec.name}: no such file; check the path")
    if read is not None or is_ours(spec):
        check_attack(spec)
    elif colon and family in LIBRARIES:
        LIBRARIES[family].check_installed()
    elif not is_plugin("attacks", spec.name):
        if "." not in spec.name:
            others = [found.name for found in installed("attacks")]
            raise unknown("attack", spec.name, [*ATTACKS, *ATTACK_PATTERNS, *others])
        check_art_name(spec.name, "attack")


def check_threat(text: str) -> None:
    """Raise InputError for a threat whose attacks are crafted on an unknown network."""
    source = threat(text).source
    if source is not None:
        check_network(source)


CHECKS: dict[str, Callable[[Spec], None]] = {
    "datasets": lambda spec: check_dataset(dataset_name(spec)),
    "networks": check_network,
    "attacks": check_attack_name,
    "defences": check_defence,
}

"""Data and networks that a caller hands over as objects, by the names that a run gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from estimators.data.images import Images
from estimators.errors import InputError
from estimators.networks.handed.network import HandedNetwork
from estimators.networks.handed.state import interactive_names


@dataclass(frozen=True)
class Handed:
    """What a run gets as objects; every other name leads to a file, a package or a registry.

    images: test images by the name of their data set.
    networks: networks by name.
    """

    images: Mapping[str, Images] = field(default_factory=dict)
    networks: Mapping[str, HandedNetwork] = field(default_factory=dict)

    def check_sendable(self) -> None:
        """Raise InputError for a network whose classes no other process can import."""
        for name, network in self.networks.items():
            found = interactive_names(network.module)
            if found:
                raise InputError(
                    f"network {name}: its class {found[0]} is defined in __main__, which workers"
                    " cannot import; put it in a module of its own, or leave out --workers and"
                    " --scheduler"
                )


NOTHING = Handed()

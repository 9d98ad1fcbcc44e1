"""How data sets, networks and files are named where people read them."""

from __future__ import annotations

import re

DATA_NAMES = {"digits": "digits", "mnist": "MNIST", "cifar10": "CIFAR-10"}
NETWORK_NAMES = {
    "lenet": "LeNet",
    "lenet[adversarial=pgd]": "LeNet trained by PGD",
    "resnet": "ResNet",
    "cnn": "CNN",
}


def place(dataset: str, network: str) -> str:
    """A network and its data set as a panel names them."""
    return f"{NETWORK_NAMES.get(network, network)}, {DATA_NAMES.get(dataset, dataset)}"


def file_name(*parts: str) -> str:
    """A name that stays in its directory, whatever the parts hold."""
    return re.sub(r"[^A-Za-z0-9.=_-]+", "_", "-".join(parts)).strip("._")[:120]

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
ATTACK_NAMES = {
    "fgsm": "FGSM",
    "fgm": "FGM",
    "fgsm-margin": "FGSM on the margin",
    "pgd": "PGD",
    "apgd": "APGD",
    "cw": "C&W",
    "deepfool": "DeepFool",
    "noise": "random signs",
}


def data_name(dataset: str) -> str:
    """A data set as a title names it."""
    return DATA_NAMES.get(dataset, dataset)


def network_name(network: str) -> str:
    """A network as a title names it; one with parameters of its own keeps its written form."""
    return NETWORK_NAMES.get(network, network)


def attack_name(attack: str) -> str:
    """An attack as a title names it, with its parameters in brackets as they are written."""
    name, bracket, params = attack.partition("[")
    return ATTACK_NAMES.get(name, name) + bracket + params


def place(dataset: str, network: str) -> str:
    """A network and its data set as a panel names them."""
    return f"{network_name(network)}, {data_name(dataset)}"


def file_name(*parts: str) -> str:
    """A name that stays in its directory, whatever the parts hold."""
    return re.sub(r"[^A-Za-z0-9.=_-]+", "_", "-".join(parts)).strip("._")[:120]

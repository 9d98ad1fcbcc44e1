"""The networks by name, from images in [0, 1] to logits, and how each is trained."""

from __future__ import annotations

from estimators.entries import NetworkEntry, table
from estimators.spec import Spec
from estimators.training_spec import TRAININGS, split_training

# the second table: how external networks are named, rows whose name is a pattern
NETWORKS, NETWORK_PATTERNS = table(
    NetworkEntry(name="lenet", build="estimators.networks.architectures:LeNet",
                 summary="LeNet, any input from 12x12", label="LeNet",
                 defaults={"extra_layers": 0, "activation": "relu", "dropout": 0.25},
                 recipes={("digits", ""): {"epochs": 60, "batch_size": 32, "crop": 2},
                          ("mnist", ""): {"epochs": 15},
                          ("mnist", "pgd"): {"epochs": 12},
                          ("cifar10", ""): {"epochs": 30, "flip": True}}),
    NetworkEntry(name="resnet", build="estimators.networks.architectures:ResNet",
                 summary="the paper's ResNet for MNIST", label="ResNet",
                 recipes={("mnist", ""): {"epochs": 8, "bfloat16": True}}),
    NetworkEntry(name="cnn", build="estimators.networks.architectures:CNN",
                 summary="the paper's network for CIFAR-10", label="CNN",
                 defaults={"dropout": (0.1, 0.15, 0.2, 0.25)},
                 recipes={("cifar10", ""): {"epochs": 30, "flip": True, "crop": 4,
                                            "bfloat16": True}}),
), table(
    NetworkEntry(name="torchvision:NAME", build="estimators.networks.families:torchvision",
                 summary="a classifier of torchvision",
                 values={"weights": "DEFAULT, none or FILE"}),
    NetworkEntry(name="timm:NAME", build="estimators.networks.families:timm",
                 summary="a network of timm (extra timm)",
                 values={"weights": "DEFAULT, none or FILE"}),
    NetworkEntry(name="robustbench:NAME", build="estimators.networks.families:robustbench",
                 summary="a network of RobustBench's zoo (extra robustbench)",
                 defaults={"dataset": "cifar10", "threat_model": "Linf"}),
    NetworkEntry(name="hf:NAME", build="estimators.networks.huggingface.model:huggingface",
                 summary="a folder or OWNER/NAME of transformers (extra huggingface)",
                 values={"weights": "DEFAULT, none or FILE"}),
    NetworkEntry(name="efficientnet:NAME",
                 build="estimators.networks.efficientnet_lite:efficientnet",
                 summary="lite0: EfficientNet-Lite0, ImageNet, 224x224 (extra photos)",
                 label="EfficientNet",
                 values={"weights": "DEFAULT, none or FILE"}),
    NetworkEntry(name="package.module:factory", build="estimators.plugins:builder",
                 summary="your own, see docs/extending.md", values={"its own": ""}),
)  # fmt: skip
# packages by the name before the colon: `torchvision:resnet18` is a name in a list, not code
FAMILIES = {row.family: row for row in NETWORK_PATTERNS.values() if row.name.endswith(":NAME")}
# what every network takes
EVERY_NETWORK = NetworkEntry(
    name="(every network)",
    build="estimators.networks.build:build_network",
    summary="a file of weights; a first layer",
    values={"weights": "FILE", "weights_key": "NAME"},
    defaults={"mean": 0, "std": 1, "low_pass": 0},
)


def network_label(spec: Spec) -> str:
    """Return how titles name a network: "LeNet", "LeNet trained by PGD", "EfficientNet lite0".

    A network with other parameters, or that is not in the registry, keeps its written form.
    """
    architecture, training = split_training(spec)
    family, _, name = spec.name.partition(":")
    if family in FAMILIES and FAMILIES[family].label and not spec.params:
        return f"{FAMILIES[family].label} {name}"
    if architecture.params or architecture.name not in NETWORKS:
        return str(spec)
    label = NETWORKS[architecture.name].label
    if training is None:
        return label
    return str(spec) if training.params else f"{label} {TRAININGS[training.name].label}"

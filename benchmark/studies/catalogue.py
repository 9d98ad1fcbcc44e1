"""The studies by name: what each looks at and how large it is."""

from __future__ import annotations

from benchmark.studies.study import Study
from estimators.spec import Spec

LENET, RESNET, CNN = Spec("lenet"), Spec("resnet"), Spec("cnn")
MNIST_LENET, CIFAR_LENET = ("mnist", LENET), ("cifar10", LENET)
FOUR = (MNIST_LENET, ("mnist", RESNET), CIFAR_LENET, ("cifar10", CNN))

STUDIES: dict[str, Study] = {
    "data": Study(
        "data", "1 to 4", "sheets of samples and class distributions",
        (MNIST_LENET, CIFAR_LENET), {"images": 50},
    ),
}  # fmt: skip

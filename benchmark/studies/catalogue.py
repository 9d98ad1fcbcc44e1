"""The studies by name: what each looks at and how large it is."""

from __future__ import annotations

from benchmark.studies.study import Study
from estimators.spec import Spec

LENET, RESNET, CNN = Spec("lenet"), Spec("resnet"), Spec("cnn")
MNIST_LENET, CIFAR_LENET = ("mnist", LENET), ("cifar10", LENET)
FOUR = (MNIST_LENET, ("mnist", RESNET), CIFAR_LENET, ("cifar10", CNN))

# how the networks of a sweep are measured: benchmark.studies.sweep.Probe
PROBE = {
    "samples": 1000, "iterated_samples": 200, "gap_images": 10_000, "points": 13, "pgd_steps": 20,
}  # fmt: skip
QUICK_PROBE = {
    "samples": 200, "iterated_samples": 50, "gap_images": 1000, "points": 7, "pgd_steps": 10,
}  # fmt: skip

STUDIES: dict[str, Study] = {
    "data": Study(
        "data", "1 to 4", "sheets of samples and class distributions",
        (MNIST_LENET, CIFAR_LENET), {"images": 50},
    ),
    "low-pass": Study(
        "low_pass", "none: the closing hypothesis", "networks behind a low-pass first layer",
        (MNIST_LENET, CIFAR_LENET, ("cifar10", CNN)),
        {
            "sigmas": (0.0, 0.5, 1.0, 2.0), "epochs": 10, "seeds": 3,
            "deep_sigmas": (0.0, 1.0, 2.0), "deep_epochs": 3, "deep_seeds": 2, **PROBE,
        },
        {
            "sigmas": (0.0, 1.0), "epochs": 1, "seeds": 1,
            "deep_sigmas": (0.0, 2.0), "deep_epochs": 1, "deep_seeds": 1, **QUICK_PROBE,
        },
    ),
    "overfitting": Study(
        "overfitting", "19a", "accuracy under attack after ever longer training", (MNIST_LENET,),
        {"epochs": (1, 3, 5, 10, 30), "seeds": 3, **PROBE},
        {"epochs": (1, 3), "seeds": 1, **QUICK_PROBE},
    ),
    "overparameterization": Study(
        "overparameterization", "19b, Table 1", "accuracy under attack with ever more layers",
        (MNIST_LENET,),
        {"layers": (0, 2, 4, 6, 10, 20), "epochs": 10, "seeds": 3, **PROBE},
        {"layers": (0, 2, 10), "epochs": 1, "seeds": 1, **QUICK_PROBE},
    ),
    "training": Study("training", "26 to 31", "training curves and layer tables", FOUR),
}  # fmt: skip

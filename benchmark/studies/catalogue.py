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
    "fourier": Study(
        "fourier", "16 to 18", "spectra of noises, images and attacked images",
        FOUR, {"samples": 250, "eps_grey": 0.15, "eps_colour": 8 / 255}, {"samples": 60},
    ),
    "saliency": Study(
        "saliency", "20 to 25", "saliency and Grad-CAM, clean and attacked, and where noise falls",
        FOUR,
        {
            "samples": 120, "cw_samples": 40, "eps_grey": 0.15, "eps_colour": 8 / 255,
            "controls": 20, "examples": 4, "source": "8", "target": "3",
        },
        {"samples": 40, "cw_samples": 10},
    ),
    "transfer-function": Study(
        "transfer_function", "8, 9, 12", "response of the first layer to gratings, JPEG ahead",
        FOUR,
        {
            "sizes": (28, 32, 56, 112, 224), "frequencies": 29, "phases": 4, "contrast": 1.0,
            "qualities": (*range(1, 21), *range(25, 101, 5)),
            "qualities_other_sizes": (1, 2, 3, 4, 5, 7, 10, 13, 16, 20, 30, 50, 75, 90),
            "contrasts": (1.0, 0.5, 0.2, 0.1, 0.05), "seeds": 3, "seeds_colour": 1,
        },
        {
            "sizes": (28, 32, 56), "frequencies": 17, "qualities": (1, 3, 5, 7, 10, 16, 30, 50, 90),
            "qualities_other_sizes": (1, 5, 10, 50), "contrasts": (1.0, 0.2), "seeds": 1,
        },
    ),
}  # fmt: skip

"""The studies by name: what each looks at and how large it is."""

from __future__ import annotations

from benchmark.studies.request import Study
from estimators.spec import Spec

LENET, RESNET, CNN = Spec("lenet"), Spec("resnet"), Spec("cnn")
MNIST_LENET, CIFAR_LENET = ("mnist", LENET), ("cifar10", LENET)
FOUR = (MNIST_LENET, ("mnist", RESNET), CIFAR_LENET, ("cifar10", CNN))
# the smallest eps of FGSM (eps_max) and FGM (l2_max): how far, and how closely, in shares of that
SCAN = {"eps_max": 1.0, "l2_max": 20.0, "resolution": 0.001, "tolerance": 1e-6}

# how the networks of a sweep are measured: benchmark.studies.sweep.Probe
PROBE = {
    "samples": 1000,
    "iterated_samples": 200,
    "gap_images": 10_000,
    "points": 13,
    "pgd_steps": 20,
}
QUICK_PROBE = {
    "samples": 200,
    "iterated_samples": 50,
    "gap_images": 1000,
    "points": 7,
    "pgd_steps": 10,
}

STUDIES: dict[str, Study] = {
    "data": Study(
        "data",
        "1 to 4",
        "sheets of samples and class distributions",
        (MNIST_LENET, CIFAR_LENET),
        {"images": 50},
    ),
    "first-error": Study(
        "first_error",
        "13, 14",
        "smallest eps of FGSM and FGM an image, survival curves",
        FOUR,
        {"samples": 500, "image": 0, "split": "train", **SCAN},
        {"samples": 50},
    ),
    "fourier": Study(
        "fourier",
        "16 to 18",
        "spectra of noises, images and attacked images",
        FOUR,
        {"samples": 250, "eps_grey": 0.15, "eps_colour": 8 / 255},
        {"samples": 60},
    ),
    "jpeg": Study(
        "jpeg",
        "7, 10",
        "one image at eight qualities, the story of a rescue, rescued and broken",
        FOUR,
        {
            "samples": 300,
            "image": 0,
            "split": "test",
            "source": "5",
            "target": "3",
            "qualities": (90, 75, 50, 30, 20, 10, 5, 1),
            "eps": (0.2,),
            "eps_colour": (0.00785,),
        },
        {"samples": 60},
    ),
    "low-pass": Study(
        "low_pass",
        "none: the closing hypothesis",
        "networks behind a low-pass first layer",
        (MNIST_LENET, CIFAR_LENET, ("cifar10", CNN)),
        {
            "sigmas": (0.0, 1.0, 2.0),
            "epochs": 10,
            "seeds": 3,
            "deep_sigmas": (0.0, 2.0),
            "deep_epochs": 3,
            "deep_seeds": 2,
            **PROBE,
        },
        {
            "sigmas": (0.0, 1.0),
            "epochs": 1,
            "seeds": 1,
            "deep_sigmas": (0.0, 2.0),
            "deep_epochs": 1,
            "deep_seeds": 1,
            **QUICK_PROBE,
        },
    ),
    "noise": Study(
        "noise",
        "6",
        "noise of FGSM, FGM and C&W on one image, and their sizes over a sample",
        FOUR,
        {"samples": 150, "source": "8", "target": "3", "tries": 25, **SCAN},
        {"samples": 10, "tries": 4},
    ),
    "overfitting": Study(
        "overfitting",
        "19a",
        "accuracy under attack after ever longer training",
        (MNIST_LENET,),
        {"epochs": (1, 3, 5, 10, 30), "seeds": 3, **PROBE},
        {"epochs": (1, 3), "seeds": 1, **QUICK_PROBE},
    ),
    "overparameterization": Study(
        "overparameterization",
        "19b, Table 1",
        "accuracy under attack with ever more layers",
        (MNIST_LENET,),
        {"layers": (0, 2, 4, 6, 10, 20), "epochs": 10, "seeds": 3, **PROBE},
        {"layers": (0, 2, 10), "epochs": 1, "seeds": 1, **QUICK_PROBE},
    ),
    "saliency": Study(
        "saliency",
        "20 to 25",
        "saliency and Grad-CAM, clean and attacked, and where noise falls",
        FOUR,
        {
            "samples": 120,
            "cw_samples": 40,
            "eps_grey": 0.15,
            "eps_colour": 8 / 255,
            "controls": 20,
            "examples": 4,
            "source": "8",
            "target": "3",
        },
        {"samples": 40, "cw_samples": 10},
    ),
    "targeted": Study(
        "targeted",
        "5",
        "C&W from every class into every other: sheet, success, mean L2",
        (MNIST_LENET, CIFAR_LENET),
        {"per_class": 10},
        {"per_class": 1},
    ),
    "training": Study("training", "26 to 31", "training curves and layer tables", FOUR),
    "transfer-function": Study(
        "transfer_function",
        "8, 9, 12",
        "response of the first layer to gratings, JPEG ahead",
        FOUR,
        {
            "sizes": (28, 32, 56, 112, 224),
            "frequencies": 29,
            "phases": 4,
            "contrast": 1.0,
            "qualities": (*range(1, 21), *range(25, 101, 5)),
            "qualities_other_sizes": (1, 2, 3, 4, 5, 7, 10, 13, 16, 20, 30, 50, 75, 90),
            "contrasts": (1.0, 0.5, 0.2, 0.1, 0.05),
            "seeds": 3,
            "seeds_colour": 1,
        },
        {
            "sizes": (28, 32, 56),
            "frequencies": 17,
            "qualities": (1, 3, 5, 7, 10, 16, 30, 50, 90),
            "qualities_other_sizes": (1, 5, 10, 50),
            "contrasts": (1.0, 0.2),
            "seeds": 1,
        },
    ),
}

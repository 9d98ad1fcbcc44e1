"""The studies by name: one row per study."""

from __future__ import annotations

from benchmark.studies.entry import StudyEntry
from estimators.entries import table
from estimators.spec import Spec

LENET, RESNET, CNN = Spec("lenet"), Spec("resnet"), Spec("cnn")
MNIST_LENET, CIFAR_LENET = ("mnist", LENET), ("cifar10", LENET)
FOUR = (MNIST_LENET, ("mnist", RESNET), CIFAR_LENET, ("cifar10", CNN))
# search for the smallest eps: the largest eps of FGSM (eps_max) and of FGM (l2_max); the step of
# the scan and the tolerance of the bisection are fractions of it
SCAN = {"eps_max": 1.0, "l2_max": 20.0, "resolution": 0.001, "tolerance": 1e-6}

# how the networks of a training sweep are measured: measures.robustness.Probe
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

STUDIES: dict[str, StudyEntry] = table(
    StudyEntry(
        name="data",
        build="benchmark.studies.data:compute",
        plot="reports.plots.studies.data:draw",
        summary="sheets of samples and class distributions",
        figures="1 to 4",
        subjects=(MNIST_LENET, CIFAR_LENET),
        defaults={"images": 50},
    ),
    StudyEntry(
        name="first-error",
        build="benchmark.studies.first_error:compute",
        plot="reports.plots.studies.first_error:draw",
        summary="smallest eps of FGSM and FGM per image, survival curves",
        figures="13, 14",
        subjects=FOUR,
        defaults={"samples": 500, "image": 0, "split": "train", **SCAN},
        quick={"samples": 50},
    ),
    StudyEntry(
        name="fourier",
        build="benchmark.studies.fourier:compute",
        plot="reports.plots.studies.fourier:draw",
        summary="spectra of noises, images and attacked images",
        figures="16 to 18",
        subjects=FOUR,
        defaults={"samples": 250, "eps_grey": 0.15, "eps_colour": 8 / 255},
        quick={"samples": 60},
    ),
    StudyEntry(
        name="jpeg",
        build="benchmark.studies.jpeg:compute",
        plot="reports.plots.studies.jpeg:draw",
        summary="one image at eight qualities, one that JPEG rescues, shares rescued and broken",
        figures="7, 10",
        subjects=FOUR,
        defaults={
            "samples": 300,
            "image": 0,
            "split": "test",
            "source": "5",
            "target": "3",
            "qualities": (90, 75, 50, 30, 20, 10, 5, 1),
            "eps": (0.2,),
            "eps_colour": (0.00785,),
        },
        quick={"samples": 60},
    ),
    StudyEntry(
        name="low-pass",
        build="benchmark.studies.low_pass:compute",
        plot="reports.plots.studies.low_pass:draw",
        summary="networks behind a low-pass first layer",
        figures="none: the closing hypothesis",
        subjects=(MNIST_LENET, CIFAR_LENET, ("cifar10", CNN)),
        defaults={
            "sigmas": (0.0, 1.0, 2.0),
            "epochs": 10,
            "seeds": 3,
            "deep_sigmas": (0.0, 2.0),
            "deep_epochs": 3,
            "deep_seeds": 2,
            **PROBE,
        },
        quick={
            "sigmas": (0.0, 1.0),
            "epochs": 1,
            "seeds": 1,
            "deep_sigmas": (0.0, 2.0),
            "deep_epochs": 1,
            "deep_seeds": 1,
            **QUICK_PROBE,
        },
    ),
    StudyEntry(
        name="noise",
        build="benchmark.studies.noise:compute",
        plot="reports.plots.studies.noise:draw",
        summary="noise of FGSM, FGM and C&W on one image, and its size over a sample",
        figures="6",
        subjects=FOUR,
        defaults={"samples": 150, "source": "8", "target": "3", "tries": 25, **SCAN},
        quick={"samples": 10, "tries": 4},
    ),
    StudyEntry(
        name="overfitting",
        build="benchmark.studies.overfitting:compute",
        plot="reports.plots.studies.overfitting:draw",
        summary="accuracy under attack by number of training epochs",
        figures="19a",
        subjects=(MNIST_LENET,),
        defaults={"epochs": (1, 3, 5, 10, 30), "seeds": 3, **PROBE},
        quick={"epochs": (1, 3), "seeds": 1, **QUICK_PROBE},
    ),
    StudyEntry(
        name="overparameterization",
        build="benchmark.studies.overparameterization:compute",
        plot="reports.plots.studies.overparameterization:draw",
        summary="accuracy under attack by number of layers",
        figures="19b, Table 1",
        subjects=(MNIST_LENET,),
        defaults={"layers": (0, 2, 4, 6, 10, 20), "epochs": 10, "seeds": 3, **PROBE},
        quick={"layers": (0, 2, 10), "epochs": 1, "seeds": 1, **QUICK_PROBE},
    ),
    StudyEntry(
        name="saliency",
        build="benchmark.studies.saliency:compute",
        plot="reports.plots.studies.saliency:draw",
        summary="saliency and Grad-CAM of clean and attacked images, and where the noise falls",
        figures="20 to 25",
        subjects=FOUR,
        defaults={
            "samples": 120,
            "cw_samples": 40,
            "eps_grey": 0.15,
            "eps_colour": 8 / 255,
            "controls": 20,
            "examples": 4,
            "source": "8",
            "target": "3",
        },
        quick={"samples": 40, "cw_samples": 10},
    ),
    StudyEntry(
        name="targeted",
        build="benchmark.studies.targeted:compute",
        plot="reports.plots.studies.targeted:draw",
        summary="C&W from each class into each other class: images, success, mean L2",
        figures="5",
        subjects=(MNIST_LENET, CIFAR_LENET),
        defaults={"per_class": 10},
        quick={"per_class": 1},
    ),
    StudyEntry(
        name="training",
        build="benchmark.studies.training:compute",
        plot="reports.plots.studies.training:draw",
        summary="training curves and layer tables",
        figures="26 to 31",
        subjects=FOUR,
    ),
    StudyEntry(
        name="transfer-function",
        build="benchmark.studies.transfer_function:compute",
        plot="reports.plots.studies.transfer_function:draw",
        summary="response of the first layer to gratings, with and without JPEG",
        figures="8, 9, 12",
        subjects=FOUR,
        defaults={
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
        quick={
            "sizes": (28, 32, 56),
            "frequencies": 17,
            "qualities": (1, 3, 5, 7, 10, 16, 30, 50, 90),
            "qualities_other_sizes": (1, 5, 10, 50),
            "contrasts": (1.0, 0.2),
            "seeds": 1,
        },
    ),
)

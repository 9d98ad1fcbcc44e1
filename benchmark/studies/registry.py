"""The studies by name: one row per study."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.studies.entry import StudyEntry, Subject
from estimators.entries import table
from estimators.spec import Spec, Value

LENET, RESNET, CNN = Spec("lenet"), Spec("resnet"), Spec("cnn")
MNIST_LENET, CIFAR_LENET = ("mnist", LENET), ("cifar10", LENET)
FOUR = (MNIST_LENET, ("mnist", RESNET), CIFAR_LENET, ("cifar10", CNN))
SIZES = (MNIST_LENET, ("cifar10", CNN), ("photos", Spec("efficientnet:lite0")))
# search for the smallest eps: the largest eps of FGSM (eps_max) and of FGM (l2_max); the step of
# the scan and the tolerance of the bisection are fractions of it
SCAN = {"eps_max": 1.0, "l2_max": 20.0, "resolution": 0.001, "tolerance": 1e-6}
# C&W: steps of its binary search, and iterations of each; the attack's own defaults
CW_STEPS = (9, 100)

# how the networks of a training sweep are measured: measures.robustness.Probe
PROBE = dict(samples=1000, iterated_samples=200, gap_images=10_000, points=13, pgd_steps=20)
QUICK_PROBE = dict(samples=100, iterated_samples=20, gap_images=500, points=7, pgd_steps=5)
# why the quick size of a study that compares trainings decides nothing
ONE_TRAINING = "they compare several trainings of a network, and it trains each once"
# the control attack of a sweep (measures.robustness.MARGIN)
MARGIN = {"fgsm-margin": "FGSM on the margin"}


def _study(
    name: str,
    figures: str,
    summary: str,
    subjects: tuple[Subject, ...],
    defaults: Mapping[str, Value],
    quick: Mapping[str, Value],
    attack_labels: Mapping[str, str] | None = None,
    run: str = "paper",
    seconds: tuple[float, float] = (60.0, 10.0),
    undecided: Mapping[str, str] | None = None,
) -> StudyEntry:
    """Return the row of a study, whose code and plot are in modules of its name."""
    module = name.replace("-", "_")
    return StudyEntry(
        name=name,
        build=f"benchmark.studies.{module}:compute",
        plot=f"reports.plots.studies.{module}:draw",
        summary=summary,
        figures=figures,
        subjects=subjects,
        defaults=defaults,
        quick=quick,
        attack_labels=attack_labels or {},
        run=run,
        seconds=seconds,
        undecided=undecided or {},
    )


STUDIES: dict[str, StudyEntry] = table(
    _study(
        "data", "1 to 4", "sheets of samples and class distributions",
        (MNIST_LENET, CIFAR_LENET), {"images": 50}, {},
        seconds=(5, 8),
    ),
    _study(
        "first-error", "13, 14", "smallest eps of FGSM and FGM per image, survival curves", FOUR,
        {"samples": 500, "image": 0, "split": "train", **SCAN},
        {"samples": 30, "resolution": 0.005, "tolerance": 1e-4},
        seconds=(72, 8),
    ),
    _study(
        "fourier", "16 to 18", "spectra of noises, images and attacked images", FOUR,
        {"samples": 250, "eps_grey": 0.15, "eps_colour": 8 / 255},
        {"samples": 40},
        seconds=(8, 8),
    ),
    _study(
        "jpeg", "7, 10",
        "one image at eight qualities, one that JPEG rescues, shares rescued and broken", FOUR,
        {
            "samples": 300, "image": 0, "split": "test", "source": "5", "target": "3",
            "qualities": (90, 75, 50, 30, 20, 10, 5, 1), "eps": (0.2,), "eps_colour": (0.00785,),
        },
        {"samples": 30},
        seconds=(28, 25),
    ),
    _study(
        "low-pass", "none: the closing hypothesis", "networks behind a low-pass first layer",
        (MNIST_LENET, CIFAR_LENET, ("cifar10", CNN)),
        {
            "sigmas": (0.0, 1.0, 2.0), "epochs": 10, "seeds": 4,
            "deep_sigmas": (0.0, 2.0), "deep_epochs": 3, "deep_seeds": 3, **PROBE,
        },
        {
            # an epoch of the CNN takes minutes: the quick run leaves it out
            "sigmas": (0.0, 1.0), "epochs": 1, "seeds": 1, "deep_sigmas": (), **QUICK_PROBE,
        },
        MARGIN,
        seconds=(2600, 40), undecided={"C14": ONE_TRAINING},
    ),
    _study(
        "noise", "6", "noise of FGSM, FGM and C&W on one image, and its size over a sample", FOUR,
        {
            "samples": 150, "source": "8", "target": "3", "tries": 25, "searched": 100_000,
            "cw_steps": CW_STEPS, **SCAN,
        },
        {
            "samples": 10, "tries": 4, "searched": 100, "cw_steps": (4, 50),
            "resolution": 0.005, "tolerance": 1e-4,
        },
        seconds=(170, 24),
    ),
    _study(
        "overfitting", "19a", "accuracy under attack by number of training epochs", (MNIST_LENET,),
        {"epochs": (1, 3, 5, 10, 30), "seeds": 3, **PROBE},
        {"epochs": (1, 2), "seeds": 1, **QUICK_PROBE},
        MARGIN,
        seconds=(420, 25), undecided={"C10": ONE_TRAINING},
    ),
    _study(
        "overparameterization", "19b, Table 1", "accuracy under attack by number of layers",
        (MNIST_LENET,),
        {"layers": (0, 2, 4, 6, 10, 20), "epochs": 10, "seeds": 5, **PROBE},
        {"layers": (0, 4), "epochs": 1, "seeds": 1, **QUICK_PROBE},
        MARGIN,
        seconds=(1490, 20), undecided={"C11": ONE_TRAINING},
    ),
    _study(
        "photos", "none: the open question",
        "JPEG's transfer function, spectra, saliency and smallest eps at 28, 32 and 224 pixels",
        SIZES,
        {
            "samples": 48, "cw_samples": 4, "cw_steps": (4, 25), "eps_grey": 0.15,
            "eps_colour": 8 / 255, "controls": 20, "examples": 2, "image": 0, "split": "test",
            "eps_max": 0.25, "l2_max": 12.5, "resolution": 0.004, "tolerance": 1e-4,
            "sizes": (28, 32, 224), "frequencies": 29, "phases": 4,
            "seeds": 1, "deep_seeds": 1, "seeds_colour": 1,
            "qualities": (95, 75, 50, 25, 10), "qualities_other_sizes": (95, 75, 50, 25, 10),
            "contrasts": (1.0, 0.25, 0.0625),
        },
        {
            "samples": 8, "cw_samples": 1, "cw_steps": (2, 10), "controls": 3, "examples": 1,
            "resolution": 0.02, "frequencies": 9, "qualities": (75, 10),
            "qualities_other_sizes": (75, 10), "contrasts": (1.0, 0.0625),
        },
        run="photos",
        seconds=(600, 60),
    ),
    _study(
        "saliency", "20 to 25",
        "saliency and Grad-CAM of clean and attacked images, and where the noise falls", FOUR,
        {
            "samples": 120, "cw_samples": 40, "eps_grey": 0.15, "eps_colour": 8 / 255,
            "controls": 20, "examples": 4, "source": "8", "target": "3",
            "cw_steps": CW_STEPS,
        },
        {"samples": 30, "cw_samples": 5, "cw_steps": (4, 50), "controls": 5, "examples": 2},
        seconds=(40, 17),
    ),
    _study(
        "targeted", "5", "C&W from each class into each other class: images, success, mean L2",
        (MNIST_LENET, CIFAR_LENET), {"per_class": 10, "cw_steps": CW_STEPS},
        {"per_class": 1, "cw_steps": (4, 50)},
        seconds=(75, 18),
    ),
    _study(
        "training", "26 to 31", "training curves and layer tables", FOUR, {}, {},
        seconds=(5, 5),
    ),
    _study(
        "transfer-function", "8, 9, 12",
        "response of the first layer to gratings, with and without JPEG", FOUR,
        {
            "sizes": (28, 32, 56, 112, 224), "frequencies": 29, "phases": 4, "contrast": 1.0,
            "qualities": (*range(1, 21), *range(25, 101, 5)),
            "qualities_other_sizes": (1, 2, 3, 4, 5, 7, 10, 13, 16, 20, 30, 50, 75, 90),
            "contrasts": (1.0, 0.5, 0.2, 0.1, 0.05),
            "seeds": 10, "deep_seeds": 3, "seeds_colour": 1,
        },
        {
            "sizes": (28, 32, 56), "frequencies": 17, "qualities": (1, 3, 5, 7, 10, 16, 30, 50, 90),
            "qualities_other_sizes": (1, 5, 10, 50), "contrasts": (1.0, 0.2),
            "seeds": 1, "deep_seeds": 1,
        },
        seconds=(960, 20), undecided={"C8": ONE_TRAINING},
    ),
)  # fmt: skip

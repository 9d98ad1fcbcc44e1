"""The attacks by short name."""

from __future__ import annotations

import math

from benchmark.attacks import builders
from benchmark.attacks.entry import AttackEntry

# told a class to reach: `next`, or a number (see `targets`)
TARGETS = {"targeted": False, "target": "next"}
# the defaults of ART's class; None in ours: estimated for each image
CW_ART = {
    "confidence": 0.0,
    **TARGETS,
    "learning_rate": 0.01,
    "binary_search_steps": 10,
    "max_iter": 10,
    "initial_const": 0.01,
}
CW = {
    **CW_ART,
    "learning_rate": None,
    "binary_search_steps": 9,
    "max_iter": 100,
    "initial_const": None,
}
ATTACKS: dict[str, AttackEntry] = {
    "fgsm": AttackEntry(
        builders.fast_gradient(math.inf),
        "inf",
        "fast gradient sign (Goodfellow et al. 2015)",
        shares_gradient=True,
        defaults={"engine": "fast"},
        optional=TARGETS,
    ),
    "fgm": AttackEntry(
        builders.fast_gradient(2),
        "2",
        "fast gradient in L2 (Goodfellow et al. 2015)",
        shares_gradient=True,
        defaults={"engine": "fast"},
        optional=TARGETS,
    ),
    "pgd": AttackEntry(
        builders.pgd,
        "inf",
        "projected gradient descent from the image (Madry et al. 2018)",
        whole_batch=True,
        optional=TARGETS,
        resolve_defaults=builders.pgd_step,
        defaults={"engine": "fast", "max_iter": 40, "eps_step": None, "norm": "inf"},
    ),
    "bim": AttackEntry(
        builders.bim,
        "inf",
        "basic iterative method, steps of a grey level (Kurakin et al. 2017)",
        whole_batch=True,
        optional=TARGETS,
        resolve_defaults=builders.bim_steps,
        defaults={"engine": "fast", "max_iter": None, "eps_step": None},
    ),
    "apgd": AttackEntry(
        builders.auto_pgd,
        "inf",
        "Auto-PGD, loss ce or dlr (Croce and Hein 2020)",
        optional=TARGETS,
        allowed={"norm": ("inf", "2"), "loss": ("ce", "dlr")},
        defaults={
            "engine": "fast",
            "norm": "inf",
            "max_iter": 100,
            "loss": "ce",
            "nb_random_init": 1,
        },
    ),
    "autoattack": AttackEntry(
        builders.auto_attack,
        "inf",
        "APGD-CE, APGD-DLR, DeepFool, Square: worst case by image",
        optional=TARGETS,
        allowed={"norm": ("inf", "2")},
        stock_targets=False,
        defaults={
            "engine": "fast",
            "norm": "inf",
            "max_iter": 100,
            "queries": 1000,
            "nb_random_init": 1,
        },
    ),
    "deepfool": AttackEntry(
        builders.deep_fool,
        "2",
        "DeepFool in L2 (Moosavi-Dezfooli et al. 2016)",
        bounded=False,
        defaults={"engine": "fast", "max_iter": 50, "overshoot": 0.02},
    ),
    "square": AttackEntry(
        builders.square,
        "inf",
        "black box by scores: random squares (Andriushchenko et al. 2020)",
        uses_gradient=False,
        optional=TARGETS,
        stock_targets=False,
        defaults={"engine": "fast", "queries": 1000, "p_init": 0.8},
    ),
    "hopskipjump": AttackEntry(
        builders.hop_skip_jump,
        "2",
        "black box by decisions (Chen et al. 2020)",
        bounded=False,
        uses_gradient=False,
        optional=TARGETS,
        allowed={"norm": ("inf", "2")},
        defaults={"engine": "fast", "norm": 2, "queries": 1000, "init_eval": 100, "init_size": 100},
    ),
    "cw": AttackEntry(
        builders.carlini,
        "2",
        "Carlini and Wagner L2 with ART's binary search mended",
        bounded=False,
        defaults={"engine": "fast", **CW},
    ),
    "cw-art": AttackEntry(
        builders.carlini_art,
        "2",
        "Carlini and Wagner L2 as ART has it, fault included",
        bounded=False,
        defaults={"engine": "fast", **CW_ART},
    ),
    "noise": AttackEntry(
        builders.noise,
        "inf",
        "the control: random signs of the same eps, no gradient",
        shares_gradient=True,
        uses_gradient=False,
        ignores_model=True,
    ),
}

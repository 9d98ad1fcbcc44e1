"""The attacks by short name: one row per attack, without torch or ART."""

from __future__ import annotations

from benchmark.attacks import costs
from benchmark.attacks.entry import AttackEntry, Passes
from estimators.entries import table
from estimators.spec import Value

# `target` is the class to reach: `next`, or a number (see `steps.craft.targets`)
TARGETS: dict[str, Value] = {"targeted": False, "target": "next"}
# ART's defaults
CW_ART: dict[str, Value] = {
    "engine": "fast",
    "confidence": 0.0,
    **TARGETS,
    "learning_rate": 0.01,
    "binary_search_steps": 10,
    "max_iter": 10,
    "initial_const": 0.01,
}
TWO_OR_INF = ("inf", "2")

ATTACKS: dict[str, AttackEntry] = table(
    AttackEntry(
        name="fgsm",
        label="FGSM",
        summary="fast gradient sign (Goodfellow et al. 2015)",
        build="benchmark.attacks.fast_gradient:FastGradient",
        stock="benchmark.attacks.fast_gradient:stock",
        shares_gradient=True,
        defaults={"engine": "fast"},
        optional=TARGETS,
    ),
    AttackEntry(
        name="fgm",
        label="FGM",
        summary="fast gradient in L2 (Goodfellow et al. 2015)",
        build="benchmark.attacks.fast_gradient:FastGradientL2",
        stock="benchmark.attacks.fast_gradient:stock_l2",
        norm="2",
        shares_gradient=True,
        defaults={"engine": "fast"},
        optional=TARGETS,
    ),
    AttackEntry(
        name="pgd",
        label="PGD",
        summary="projected gradient descent from the image (Madry et al. 2018)",
        build="benchmark.attacks.projected_gradient:ProjectedGradient",
        stock="benchmark.attacks.projected_gradient:stock",
        whole_batch=True,
        defaults={"engine": "fast", "max_iter": 40, "eps_step": None, "norm": "inf"},
        optional=TARGETS,
        resolve_defaults="benchmark.attacks.projected_gradient:step_size",
    ),
    AttackEntry(
        name="bim",
        summary="basic iterative method, steps of a grey level (Kurakin et al. 2017)",
        build="benchmark.attacks.projected_gradient:ProjectedGradient",
        stock="benchmark.attacks.basic_iterative:stock",
        whole_batch=True,
        defaults={"engine": "fast", "max_iter": None, "eps_step": None},
        optional=TARGETS,
        resolve_defaults="benchmark.attacks.basic_iterative:steps",
    ),
    AttackEntry(
        name="apgd",
        label="APGD",
        summary="Auto-PGD, loss ce or dlr (Croce and Hein 2020)",
        build="benchmark.attacks.auto_pgd:AutoPGD",
        stock="benchmark.attacks.auto_pgd:stock",
        allowed={"norm": TWO_OR_INF, "loss": ("ce", "dlr")},
        defaults={
            "engine": "fast",
            "norm": "inf",
            "max_iter": 100,
            "loss": "ce",
            "nb_random_init": 1,
        },
        optional=TARGETS,
        passes=costs.apgd,
    ),
    AttackEntry(
        name="autoattack",
        summary="APGD-CE, APGD-DLR, DeepFool, Square: worst case by image",
        build="benchmark.attacks.auto_attack:AutoAttack",
        stock="benchmark.attacks.auto_attack:stock",
        allowed={"norm": TWO_OR_INF},
        stock_targets=False,
        defaults={
            "engine": "fast",
            "norm": "inf",
            "max_iter": 100,
            "queries": 1000,
            "nb_random_init": 1,
        },
        optional=TARGETS,
        passes=costs.autoattack,
    ),
    AttackEntry(
        name="deepfool",
        label="DeepFool",
        summary="DeepFool in L2 (Moosavi-Dezfooli et al. 2016)",
        build="benchmark.attacks.deep_fool:DeepFool",
        stock="benchmark.attacks.deep_fool:stock",
        norm="2",
        bounded=False,
        defaults={"engine": "fast", "max_iter": 50, "overshoot": 0.02},
        passes=lambda p, classes: Passes(costs.deep_fool_steps(p) * classes, 26),
    ),
    AttackEntry(
        name="square",
        summary="black box by scores: random squares (Andriushchenko et al. 2020)",
        build="benchmark.attacks.square:Square",
        stock="benchmark.attacks.square:stock",
        uses_gradient=False,
        stock_targets=False,
        defaults={"engine": "fast", "queries": 1000, "p_init": 0.8},
        optional=TARGETS,
        passes=costs.square,
    ),
    AttackEntry(
        name="hopskipjump",
        summary="black box by decisions (Chen et al. 2020)",
        build="benchmark.attacks.hop_skip_jump:HopSkipJump",
        stock="benchmark.attacks.hop_skip_jump:stock",
        norm="2",
        bounded=False,
        uses_gradient=False,
        allowed={"norm": TWO_OR_INF},
        defaults={"engine": "fast", "norm": 2, "queries": 1000, "init_eval": 100, "init_size": 100},
        optional=TARGETS,
        passes=lambda p, _: Passes(forwards=1.7 * p["queries"]),
    ),
    AttackEntry(
        name="cw",
        label="C&W",
        summary="Carlini and Wagner L2 with ART's binary search fixed",
        build="benchmark.attacks.carlini:CarliniL2",
        stock="benchmark.attacks.carlini_art:stock",
        norm="2",
        bounded=False,
        # None: estimated for each image
        defaults={
            **CW_ART,
            "learning_rate": None,
            "binary_search_steps": 9,
            "max_iter": 100,
            "initial_const": None,
        },
        # ART's class would take hours with ours
        stock_defaults=CW_ART,
        passes=lambda p, _: costs.per_iteration(p, gradients=0.35),
    ),
    AttackEntry(
        name="cw-art",
        summary="Carlini and Wagner L2 as ART has it, fault included",
        build="benchmark.attacks.carlini_art:CarliniL2Exact",
        stock="benchmark.attacks.carlini_art:stock",
        norm="2",
        bounded=False,
        defaults=CW_ART,
        passes=lambda p, _: costs.per_iteration(p, gradients=2, forwards=4.3),
    ),
    AttackEntry(
        name="noise",
        label="random signs",
        summary="the control: random signs of the same eps, no gradient",
        build="benchmark.attacks.noise:Noise",
        shares_gradient=True,
        uses_gradient=False,
        ignores_model=True,
        passes=lambda *_: Passes(forwards=0.5),
    ),
)
# how other attacks are named: rows whose name is a pattern
ATTACK_PATTERNS = table(
    AttackEntry(
        name="art.attacks.evasion.NAME",
        build="benchmark.attacks.adapters.art:class_entry",
        summary="any other evasion attack of ART",
        bounded=False,
    ),
    AttackEntry(
        name="package.module:attack",
        build="benchmark.attacks.adapters.art:class_entry",
        summary="your own, see docs/extending.md",
        values={"its own": ""},
        bounded=False,
    ),
)

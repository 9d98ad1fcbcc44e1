"""The attacks by short name: one row per attack, without torch or ART."""

from __future__ import annotations

from benchmark.attacks import costs
from benchmark.attacks.entry import AttackEntry, Passes
from estimators.entries import table
from estimators.spec import Value

# `target` is the class to reach: `next`, or a number (see `steps.craft.targets`)
TARGETS: dict[str, Value] = {"targeted": False, "target": "next"}
FAST: dict[str, Value] = {"engine": "fast"}
# ART's defaults; its class would take hours with ours
CW_ART: dict[str, Value] = {**FAST, "confidence": 0.0, **TARGETS, "learning_rate": 0.01}
CW_ART |= {"binary_search_steps": 10, "max_iter": 10, "initial_const": 0.01}
# None: estimated for each image
CW = {**CW_ART, "learning_rate": None, "initial_const": None}
CW |= {"binary_search_steps": 9, "max_iter": 100}
NORMS = {"norm": ("inf", "2")}
THREE_NORMS = {"norm": ("inf", "2", "1")}
# at least so many passes per gradient, for defences that draw
EOT: dict[str, Value] = {"eot_iter": 1}

ATTACKS: dict[str, AttackEntry] = table(
    AttackEntry(
        name="fgsm", label="FGSM", summary="fast gradient sign (Goodfellow et al. 2015)",
        build="benchmark.attacks.fast_gradient:FastGradient", stock="benchmark.attacks.stock:fgsm",
        shares_gradient=True, defaults=FAST, optional=TARGETS,
    ),
    AttackEntry(
        name="fgm", label="FGM", summary="fast gradient in L2 (Goodfellow et al. 2015)",
        build="benchmark.attacks.fast_gradient:FastGradientL2", stock="benchmark.attacks.stock:fgm",
        norm="2", shares_gradient=True, defaults=FAST, optional=TARGETS,
    ),
    AttackEntry(
        name="pgd", label="PGD",
        summary="projected gradient descent from the image (Madry et al. 2018)",
        build="benchmark.attacks.projected_gradient:ProjectedGradient",
        stock="benchmark.attacks.stock:pgd",
        whole_batch=True, allowed=NORMS, optional=TARGETS,
        resolve_defaults="benchmark.attacks.projected_gradient:step_size",
        defaults={**FAST, "max_iter": 40, "eps_step": None, "norm": "inf"},
    ),
    AttackEntry(
        name="bim", summary="basic iterative method, steps of a grey level (Kurakin et al. 2017)",
        build="benchmark.attacks.projected_gradient:ProjectedGradient",
        stock="benchmark.attacks.stock:bim",
        whole_batch=True, optional=TARGETS,
        resolve_defaults="benchmark.attacks.projected_gradient:grey_levels",
        defaults={**FAST, "max_iter": None, "eps_step": None},
    ),
    AttackEntry(
        name="apgd", label="APGD",
        summary="Auto-PGD, loss ce or dlr (Croce and Hein 2020; L1: 2021)",
        build="benchmark.attacks.auto_pgd:AutoPGD", stock="benchmark.attacks.stock:apgd",
        passes=costs.apgd,
        allowed={**THREE_NORMS, "loss": ("ce", "dlr")}, optional={**TARGETS, **EOT},
        defaults={**FAST, "norm": "inf", "max_iter": 100, "loss": "ce", "nb_random_init": 1},
    ),
    AttackEntry(
        name="apgd-t", label="APGD-T",
        summary="Auto-PGD against nine classes in turn, targeted DLR (Croce and Hein 2020)",
        build="benchmark.attacks.apgd_targeted:TargetedAPGD", passes=costs.apgd_targeted,
        allowed=THREE_NORMS, optional=EOT,
        defaults={"norm": "inf", "max_iter": 100, "targets": 9, "nb_random_init": 1},
    ),
    AttackEntry(
        name="autoattack", summary="APGD-CE, APGD-DLR, DeepFool, Square: worst case by image",
        build="benchmark.attacks.auto_attack:AutoAttack",
        stock="benchmark.attacks.stock:auto_attack", passes=costs.autoattack,
        allowed=NORMS, stock_targets=False, optional=TARGETS,
        defaults={**FAST, "norm": "inf", "max_iter": 100, "queries": 1000, "nb_random_init": 1},
    ),
    AttackEntry(
        name="strongest",
        summary="a search on what still stands: classes, restarts, losses, Square; budget: passes",
        build="benchmark.attacks.strongest:Strongest", passes=costs.strongest,
        counts_images=True,
        allowed={"norm": ("inf", "2", "1")}, optional=TARGETS,
        defaults={"norm": "inf", "budget": 2000},
    ),
    AttackEntry(
        name="deepfool", label="DeepFool",
        summary="DeepFool in L2 (Moosavi-Dezfooli et al. 2016)",
        build="benchmark.attacks.deep_fool:DeepFool", stock="benchmark.attacks.stock:deep_fool",
        passes=costs.deep_fool,
        norm="2", bounded=False, defaults={**FAST, "max_iter": 50, "overshoot": 0.02},
    ),
    AttackEntry(
        name="square",
        summary="black box by scores: random squares (Andriushchenko et al. 2020)",
        build="benchmark.attacks.square:Square", stock="benchmark.attacks.stock:square",
        passes=costs.square,
        uses_gradient=False, stock_targets=False, allowed=THREE_NORMS,
        optional={**TARGETS, "norm": "inf", "rescale": True},
        defaults={**FAST, "queries": 1000, "p_init": 0.8},
    ),
    AttackEntry(
        name="hopskipjump", summary="black box by decisions (Chen et al. 2020)",
        build="benchmark.attacks.hop_skip_jump:HopSkipJump",
        stock="benchmark.attacks.stock:hop_skip_jump",
        passes=lambda p, _: Passes(forwards=1.7 * p["queries"]),
        norm="2", bounded=False, uses_gradient=False, allowed=NORMS, optional=TARGETS,
        defaults={**FAST, "norm": 2, "queries": 1000, "init_eval": 100, "init_size": 100},
    ),
    AttackEntry(
        name="cw", label="C&W", summary="Carlini and Wagner L2 with ART's binary search fixed",
        build="benchmark.attacks.carlini:CarliniL2", stock="benchmark.attacks.stock:carlini",
        passes=lambda p, _: costs.per_iteration(p, gradients=0.35),
        norm="2", bounded=False, defaults=CW, stock_defaults=CW_ART,
    ),
    AttackEntry(
        name="cw-art", summary="Carlini and Wagner L2 as ART has it, fault included",
        build="benchmark.attacks.carlini_art:CarliniL2Exact",
        stock="benchmark.attacks.stock:carlini",
        passes=lambda p, _: costs.per_iteration(p, gradients=2, forwards=4.3),
        norm="2", bounded=False, defaults=CW_ART,
    ),
    AttackEntry(
        name="noise", label="random signs",
        summary="the control: random signs of the same eps, no gradient",
        build="benchmark.attacks.noise:Noise", passes=lambda *_: Passes(forwards=0.5),
        shares_gradient=True, uses_gradient=False, ignores_model=True,
    ),
)  # fmt: skip
# how other attacks are named: rows whose name is a pattern
ATTACK_PATTERNS = table(
    AttackEntry(
        name="art.attacks.evasion.NAME", summary="any other evasion attack of ART",
        build="benchmark.attacks.adapters.art:class_entry", bounded=False,
    ),
    AttackEntry(
        name="package.module:attack", summary="your own, see docs/extending.md",
        build="benchmark.attacks.adapters.art:class_entry", values={"its own": ""}, bounded=False,
    ),
)  # fmt: skip

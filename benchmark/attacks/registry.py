"""The attacks by short name: one row per attack, without torch or ART."""

from __future__ import annotations

from benchmark.attacks import costs, ensemble
from benchmark.attacks.adapters.library import Library
from benchmark.attacks.corruptions.kinds import FROST_INSTALL, KINDS, SEVERITY
from benchmark.attacks.entry import AttackEntry, FileEntry, Passes
from benchmark.attacks.strongest_rounds import PARTS
from estimators.entries import table
from estimators.errors import install_extra
from estimators.spec import Value

# `target` is the class to reach: `next`, or a number (see `steps.craft.targets`)
TARGETS: dict[str, Value] = {"targeted": False, "target": "next"}
# images leave once they are adversarial
DROPPING: dict[str, Value] = {**TARGETS, "drop_fallen": False}
FAST: dict[str, Value] = {"engine": "fast"}
# ART's defaults; its class would take hours with ours
CW_ART: dict[str, Value] = {**FAST, "confidence": 0.0, **TARGETS, "learning_rate": 0.01}
CW_ART |= {"binary_search_steps": 10, "max_iter": 10, "initial_const": 0.01}
# None: estimated for each image
CW = {**CW_ART, "learning_rate": None, "initial_const": None}
CW |= {"binary_search_steps": 9, "max_iter": 100}
NORMS = {"norm": ("inf", "2")}
THREE_NORMS = {"norm": ("inf", "2", "1")}
# as Croce and Hein's code has them
FAB: dict[str, Value] = {"norm": "inf", "max_iter": 100, "alpha_max": 0.1, "eta": 1.05}
FAB |= {"beta": 0.9, "restarts": 1}
FAB_REVISION = "2: steps lead to where a point counts"
# parameters of the sequence that `autoattack` named before
ART_AUTO = ("engine", "max_iter", "queries", "nb_random_init", "targeted", "target")
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
        passes=costs.projected,
        whole_batch=True, allowed=NORMS, optional=DROPPING,
        resolve_defaults="benchmark.attacks.projected_gradient:step_size",
        defaults={**FAST, "max_iter": 40, "eps_step": None, "norm": "inf"},
    ),
    AttackEntry(
        name="bim", summary="basic iterative method, steps of a grey level (Kurakin et al. 2017)",
        build="benchmark.attacks.projected_gradient:ProjectedGradient",
        stock="benchmark.attacks.stock:bim",
        passes=costs.projected,
        whole_batch=True, optional=DROPPING,
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
        name="autoattack", label="AutoAttack",
        summary="the published ensemble, worst case by image (Croce and Hein 2020)",
        build="benchmark.attacks.auto_attack:AutoAttack", passes=costs.autoattack,
        beside=costs.late_draws,
        counts_images=True, parts=ensemble.part_names,
        allowed={**THREE_NORMS, "version": tuple(ensemble.VERSIONS)},
        defaults={"norm": "inf", "version": "standard"},
        revision="2: the published parts", moved=dict.fromkeys(ART_AUTO, "art-autoattack"),
    ),
    AttackEntry(
        name="art-autoattack", label="ART's AutoAttack",
        summary="APGD-CE, APGD-DLR, DeepFool, Square: worst case by image",
        build="benchmark.attacks.art_auto_attack:ArtAutoAttack",
        stock="benchmark.attacks.stock:auto_attack", passes=costs.art_autoattack,
        beside=costs.late_draws,
        parts=ensemble.art_part_names,
        allowed=NORMS, stock_targets=False, optional=TARGETS,
        defaults={**FAST, "norm": "inf", "max_iter": 100, "queries": 1000, "nb_random_init": 1},
    ),
    AttackEntry(
        name="strongest",
        summary="a search on what still stands: classes, restarts, losses, Square; budget: passes",
        build="benchmark.attacks.strongest:Strongest", passes=costs.strongest,
        counts_images=True, parts=lambda *_: PARTS, revision="2: a long run in the opening",
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
        name="fab", label="FAB",
        summary="nearest wrong point along the boundary (Croce and Hein 2020)",
        build="benchmark.attacks.fab:FAB", passes=costs.fab,
        bounded=False, allowed=THREE_NORMS, defaults=FAB, revision=FAB_REVISION,
    ),
    AttackEntry(
        name="fab-t", label="FAB-T",
        summary="FAB against each of nine classes, one boundary a run",
        build="benchmark.attacks.fab:FAB", passes=costs.fab,
        bounded=False, allowed=THREE_NORMS, defaults={**FAB, "targets": 9},
        revision=FAB_REVISION,
    ),
    AttackEntry(
        name="square",
        summary="black box by scores: random squares (Andriushchenko et al. 2020)",
        build="benchmark.attacks.square:Square", stock="benchmark.attacks.stock:square",
        passes=costs.square, beside=costs.square_draws,
        uses_gradient=False, stock_targets=False, allowed=THREE_NORMS,
        optional={**TARGETS, "norm": "inf", "rescale": True},
        defaults={**FAST, "queries": 1000, "p_init": 0.8},
    ),
    AttackEntry(
        name="hopskipjump", summary="black box by decisions (Chen et al. 2020)",
        build="benchmark.attacks.hop_skip_jump:HopSkipJump",
        stock="benchmark.attacks.stock:hop_skip_jump",
        passes=costs.hop_skip_jump, beside=costs.decision_draws,
        norm="2", bounded=False, uses_gradient=False, allowed=NORMS, optional=TARGETS,
        defaults={**FAST, "norm": 2, "queries": 1000, "init_eval": 100, "init_size": 100},
        revision="2: images share batches",
    ),
    AttackEntry(
        name="cw", label="C&W", summary="Carlini and Wagner L2 with ART's binary search fixed",
        build="benchmark.attacks.carlini:CarliniL2", stock="benchmark.attacks.stock:carlini",
        passes=costs.carlini,
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
        name="ddn", label="DDN", summary="decoupled direction and norm in L2 (Rony et al. 2019)",
        build="benchmark.attacks.ddn:DecoupledDirection", passes=costs.searched,
        norm="2", bounded=False, optional=TARGETS,
        defaults={"steps": 100, "gamma": 0.05, "init_norm": 1.0, "levels": None},
        revision="2: a gradient that does not saturate",
    ),
    AttackEntry(
        name="fmn", label="FMN", summary="smallest ball in L0, L1, L2 or Linf (Pintor et al. 2021)",
        build="benchmark.attacks.fmn:FastMinimumNorm", passes=costs.searched,
        norm="2", bounded=False, optional=TARGETS, allowed={"norm": ("0", "1", "2", "inf")},
        defaults={"norm": 2, "steps": 100, "alpha_init": None, "alpha_final": None}
        | {"gamma_init": 0.05, "gamma_final": 0.001},
    ),
    AttackEntry(
        name="sigma-zero", summary="few changed values: L0 (Cinà et al. 2025)",
        build="benchmark.attacks.sigma_zero:SigmaZero", passes=costs.searched,
        norm="0", bounded=False,
        defaults={"steps": 1000, "eta": 1.0, "sigma": 1e-3, "tau": 0.3, "tau_step": 0.01},
    ),
    AttackEntry(
        name="noise", label="random signs",
        summary="the control: random signs of the same eps, no gradient",
        build="benchmark.attacks.noise:Noise", passes=lambda *_: Passes(), beside=lambda *_: 0.5,
        shares_gradient=True, uses_gradient=False, ignores_model=True,
    ),
)  # fmt: skip
# attacks that read a file, by the name before the colon
FILES: dict[str, FileEntry] = {
    row.family: row
    for row in (
        FileEntry(
            name="images:FILE", summary="scores adversarial images that others made, paired by id",
            build="benchmark.attacks.adapters.images:SavedImages", bounded=False,
            allowed={"norm": ("inf", "2", "1", "0")}, defaults={"norm": "inf"},
            optional={"eps": None, "key": None},
        ),
    )
}  # fmt: skip
# other libraries by the name before the colon
LIBRARIES: dict[str, Library] = {
    row.family: row
    for row in (
        Library(
            name="art:NAME", summary="evasion attacks of ART, passes counted by the network",
            build="benchmark.attacks.adapters.art:attacks",
            distribution="adversarial-robustness-toolbox",
            install="pip install adversarial-robustness-toolbox",
        ),
        Library(
            name="foolbox:NAME", summary="attacks of foolbox",
            build="benchmark.attacks.adapters.foolbox:attacks",
            distribution="foolbox", install=install_extra("foolbox"),
        ),
        Library(
            name="torchattacks:NAME", summary="attacks of torchattacks",
            build="benchmark.attacks.adapters.torchattacks:attacks",
            distribution="torchattacks", install=install_extra("torchattacks"),
        ),
        Library(
            # its requirement visdom cannot be built with setuptools 82
            name="adv_lib:NAME", summary="attacks of adversarial-library",
            build="benchmark.attacks.adapters.adv_lib:attacks",
            distribution="adv-lib", install="pip install --no-deps adv-lib",
        ),
    )
}  # fmt: skip
# how other attacks are named: rows whose name is a pattern
ATTACK_PATTERNS: dict[str, AttackEntry] = table(
    *FILES.values(),
    AttackEntry(
        name="corruption:KIND",
        summary=f"corruptions of ImageNet-C: {', '.join(KINDS)} (frost: {FROST_INSTALL})",
        build="benchmark.attacks.corruptions.attack:CorruptionAttack", bounded=False,
        uses_gradient=False, ignores_model=True, defaults={"severity": SEVERITY},
    ),
    AttackEntry(
        name="art.attacks.evasion.NAME", summary="any other evasion attack of ART",
        build="benchmark.attacks.adapters.art:class_entry", bounded=False,
    ),
    *LIBRARIES.values(),
    AttackEntry(
        name="package.module:attack", summary="your own, see docs/extending.md",
        build="benchmark.attacks.adapters.art:class_entry", values={"its own": ""}, bounded=False,
    ),
)  # fmt: skip

"""The page docs/attacks.md and the table of networks in docs/anchors.md, from rows and results."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmark.anchors.anchor import load_anchors
from benchmark.attacks.entry import AttackEntry
from benchmark.attacks.lookup import check_attack
from benchmark.attacks.registry import ATTACK_PATTERNS, ATTACKS
from estimators.entries import Entry
from estimators.spec import Spec

HEAD = """\
# Attacks

{note}

[Attackers](attackers.md) helps to choose one, and [names](names.md#attacks) has all parameters.

Cost: passes per image that are expected with the default parameters and ten classes, at eps 0.1 in
the norm inf, 1 in L2 and 10 in L1. A gradient is a forward and a backward pass. Images that are
broken drop out; the numbers are fitted to LeNet on digits, and a robust network costs more:
AutoAttack takes up to 1,900 gradients and 5,900 forward passes at an image that it does not break.
A run writes what an attack took into the columns `gradients` and `forwards`.

{table}

A wrong class counts as a success only where the harness finds it, within the budget (see the
[rules for every attack](attackers.md#rules-that-hold-for-every-attack)).
"""
EPS = {"inf": 0.1, "2": 1.0, "1": 10.0}
# what the results of each attack are compared with, and where
CHECKED: dict[str, tuple[str, str]] = {
    "fgsm": ("ART's class, bit for bit at every eps", "test_fast_gradient.py"),
    "fgm": ("ART's class, bit for bit at every eps", "test_fast_gradient.py"),
    "pgd": ("both of ART's classes, bit for bit", "test_projected_gradient.py"),
    "bim": ("the exact distance of a linear network", "test_strong_attacks.py"),
    "apgd": (
        "exact distances of linear networks; in L1 as far from them as the authors' code",
        "test_apgd_l1.py",
    ),
    "apgd-t": ("exact distances of linear networks", "test_apgd_targeted.py"),
    "autoattack": (
        "exact distances; the authors' code on published networks",
        "test_auto_attack.py",
    ),
    "art-autoattack": ("exact distances of linear networks", "test_strong_attacks.py"),
    "strongest": ("exact distances; proved brackets of published networks", "test_strongest.py"),
    "deepfool": (
        "the exact distance of linear networks, at any scale of the logits",
        "test_logit_scale.py",
    ),
    "fab": ("exact distances of linear networks in a box", "test_fab.py"),
    "fab-t": ("exact distances of linear networks in a box", "test_fab.py"),
    "square": ("exact distances of linear networks", "test_square_norms.py"),
    "hopskipjump": ("the exact distance of linear networks", "test_strong_attacks.py"),
    "cw": ("the optimum of linear networks, at any scale of the logits", "test_logit_scale.py"),
    "cw-art": ("ART's class, bit for bit", "test_carlini.py"),
    "ddn": (
        "the optimum of linear networks; as far from it as adversarial-library's",
        "test_smallest_norm.py",
    ),
    "fmn": ("the optimum of linear networks in each norm", "test_smallest_norm.py"),
    "sigma-zero": ("the optimum of linear networks", "test_smallest_norm.py"),
    "noise": ("its passes, which are none", "test_determinism.py"),
}
# the same for rows that name a family: the cost in passes, what with, and where
FAMILIES: dict[str, tuple[str, str, str]] = {
    "images:FILE": ("none", "every layout that is read, image by image", "adapters/test_images.py"),
    "corruption:KIND": (
        "none",
        "the authors' code and a library of ImageNet-C, value by value",
        "corruptions/test_published.py",
    ),
    "art.attacks.evasion.NAME": (
        "counted by the classifier",
        "traps of ART's classes, each a test",
        "test_strong_attacks.py",
    ),
    **dict.fromkeys(
        ("art:NAME", "foolbox:NAME", "torchattacks:NAME", "adv_lib:NAME"),
        (
            "counted by the network",
            "exact distances of linear networks, one attack of each kind",
            "adapters/test_libraries.py",
        ),
    ),
    "package.module:attack": (
        "its own",
        "the page docs/extending.md as written",
        "../test_extending.py",
    ),
}


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; bars inside cells are escaped."""
    lines = [head, ["---"] * len(head), *([c.replace("|", "\\|") for c in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def attacks_page(note: str) -> str:
    """Return docs/attacks.md."""
    rows = [_row(entry, *CHECKED[entry.name]) for entry in ATTACKS.values()]
    for entry in ATTACK_PATTERNS.values():
        cost, against, test = FAMILIES[entry.name]
        own = f"{against} (`{Path(test).name}`)"
        rows.append((f"`{entry.name}`", _norms_of(entry), entry.summary, cost, own))
    head = ("attack", "norms", "what it is and whose", "cost in passes", "checked against")
    return HEAD.format(note=note, table=markdown(head, rows))


def _row(entry: AttackEntry, against: str, test: str) -> tuple[str, ...]:
    where = f"{against} (`{test}`)"
    return f"`{entry.name}`", _norms(entry), entry.summary, _cost(entry), where


def _norms(entry: AttackEntry) -> str:
    return ", ".join(f"L{norm}" for norm in entry.allowed.get("norm", (entry.norm,)))


def _norms_of(entry: Entry) -> str:
    """Return the norms of a family; those of other people's attacks differ from one to the next."""
    if entry.name == "corruption:KIND":
        return "none"
    has_norms = isinstance(entry, AttackEntry) and "norm" in entry.allowed
    return _norms(entry) if has_norms else "its own"


def _cost(entry: AttackEntry) -> str:
    """Return the expected passes with the default parameters, both kinds counted."""
    given = {"eps": EPS[str(entry.norm)]} if entry.bounded else {}
    spec = check_attack(Spec.of(entry.name, given))
    passes = entry.passes(entry.resolved(spec.kwargs), 10)
    parts = [f"{passes.gradients:,.0f} gradients"] if passes.gradients >= 0.5 else []
    parts += [f"{passes.forwards:,.0f} forwards"] if passes.forwards > 0.5 else []
    return " and ".join(parts) or "none"


def anchors_table(results: Path) -> str:
    """Return the table of networks with known answers, with the committed results of ours.

    results: a CSV file of `bench anchors --csv`.
    """
    with results.open(encoding="utf-8", newline="") as file:
        done = {(r["network"], r["attack"], r["measure"]): r for r in csv.DictReader(file)}
    rows = []
    for anchor in load_anchors():
        for check in anchor.checks:
            ours = done.get((anchor.name, check.attack or "clean", check.measure))
            measured = ours is not None and ours["ours"] != ""
            assert ours is not None, f"{results} lacks {anchor.name}; run bench anchors --csv"
            unit = " %" if check.measure == "accuracy" else ""
            what = f"`{check.attack}`" if check.attack else "clean"
            what += "" if unit else f", {check.measure.replace('_', ' ')}"
            proved = " to ".join(f"{v:g}" for v in check.proved) if check.proved else ""
            rows.append((
                f"[{anchor.name}]({anchor.weights.address})", what,
                f"{check.published:g}{unit} ({check.by})", proved,
                f"{ours['ours']}{unit}" if measured else "",
                ours["images"] if measured else "", ours["verdict"],
            ))  # fmt: skip
    head = ("network", "check", "published", "proved", "ours", "images", "")
    return markdown(head, rows)

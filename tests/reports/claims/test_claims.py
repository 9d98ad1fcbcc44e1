"""The claims' rules: made-up numbers for each part and each of the three verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from write_claims import with_rules

from reports.claims.evaluate import CLAIMS, WHOLE, evaluate, write_claims
from reports.claims.intervals import between_samples, mean_over_images, over_seeds
from reports.claims.rule import Effect, Part, Rule, combined
from reports.claims.sources import Curves, Missing, Sources
from reports.style.labels import Labels

ROOT = Path(__file__).parents[3]
N = 200
SEEDS = (0, 1, 2)
SIDES = {"supported": 1, "contradicted": -1, "undecided": 0}
PARTS = [(claim, part) for claim in CLAIMS for part in claim.parts]


class Made(Sources):
    """Sources with the tables and curves of a test in place of files."""

    def __init__(
        self,
        tables: dict[tuple[str, str], pd.DataFrame] | None = None,
        curves: Callable[..., Curves] | None = None,
    ) -> None:
        super().__init__(Path("nowhere"))
        self._tables, self._curves = tables or {}, curves

    def study(self, name: str, table: str) -> pd.DataFrame:
        if (name, table) not in self._tables:
            raise Missing(f"study {name} was not run")
        return self._tables[name, table]

    def qualities(
        self, dataset: str, network: str, attacker: str = "", attack: str = "fgsm"
    ) -> list[int]:
        return [10, 90]

    def curves(
        self, dataset: str, network: str, attacker: str, quality: int | None, attack: str = "fgsm"
    ) -> Curves:
        assert self._curves is not None
        return self._curves(dataset, network, attacker, quality)


def around(centre: float, width: float = 0.02, n: int = N) -> np.ndarray:
    """n numbers with exactly this mean and some spread."""
    return centre + np.tile([-width, width], n // 2)


def right(share: float, images: int = N) -> np.ndarray:
    """So many of the images right: the first ones."""
    return np.arange(images) < round(share * images)


def grid(part: Part, side: int) -> Made:
    """Curves with one eps whose accuracies put the part's effect on the wanted side."""
    accuracy: dict[tuple[str, str, int | None], tuple[float, float]] = {}
    for dataset, network in (
        ("mnist", "lenet"),
        ("mnist", "resnet"),
        ("cifar10", "lenet"),
        ("cifar10", "cnn"),
    ):
        # clean and robust accuracy of the bare network, of quality 10, of quality 90
        accuracy[dataset, network, None] = (1.0, 0.2)
        accuracy[dataset, network, 10] = accuracy[dataset, network, 90] = (1.0, 0.2)
        gain = 0.3 * side
        if part.name == "raises the accuracy":
            accuracy[dataset, network, 10] = (1.0, 0.4 + gain / 2)
            accuracy[dataset, network, 90] = (1.0, 0.0 - gain / 2 if side < 0 else gain / 2)
            if side < 0:
                accuracy[dataset, network, 10] = accuracy[dataset, network, 90] = (1.0, 0.0)
        elif part.name == "more as the quality falls":
            accuracy[dataset, network, 10] = (1.0, 0.5 + gain)
            accuracy[dataset, network, 90] = (1.0, 0.5 - gain)
        elif part.name == "but not by much":
            accuracy[dataset, network, 10] = (1.0, 0.6 - gain)
        elif part.name == "costs clean accuracy":
            accuracy[dataset, network, None] = (0.5, 0.2)
            accuracy[dataset, network, 10] = (0.5 - gain, 0.2)
        elif part.name == "falls faster" and network == "resnet":
            accuracy[dataset, network, None] = (1.0, 0.5 - gain)
        elif part.name == "falls faster":
            accuracy[dataset, network, None] = (1.0, 0.5)
        elif part.name == "more on CIFAR-10":
            drop = 0.4 + (gain if dataset == "cifar10" else 0)
            accuracy[dataset, network, 10] = (1.0 - drop, 0.2)
        elif part.name == "helps more":
            accuracy[dataset, network, 10] = (1.0, 0.6 + (gain if dataset == "cifar10" else 0))

    def curves(dataset: str, network: str, attacker: str, quality: int | None) -> Curves:
        clean, robust = accuracy[dataset, network, quality]
        under = right(robust)
        if quality is not None or network == "resnet":
            # other images, so that a difference of nothing still has an interval
            under = np.roll(under, 7)
        behind = np.roll(right(clean), 7 if quality else 0)
        return Curves(np.array([0.0, 0.1]), np.arange(N), behind, np.stack([behind, under]))

    return Made(curves=curves)


def images(part: Part, side: int) -> Made:
    """Study tables with one row an image and kind."""
    rows: list[dict[str, Any]] = []
    bound = part.rule.bound
    sign = side if part.rule.holds == "above" else -side
    for dataset, network in (
        ("mnist", "lenet"),
        ("mnist", "resnet"),
        ("cifar10", "lenet"),
        ("cifar10", "cnn"),
    ):
        values = around(bound + 0.1 * sign)
        for n, value in enumerate(values):
            base = {"dataset": dataset, "network": network, "id": n, "censored": False}
            if part.name == "smaller eps":
                smaller = n < N * (0.5 + 0.3 * sign)
                for norm, eps in (("inf", 0.1 if smaller else 0.9), ("2", 0.5)):
                    rows.append({**base, "norm": norm, "smallest_eps": eps})
            elif part.name in ("alike", "for being of one image"):
                other = 0.3 if part.name != "alike" else 0.0
                rows.append({**base, "pair": "fgsm~fgm", "correlation": value + other})
                rows.append({**base, "pair": "fgsm~fgm_other", "correlation": other})
            elif "more high frequency" in part.name:
                rows.append({**base, "what": "image", "high_share": 0.2})
                for what in ("noise_fgsm", "noise_fgm"):
                    rows.append({**base, "what": what, "high_share": 0.2 + value})
            elif "shows on MNIST" in part.name:
                seen = 0.3 + (value if dataset == "mnist" else 0)
                for attack in ("fgsm", "fgm"):
                    rows.append({**base, "attack": attack, "high": seen})
            elif "salient" in part.name or "mostly" in part.name:
                other = 0.3 if "salient" in part.name else 0.0
                for attack in ("fgm", "cw"):
                    rows.append(
                        {
                            **base,
                            "attack": attack,
                            "noise_on_salient": value + other,
                            "other_image": other,
                            "method": "saliency",
                        }
                    )
            else:
                step = math.exp(value)
                for attack, l2 in (("fgsm", step * step), ("fgm", step), ("cw", 1.0)):
                    rows.append({**base, "attack": attack, "l2": l2, "found": True})
    table = pd.DataFrame(rows)
    names = (
        ("first-error", "images"),
        ("fourier", "correlation"),
        ("fourier", "energy"),
        ("fourier", "visibility"),
        ("saliency", "overlap"),
        ("noise", "norms"),
    )
    return Made(dict.fromkeys(names, table))


def networks(part: Part, side: int) -> Made:
    """Study tables with one row a training seed and setting."""
    bound = part.rule.bound
    sign = side if part.rule.holds == "above" else -side
    transfer: list[dict[str, Any]] = []
    sweeps: list[dict[str, Any]] = []
    for seed, value in zip(SEEDS, around(bound + 0.08 * sign, 0.01, 4), strict=False):
        # three values: the mean is a third of a width off, well inside the interval
        for network in ("lenet", "resnet"):
            for size in (28, 224):
                for quality in (math.nan, 3, 10, 50, 90):
                    hit = sign >= 0 if size == 28 else sign < 0
                    low = quality <= 5
                    half = 0.5 if part.name == "artefact of the size" else bound
                    change = value
                    if part.name == "modulation":
                        # quality 10 less the usable ones makes the value
                        change = 0.3 + (2 * value if quality == 10 else value)
                    transfer.append(
                        {
                            "dataset": "mnist",
                            "network": network,
                            "training_seed": seed,
                            "size": size,
                            "direction": "vertical",
                            "quality": quality,
                            "coefficient_of_variation": value,
                            "high_low_ratio": value,
                            "change_response": change,
                            "measure": "response",
                            "share": (
                                half
                                if side == 0 and size == 28
                                else 0.0
                                if side == 0
                                else float(hit)
                            )
                            if low
                            else 0.0,
                        }
                    )
        for x in (1, 2, 4):
            slope = {"epochs": math.log2(x), "layers": float(x)}
            for name, network in (
                ("lenet", "lenet"),
                ("lenet", "lenet[low_pass=1]"),
                ("cnn", "cnn[low_pass=1]"),
            ):
                for attack in ("fgsm", "fgm"):
                    for dataset in ("mnist", "cifar10"):
                        sweeps.append(
                            {
                                "dataset": dataset,
                                "network": network,
                                "seed": seed,
                                "attack": attack,
                                "epochs": x,
                                "extra_layers": x,
                                "low_pass": x,
                                "area": 0.5
                                + value
                                * slope["epochs" if "epochs" in part.rule.effect else "layers"],
                                "train_accuracy": 0.5 + value * slope["epochs"],
                                "test_accuracy": 0.5,
                                "kind": name,
                            }
                        )
    tables = {("transfer-function", t): pd.DataFrame(transfer) for t in ("flatness", "destroyed")}
    for study, table in (
        ("overfitting", "area"),
        ("overfitting", "gap"),
        ("overparameterization", "area"),
        ("low-pass", "area"),
    ):
        tables[study, table] = pd.DataFrame(sweeps)
    return Made(tables)


def made(number: str, part: Part, side: int) -> Made:
    if number in ("C1", "C2", "C3", "C4"):
        return grid(part, side)
    if number in ("C5", "C6", "C7", "C12", "C13"):
        return images(part, side)
    return networks(part, side)


@pytest.mark.parametrize("verdict", SIDES)
@pytest.mark.parametrize(
    ("claim", "part"),
    PARTS,
    ids=[
        f"{c.number}-{p.attacker}-{p.name}-{p.subject(Labels())}".replace(" ", "_")
        for c, p in PARTS
    ],
)
def test_every_part_can_end_in_every_verdict(claim: Any, part: Part, verdict: str) -> None:
    effect = part.measure(made(claim.number, part, SIDES[verdict]))
    assert effect.low <= effect.value <= effect.high
    assert part.rule.decide(effect) == verdict


@pytest.mark.parametrize(
    ("holds", "low", "high", "verdict"),
    [
        ("above", 0.6, 0.8, "supported"),
        ("above", 0.2, 0.4, "contradicted"),
        ("above", 0.4, 0.6, "undecided"),
        ("above", 0.5, 0.6, "undecided"),
        ("below", 0.2, 0.4, "supported"),
        ("below", 0.6, 0.8, "contradicted"),
        ("below", 0.4, 0.6, "undecided"),
        ("above", math.nan, math.nan, "undecided"),
        ("above", 0.6, math.inf, "undecided"),
    ],
)
def test_a_rule_wants_the_whole_interval(holds: Any, low: float, high: float, verdict: str) -> None:
    assert Rule("effect", holds, 0.5).decide(Effect(0.5, low, high, "")) == verdict


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "undecided"], "undecided"),
        (["supported", "contradicted"], "contradicted"),
        (["undecided", "contradicted"], "contradicted"),
        ([], "undecided"),
    ],
)
def test_a_claim_needs_all_of_its_parts(parts: list[Any], verdict: str) -> None:
    assert combined(parts) == verdict


def test_intervals_cover_known_means() -> None:
    random = np.random.default_rng(1)
    hits = sum(
        e.low <= 0.3 <= e.high
        for e in (mean_over_images(random.normal(0.3, 1, 60)) for _ in range(100))
    )
    assert 88 <= hits <= 100
    seeds = over_seeds([1.0, 2.0, 3.0])
    # Student's t with two degrees of freedom: 4.303 standard errors
    assert seeds.value == 2 and seeds.high - 2 == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)
    gap = between_samples(np.mean, [np.ones(50)], [np.zeros(40)])
    assert gap[:3] == (1, 1, 1) and gap.units == "50 and 40 images"


def test_one_seed_decides_nothing() -> None:
    assert Rule("effect", "above", 0).decide(over_seeds([5.0])) == "undecided"


def test_what_is_missing_is_undecided_and_says_why(tmp_path: Path) -> None:
    table = evaluate(tmp_path)
    assert set(table["verdict"]) == {"undecided"}
    reasons = table.loc[table["part"] != WHOLE, "measured"]
    assert reasons.str.startswith("not measured: ").all()
    assert list(dict.fromkeys(table["claim"])) == [f"C{n}" for n in range(1, 15)]


def test_claims_about_jpeg_are_judged_for_both_attackers(tmp_path: Path) -> None:
    table = write_claims(tmp_path)
    whole = table[table["part"] == WHOLE]
    assert set(whole.loc[whole["claim"] == "C1", "attacker"]) == {"oblivious", "adaptive"}
    assert set(whole.loc[whole["claim"] == "C4", "attacker"]) == {"oblivious", "adaptive"}
    read = pd.read_csv(tmp_path / "claims.csv")
    assert list(read["verdict"]) == list(table["verdict"])


def test_the_docs_have_the_rules_of_the_code() -> None:
    page = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert with_rules(page) == page

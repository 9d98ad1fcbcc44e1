"""C15 to C24: made-up numbers for each part and each verdict it can have."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.claims.evaluate import WHOLE, evaluate
from reports.claims.photo_claims import CIFAR, MNIST, PHOTO_CLAIMS, PHOTOS, of_noise, smaller_eps
from reports.claims.rule import Part
from reports.claims.sources import Curves, Missing, Sources
from reports.style.labels import Labels

N = 200
SIDES = {"supported": 1, "contradicted": -1, "undecided": 0}
PARTS = [(claim, part) for claim in PHOTO_CLAIMS for part in claim.parts]
# what is computed exactly has no interval that could hold the bound, unless it equals it
NAMES = [f"{c.number}-{p.attacker}-{p.name}-{p.subject(Labels())}" for c, p in PARTS]


class Made(Sources):
    """Sources whose every effect is on a side of a part's bound."""

    def __init__(self, part: Part, side: int) -> None:
        super().__init__(Path("nowhere"), "photos")
        self.part, self.sign = part, side if part.rule.holds == "above" else -side

    def qualities(
        self, dataset: str, network: str, attacker: str = "", attack: str = "fgsm"
    ) -> list[int]:
        return [10, 50, 95]

    def curves(
        self, dataset: str, network: str, attacker: str, quality: int | None, attack: str = "fgsm"
    ) -> Curves:
        clean, robust = 1.0, 0.2
        on_photos = dataset == "photos"
        if quality is not None:
            if "raises" in self.part.name:
                robust += 0.1 * self.sign
            elif "vanishes" in self.part.name:
                robust += 0.8 * (0.1 + 0.09 * self.sign)
            elif "gives back" in self.part.name:
                robust = 0.5 + (0.2 * self.sign if on_photos else 0)
            elif "costs less" in self.part.name:
                clean = 0.7 + (-0.2 * self.sign if on_photos else 0)
        right = np.arange(N) < round(robust * N)
        # other images behind JPEG, so that a difference of nothing has an interval
        right = np.roll(right, 7 if quality else 0)
        return Curves(
            np.array([0.1]), np.arange(N), np.roll(np.arange(N) < clean * N, 3), right[None]
        )

    def study(self, name: str, table: str) -> pd.DataFrame:
        bound, rows = self.part.rule.bound, []
        if table == "cutoffs":
            gap = (bound + 0.3 * self.sign) / (28 if "28" in str(self.part.on) else 32)
            for size in (28, 32, 224):
                rows.append(
                    {"size": size, "contrast": 1, "quality": 50, "cutoff": gap * (size < 200)}
                )
            return pd.DataFrame(rows)
        for dataset, network in (PHOTOS, CIFAR, MNIST):
            place: dict[str, Any] = {"dataset": dataset, "network": network}
            large = dataset == "photos"
            rows.append({**place, "channels": 3, "size": 224 if large else 32})
            if table == "subjects":
                continue
            rows.pop()
            place |= {"size": 224, "direction": "vertical", "measure": "response"}
            exact = bound + 0.05 * self.sign
            place |= {"coefficient_of_variation": exact, "change_response": exact}
            if table in ("flatness", "destroyed"):
                rows.append({**place, "quality": math.nan if table == "flatness" else 50})
                continue
            for n in range(N):
                wave = 0.02 * (-1) ** n
                value = bound + 0.1 * self.sign * (large or "salient" in self.part.name) + wave
                one = {**place, "id": n, "censored": False, "eps_max": 1.0, "noise": "fgsm"}
                one |= {"cutoff": value, "kept_high": value, "method": "saliency"}
                scale = 7.0 if large and "pixel" in self.part.name else 1.0
                one["smallest_eps"] = scale * math.exp(value)
                one |= {"other_image": 0.3, "noise_on_salient": 0.3 + value}
                one |= {"pair": "fgsm~fgm"}
                if self.part.name == "alike":
                    one["correlation"] = value
                for attack, what in (("fgsm", "noise_fgsm"), ("fgm", "noise_fgm"), ("cw", "image")):
                    noise = 0.0 if what == "image" else value
                    rows.append({**one, "attack": attack, "what": what, "high_share": 0.3 + noise})
        return pd.DataFrame(rows)


@pytest.mark.parametrize("verdict", SIDES)
@pytest.mark.parametrize(("claim", "part"), PARTS, ids=[n.replace(" ", "_") for n in NAMES])
def test_every_part_can_end_in_every_verdict(claim: Any, part: Part, verdict: str) -> None:
    effect = part.measure(Made(part, SIDES[verdict]))
    exact = effect.low == effect.high
    assert effect.low <= effect.value <= effect.high
    if verdict == "undecided" and exact:
        assert effect.value == pytest.approx(part.rule.bound)
    else:
        assert part.rule.decide(effect) == verdict


def test_an_image_that_nothing_breaks_counts_with_the_largest_eps() -> None:
    (part,) = [p for _, p in PARTS if p.name == "FGSM: smaller eps"]

    class Held(Made):
        def study(self, name: str, table: str) -> pd.DataFrame:
            rows = super().study(name, table)
            if table == "images":
                held = rows["dataset"] == "photos"
                rows.loc[held, ["censored", "smallest_eps"]] = [True, math.nan]
            return rows

    assert smaller_eps(Held(part, 0), "fgsm").value == pytest.approx(math.log(1.0), abs=0.03)


def test_the_parts_of_a_study_are_read_below_it(tmp_path: Path) -> None:
    for folder, table in (("photos", "noise"), ("photos/fourier", "energy")):
        path = tmp_path / "studies" / folder / f"{table}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("dataset,value\nphotos,1\n")
    sources = Sources(tmp_path, "photos")
    assert len(sources.study("photos", "noise")) == len(sources.study("fourier", "energy")) == 1
    with pytest.raises(Missing):
        Sources(tmp_path).study("fourier", "energy")
    with pytest.raises(Missing):
        of_noise(Sources(tmp_path), CIFAR, "cutoff")


def test_what_is_missing_is_undecided_and_says_why(tmp_path: Path) -> None:
    table = evaluate(tmp_path, "photos")
    assert set(table["verdict"]) == {"undecided"}
    assert list(dict.fromkeys(table["claim"])) == [f"C{n}" for n in range(15, 25)]
    reasons = table.loc[table["part"] != WHOLE, "measured"]
    assert reasons.str.startswith("not measured: ").all()

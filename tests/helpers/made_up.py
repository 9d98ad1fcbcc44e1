"""Runs that were never run: tables, predictions and manifests with a known truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.results.columns import SCHEMA, frame
from reports.results.read_write import write_results
from reports.statistics.intervals import wilson
from reports.style.labels import Labels, labels_of
from reports.worst_case.evidence import Evidence, gather

# norm, gradients and forwards an image, how much stronger than FGSM per unit of eps
ATTACKS = {
    "fgsm": ("inf", 1, 0, 1.0),
    "fgm": ("2", 1, 0, 0.08),
    "pgd": ("inf", 40, 0, 1.4),
    "cw": ("2", 900, 900, np.inf),
    "noise": ("inf", 0, 0, 0.1),
}
EPS: dict[str, Sequence[float | None]] = {
    "fgsm": (0, 0.05, 0.1, 0.2, 0.6),
    "fgm": (0, 0.5, 1.0, 2.0),
    "pgd": (0.1, 0.2, 0.6),
    "cw": (None,),
    "noise": (0, 0.05, 0.1, 0.2, 0.6),
}
DEFENCES: tuple[tuple[str, int | None], ...] = (("none", None), ("quantize", None), ("jpeg", 50))

LABELS = {
    "datasets": {"mnist": "MNIST", "cifar10": "CIFAR-10"},
    "networks": {"lenet": "LeNet", "resnet": "ResNet", "cnn": "CNN"},
    "attacks": {"fgsm": "FGSM", "fgm": "FGM", "pgd": "PGD", "cw": "C&W", "noise": "random signs"},
    "defences": {"quantize": "8 bits only", "jpeg": "JPEG"},
}
# from the weakest to the strongest
THREATS = [
    {"name": "transfer", "sees_defence": False, "crafted_elsewhere": True},
    {"name": "oblivious", "sees_defence": False, "crafted_elsewhere": False},
    {"name": "adaptive", "sees_defence": True, "crafted_elsewhere": False},
    {"name": "adaptive-diff", "sees_defence": True, "crafted_elsewhere": False},
]


class MadeUp:
    """A run in which an image falls where strength times eps exceeds its margin.

    rows: one dictionary a cell, to be changed before use. predictions: by cell key.
    JPEG adds to the margin of the oblivious attacker and to nobody else's.
    """

    def __init__(
        self,
        datasets: Mapping[str, Sequence[str]] | None = None,
        attacks: Mapping[str, Sequence[float | None]] = EPS,
        threats: Sequence[str] = ("oblivious", "adaptive"),
        defences: Sequence[tuple[str, int | None]] = DEFENCES,
        samples: int = 400,
        fewer: Mapping[str, int] | None = None,
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self.predictions: dict[str, pd.DataFrame] = {}
        self.manifest: dict[str, Any] = {
            "data": {},
            "outputs": {},
            "wrapping": {},
            "cells": 0,
            "labels": LABELS,
            "threats": THREATS,
        }
        for dataset, networks in (datasets or {"digits": ["lenet"]}).items():
            self.manifest["data"][dataset] = {
                "shape": [1, 28, 28],
                "classes": 10,
                "sha256": "0" * 64,
                "images": samples,
            }
            for network in networks:
                self.manifest["wrapping"][f"{dataset}/{network}"] = []
                self.manifest["outputs"][f"{dataset}/{network}"] = {
                    "images": 125,
                    "low": -9.5,
                    "high": 14.0,
                    "sum_low": -8.0,
                    "sum_high": 6.0,
                }
                rng = np.random.default_rng([len(dataset), *network.encode()])
                margin = rng.gamma(3.0, 0.035, samples) * (rng.random(samples) > 0.03)
                for attack, sizes in attacks.items():
                    for threat in threats:
                        for defence, quality in defences:
                            for eps in sizes:
                                n = (fewer or {}).get(attack, samples)
                                self._add(
                                    dataset,
                                    network,
                                    attack,
                                    eps,
                                    threat,
                                    defence,
                                    quality,
                                    margin[:n],
                                )
        self.manifest["cells"] = len(self.rows)

    def _add(
        self,
        dataset: str,
        network: str,
        attack: str,
        eps: float | None,
        threat: str,
        defence: str,
        quality: int | None,
        margin: np.ndarray,
    ) -> None:
        norm, gradients, forwards, strength = ATTACKS[attack]
        place = (dataset, network, attack, eps, threat, defence, quality)
        key = hashlib.sha256(repr(place).encode()).hexdigest()[:16]
        n = len(margin)
        ids, label = np.arange(n) * 3, np.arange(n) % 10
        shield = 0.0
        if quality is not None:
            margin = margin * (margin > 0.002 / quality)
            shield = (1 - quality / 110) * 0.4 if threat == "oblivious" else 0.0
        clean = margin > 0
        push = 0.0 if eps == 0 else (strength * eps if eps is not None else np.inf)
        right = clean & (push <= margin + (shield if np.isfinite(push) else shield - 1e9))
        if eps is None and threat == "oblivious" and quality is not None:
            right = clean & (np.arange(n) % 3 > 0)
        change = 0.0 if eps == 0 else (1.2 if eps is None else eps)
        l2 = change if norm == "2" else change * 28
        params = {"engine": "fast"} | ({"max_iter": gradients} if gradients > 1 else {})
        low, high = wilson(int(right.sum()), n)
        row: dict[str, Any] = {
            "schema": SCHEMA,
            "cell": key,
            "dataset": dataset,
            "network": network,
            "attack": attack,
            "norm": norm,
            "eps": eps,
            "threat": threat,
            "defence": defence,
            "quality": quality,
            "attack_params": json.dumps(params),
            "samples": str(n),
            "seed": 0,
            "n": n,
            "status": "ok",
            "reason": "",
            "clean_correct": int(clean.sum()),
            "clean_accuracy": clean.mean(),
            "correct": int(right.sum()),
            "accuracy": right.mean(),
            "accuracy_low": float(low),
            "accuracy_high": float(high),
            "success_rate": float((clean & ~right).sum() / max(clean.sum(), 1)),
            "zero_gradient": 0.0 if gradients else None,
            "nan_gradient": 0.0 if gradients else None,
            "over_budget": 0,
            "non_finite": 0,
            "gradients": float(gradients),
            "forwards": float(forwards),
            "data_sha256": "d" * 16,
            "weights_sha256": "e" * 16,
        }
        for name, value in (("l2", l2), ("linf", change)):
            row.update({f"{name}_{part}": float(value) for part in ("mean", "median", "max")})
        self.rows.append(row)
        self.predictions[key] = pd.DataFrame(
            {
                "cell": key,
                "id": ids,
                "label": label,
                "clean": np.where(clean, label, (label + 1) % 10),
                "adversarial": np.where(right, label, (label + 1) % 10),
            }
        )

    def cells(self, **wanted: Any) -> list[dict[str, Any]]:
        """The rows with these values."""
        return [r for r in self.rows if all(r[k] == v for k, v in wanted.items())]

    def set_right(self, row: dict[str, Any], right: np.ndarray) -> None:
        """Make these images [n] right under attack in one cell, in table and predictions alike."""
        found = self.predictions[row["cell"]]
        label = found["label"].to_numpy()
        found["adversarial"] = np.where(right, label, (label + 1) % 10)
        row.update(correct=int(right.sum()), accuracy=float(right.mean()))

    @property
    def labels(self) -> Labels:
        """The labels and threats of the manifest."""
        return labels_of(self.manifest)

    @property
    def evidence(self) -> Evidence:
        """The run as an audit sees it, without predictions."""
        return gather(self.table, None, self.manifest)

    @property
    def table(self) -> pd.DataFrame:
        """The rows as `results.csv` has them."""
        return frame(self.rows)

    def write(self, directory: Path, predictions: bool = True) -> Path:
        """A run directory with table, predictions and manifest."""
        directory.mkdir(parents=True, exist_ok=True)
        write_results(self.table, directory / "results.csv")
        if predictions:
            listed = [self.predictions[r["cell"]] for r in self.rows if r["status"] == "ok"]
            every = pd.concat(listed, ignore_index=True)
            every["cell"] = every["cell"].astype("category")
            every.to_parquet(directory / "predictions.parquet", index=False)
        (directory / "manifest.json").write_text(json.dumps(self.manifest), encoding="utf-8")
        return directory

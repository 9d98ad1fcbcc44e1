"""The smallest size at which a sweep still shows all of its tables and figures."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {
    "samples": 30,
    "iterated_samples": 5,
    "gap_images": 50,
    "points": 7,
    "pgd_steps": 1,
    "seeds": 2,
}
FIRST = ["dataset", "network"]
ACCURACY = [
    "epochs",
    "seed",
    "attack",
    "norm",
    "eps",
    "threat",
    "n",
    "correct",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "relative",
]

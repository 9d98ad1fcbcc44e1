"""How the networks of a sweep are measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.studies.request import StudyRequest
from estimators.errors import InputError


@dataclass(frozen=True)
class Probe:
    """How `robustness.measure` measures networks; the same images for each of them.

    samples: test images for the attacks of one gradient.
    iterated_samples: test images for PGD.
    gap_images: test images, and as many training images, for accuracy and loss without attack.
    points: number of eps, from 0 to the largest of the data set.
    pgd_steps: iterations of PGD.
    seed: of the subsets.
    data_dir, device: as in `StudyRequest`.
    """

    samples: int
    iterated_samples: int
    gap_images: int
    points: int
    pgd_steps: int
    seed: int = 0
    data_dir: Path | None = None
    device: str = "cpu"

    @classmethod
    def of(cls, request: StudyRequest) -> Probe:
        """Return the probe that a study's parameters describe; InputError for bad ones."""
        names = ("samples", "iterated_samples", "gap_images", "points", "pgd_steps")
        for name in names:
            least = 7 if name == "points" else 1
            if request[name] < least:
                raise InputError(
                    f"study parameter {name}: must be at least {least}, got {request[name]}"
                )
        chosen = {name: request[name] for name in names}
        return cls(**chosen, seed=request.seed, data_dir=request.data_dir, device=request.device)

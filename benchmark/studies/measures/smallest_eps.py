"""Each attack at its smallest for each image, and how large that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import bootstrap

from benchmark.attacks.fast_gradient import FastGradient, perturbed, smallest_eps
from benchmark.studies.measures.subjects import FloatArray, IntArray, attacked, seen
from benchmark.studies.request import StudyRequest
from estimators.classifier import BATCH, Classifier
from estimators.data.images import Images
from estimators.spec import Spec
from reports.statistics.intervals import wilson

Floats = npt.NDArray[np.float64]
NORMS = {"fgsm": math.inf, "fgm": 2.0}
# a pixel is changed where one of its channels moves by more than one grey level of 256
LEVEL = 1 / 255


@dataclass(frozen=True)
class Moved:
    """Images under an attack at the smallest size that does it, as the network sees them.

    x: float32 [N, C, H, W]; the clean image where no size does it.
    eps: float64 [N]; 0 for an image that is so already, inf where no size does it, NaN for an
        attack without eps.
    found: bool [N], judged from the images and not by the attack.
    predicted, confidence: int64 [N] and float64 [N], the class of x and its softmax.
    """

    x: FloatArray
    eps: Floats
    found: npt.NDArray[np.bool_]
    predicted: IntArray
    confidence: Floats


@dataclass(frozen=True)
class Scan:
    """How far and how closely the smallest eps is searched: see `fast_gradient.smallest_eps`."""

    eps_max: float
    tolerance: float
    steps: int

    @classmethod
    def of(cls, request: StudyRequest, attack: str) -> Scan:
        """From a study's parameters `eps_max` (FGSM), `l2_max` (FGM), `resolution`, `tolerance`.

        The last two are shares of the first: 0.01 scans in a hundred steps.
        """
        top = float(request["eps_max" if attack == "fgsm" else "l2_max"])
        return cls(
            top, top * float(request["tolerance"]), max(1, round(1 / float(request["resolution"])))
        )


def smallest_step(
    classifier: Classifier, images: Images, attack: str, scan: Scan, into: int | None = None
) -> Moved:
    """`fgsm` or `fgm` at the smallest eps that breaks each image, or turns it `into` a class."""
    norm = NORMS[attack]
    eps = smallest_eps(
        classifier, images.x, images.y, norm, scan.eps_max, scan.tolerance, scan.steps, into
    )
    direction, _ = FastGradient(classifier, norm).directions(images.x, images.y)
    # another batch may round a logit differently: the margin of the search takes that up
    for _ in range(3):
        x = _at(classifier, images.x, direction, eps, norm)
        predicted, confidence = seen(classifier, x)
        found = _hit(predicted, images.y, into) & np.isfinite(eps)
        missed = ~found & np.isfinite(eps)
        if not missed.any():
            break
        eps = np.where(missed, eps + scan.tolerance, eps)
    return Moved(x, np.where(found, eps, np.inf), found, predicted, confidence)


def _at(
    classifier: Classifier, x: FloatArray, direction: FloatArray, eps: Floats, norm: float
) -> FloatArray:
    """Each image moved by its own eps; not moved where that is infinite."""
    radius = np.where(np.isfinite(eps), eps, 0.0).astype(np.float32).reshape(-1, 1, 1, 1)
    parts = []
    for at in range(0, len(x), BATCH):
        part, towards, size = (
            torch.from_numpy(array[at : at + BATCH]).to(classifier.torch_device)
            for array in (x, direction, radius)
        )
        parts.append(perturbed(part, towards, size, norm).cpu().numpy())
    return np.concatenate(parts)


def carlini(classifier: Classifier, images: Images, into: int | None = None) -> Moved:
    """Carlini and Wagner's L2 attack, untargeted or into one class."""
    attack = Spec.of("cw") if into is None else Spec.of("cw", targeted=True, target=into)
    x = attacked(classifier, images, [attack])[attack]
    predicted, confidence = seen(classifier, x)
    found = _hit(predicted, images.y, into)
    return Moved(x, np.full(len(x), np.nan), found, predicted, confidence)


def _hit(predicted: IntArray, y: IntArray, into: int | None) -> npt.NDArray[np.bool_]:
    hit: npt.NDArray[np.bool_] = predicted != y if into is None else predicted == into
    return hit


def sizes(clean: FloatArray, moved: FloatArray) -> dict[str, Floats]:
    """How large each perturbation is: float64 [N] by name.

    l2, linf: norms. l0_share: share of pixels changed by more than a grey level (1/255) in any
    channel. mean_abs: mean absolute change. psnr: 10 log10(1 / mean squared change) in dB, inf
    where nothing changes. All of images [N, C, H, W] in [0, 1].
    """
    change = np.abs(moved.astype(np.float64) - clean)
    flat = change.reshape(len(change), -1)
    with np.errstate(divide="ignore"):
        psnr = -10 * np.log10((flat**2).mean(1))
    return {
        "l2": np.linalg.norm(flat, axis=1),
        "linf": flat.max(1),
        "l0_share": (change.max(1) > LEVEL).mean((1, 2)),
        "mean_abs": flat.mean(1),
        "psnr": psnr,
    }


def compared(larger: Floats, smaller: Floats, seed: int) -> dict[str, float | int]:
    """Whether one size is larger than another, image by image: two arrays [N] of positive sizes.

    ratio: median of larger / smaller with a 95 % percentile bootstrap over images (Efron 1979);
    share: of images where it is above one, with Wilson's 95 % limits. Limits are NaN where fewer
    than two images are left.
    """
    ratio = larger / smaller
    above = int((ratio > 1).sum())
    low, high = wilson(above, len(ratio))
    found: dict[str, float | int] = {
        "n": len(ratio),
        "ratio": float(np.median(ratio)) if len(ratio) else math.nan,
        "ratio_low": math.nan,
        "ratio_high": math.nan,
        "share": above / len(ratio) if len(ratio) else math.nan,
        "share_low": float(low),
        "share_high": float(high),
    }
    if len(ratio) > 1:
        limits = bootstrap(
            (ratio,),
            np.median,
            n_resamples=2000,
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(seed),
            batch=200,
        ).confidence_interval
        found |= {"ratio_low": float(limits.low), "ratio_high": float(limits.high)}
    return found

"""Each attack at its smallest per image, and the size of the perturbation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

from benchmark.attacks.fast_gradient import perturbed, smallest_move
from benchmark.attacks.lookup import attack_entry
from benchmark.studies.measures.subjects import FloatArray, IntArray, attacked, batches, confidences
from benchmark.studies.measures.tables import Row, limits
from benchmark.studies.request import StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.outputs import class_name
from estimators.spec import Spec
from reports.statistics.intervals import wilson

Floats = npt.NDArray[np.float64]
NORMS = {"fgsm": math.inf, "fgm": 2.0}
# a pixel is changed where one of its channels moves by more than one grey level of 256
LEVEL = 1 / 255


@dataclass(frozen=True)
class SmallestAttack:
    """Images under an attack at the smallest size that succeeds, as the network sees them.

    x: float32 [N, C, H, W]; the clean image where no size succeeds.
    eps: float64 [N]; 0 for an image that needs no attack, inf where no size succeeds, NaN for an
        attack without eps.
    success: bool [N], judged from the images and not by the attack.
    predicted: int64 [N], the class of x.
    confidence: float64 [N], its softmax.
    """

    x: FloatArray
    eps: Floats
    success: npt.NDArray[np.bool_]
    predicted: IntArray
    confidence: Floats

    def row(self, n: int, classes: tuple[str, ...]) -> Row:
        """Return prediction, confidence and eps of one image."""
        predicted = class_name(classes, self.predicted[n])
        return Row(predicted=predicted, confidence=self.confidence[n], eps=self.eps[n])


@dataclass(frozen=True)
class Scan:
    """How the smallest eps is searched for; see `fast_gradient.smallest_eps`.

    eps_max: the largest eps. tolerance: of the bisection. steps: of the scan.
    """

    eps_max: float
    tolerance: float
    steps: int

    @classmethod
    def of(cls, request: StudyRequest, attack: str) -> Scan:
        """Return the scan of a study's parameters: `eps_max` for FGSM, `l2_max` for FGM.

        `resolution` and `tolerance` are fractions of that eps: 0.01 scans in a hundred steps.
        """
        top = float(request["eps_max" if attack == "fgsm" else "l2_max"])
        steps = max(1, round(1 / float(request["resolution"])))
        return cls(top, top * float(request["tolerance"]), steps)


def smallest_step(
    classifier: Classifier, images: Images, attack: str, scan: Scan, into: int | None = None
) -> SmallestAttack:
    """Return `fgsm` or `fgm` at the smallest eps that breaks each image.

    into: a class; an attack succeeds only where the image is then taken for this class.
    """
    norm = NORMS[attack]
    eps, direction = smallest_move(
        classifier, images.x, images.y, norm, scan.eps_max, scan.tolerance, scan.steps, into
    )
    # another batch may round a logit differently: the tolerance of the search takes that up
    for _ in range(3):
        x = _perturbed(classifier, images.x, direction, eps, norm)
        predicted, confidence = confidences(classifier, x)
        success = _success(predicted, images.y, into) & np.isfinite(eps)
        missed = ~success & np.isfinite(eps)
        if not missed.any():
            break
        eps = np.where(missed, eps + scan.tolerance, eps)
    return SmallestAttack(x, np.where(success, eps, np.inf), success, predicted, confidence)


def _perturbed(
    classifier: Classifier, x: FloatArray, direction: FloatArray, eps: Floats, norm: float
) -> FloatArray:
    """Move each image by its own eps; leave it where that is infinite."""
    radius = np.where(np.isfinite(eps), eps, 0.0).astype(np.float32).reshape(-1, 1, 1, 1)
    parts = batches(classifier, x, direction, radius)
    moved = [perturbed(clean, towards, size, norm) for clean, towards, size in parts]
    return np.concatenate([part.cpu().numpy() for part in moved])


def carlini_spec(request: StudyRequest) -> Spec:
    """Return C&W with a request's `cw_steps`: of the binary search, and iterations of each."""
    search, iterations = request["cw_steps"]
    attack = Spec.of("cw", binary_search_steps=search, max_iter=iterations)
    # the attack's own numbers have its plain name
    usual = attack_entry(attack).defaults
    return attack.without(*(name for name, value in attack.params if value == usual[name]))


def carlini(
    request: StudyRequest, classifier: Classifier, images: Images, into: int | None = None
) -> SmallestAttack:
    """Return Carlini and Wagner's L2 attack, untargeted or into one class."""
    attack = carlini_spec(request)
    if into is not None:
        attack = Spec.of(attack.name, attack.kwargs, targeted=True, target=into)
    x = attacked(classifier, images, [attack])[attack]
    predicted, confidence = confidences(classifier, x)
    success = _success(predicted, images.y, into)
    return SmallestAttack(x, np.full(len(x), np.nan), success, predicted, confidence)


def _success(predicted: IntArray, y: IntArray, into: int | None) -> npt.NDArray[np.bool_]:
    return np.asarray(predicted != y if into is None else predicted == into)


def sizes(clean: FloatArray, x_adv: FloatArray) -> dict[str, Floats]:
    """Return the size of each perturbation of images [N, C, H, W] in [0, 1]: float64 [N] by name.

    l2, linf: norms. l0_share: share of pixels changed by more than a grey level (1/255) in any
    channel. mean_abs: mean absolute change. psnr: 10 log10(1 / mean squared change) in dB, inf
    where nothing changes.
    """
    change = np.abs(x_adv.astype(np.float64) - clean)
    flat = change.reshape(len(change), -1)
    with np.errstate(divide="ignore"):
        psnr = -10 * np.log10((flat**2).mean(1))
    level = (change.max(1) > LEVEL).mean((1, 2))
    measures = {"l2": np.linalg.norm(flat, axis=1), "linf": flat.max(1), "l0_share": level}
    return measures | {"mean_abs": flat.mean(1), "psnr": psnr}


def compared(larger: Floats, smaller: Floats, seed: int) -> Row:
    """Compare two arrays [N] of positive sizes image by image.

    Returns n; ratio: median of larger / smaller with a 95 % percentile bootstrap over images (Efron
    1979); share: of images where it is above one, with Wilson's 95 % limits. Limits are NaN for
    fewer than two images.
    """
    ratio = larger / smaller
    above, n = int((ratio > 1).sum()), len(ratio)
    median = float(np.median(ratio)) if n else math.nan
    row = Row(n=n, **limits("ratio", median, math.nan, math.nan))
    row |= limits("share", above / n if n else math.nan, *map(float, wilson(above, n)))
    if n > 1:
        resampled = bootstrap(
            (ratio,), np.median, n_resamples=2000, vectorized=True, method="percentile",
            rng=np.random.default_rng(seed), batch=200,
        )  # fmt: skip
        low, high = resampled.confidence_interval
        row |= {"ratio_low": float(low), "ratio_high": float(high)}
    return row

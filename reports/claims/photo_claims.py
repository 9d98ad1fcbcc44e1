"""C15 to C24: JPEG, noise and first layers at 224 pixels, beside CIFAR-10 and MNIST."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.claims.grid_claims import Place, costs_more, gain, gives_back_more, share_given_back
from reports.claims.image_claims import ALIKE, HIGHER, NOISES, ON_SALIENT, alike, higher, on_salient
from reports.claims.intervals import between_samples
from reports.claims.network_claims import FLAT, HARDLY, LARGE, USABLE, exact
from reports.claims.rule import Claim, Effect, Part, Rule, each
from reports.claims.sources import Missing, Sources, chosen

STUDY = "photos"
PHOTOS: Place = ("photos", "efficientnet:lite0")
CIFAR: Place = ("cifar10", "cnn")
MNIST: Place = ("mnist", "lenet")
BOTH = (PHOTOS, CIFAR)
# as the grid's table names them
ATTACKS = {"fgsm": "FGSM", "pgd[max_iter=10]": "PGD"}
SMALL = (28, 32)

GAIN = Rule("accuracy gained by JPEG, mean over eps and qualities", "above", 0)
_BACK = "share of the accuracy that the attack took which the best quality gives back"
VANISHES = Rule(_BACK, "below", 0.1)
MORE_BACK = Rule(f"{_BACK}, photos minus CIFAR-10", "above", 0)
CHEAPER = Rule(
    "clean accuracy lost at the lower half of the qualities, photos minus CIFAR-10", "below", 0
)
_CUT = "largest difference of the cut-off over qualities and contrasts, in steps of the smaller"
SAME = Rule(f"{_CUT} size's frequency", "below", 1)
CUT_NOISE = Rule(
    "cut-off of the noise on the images in cycles per pixel, minus that on", "below", 0
)
KEPT = Rule("gain of the noise above half Nyquist, minus that on", "below", 0)
SMALLER = Rule("logarithm of the median smallest eps over that on CIFAR-10", "below", 0)
_RMS = "logarithm of the median L2 norm per root of the number of values, over that on CIFAR-10"
PER_PIXEL = Rule(_RMS, "below", 0)


def same_cut_off(sources: Sources, size: int) -> Effect:
    """Return the largest |cut-off at a size - cut-off at 224 pixels|, times the size."""
    table = sources.study(STUDY, "cutoffs")
    wide = table.pivot_table(index=["contrast", "quality"], columns="size", values="cutoff")
    if not {size, LARGE} <= set(wide.columns):
        raise Missing(f"study {STUDY} lacks gratings of {size} or {LARGE} pixels")
    return exact(float((wide[size] - wide[LARGE]).abs().max() * size))


def of_noise(sources: Sources, than: Place, measure: str) -> Effect:
    """Return a measure of FGSM's noise behind JPEG on photos minus that on small images.

    Each image counts with its mean over the qualities.
    """
    sides = []
    for dataset, network in (PHOTOS, than):
        rows = sources.rows(STUDY, "noise", dataset=dataset, network=network, noise="fgsm")
        sides.append([rows.groupby("id", sort=False)[measure].mean().dropna()])
    return between_samples(np.mean, *sides)


def smaller_eps(sources: Sources, attack: str, per_pixel: bool = False) -> Effect:
    """Return log(median smallest eps on photos / that on CIFAR-10), images right without attack.

    per_pixel: divide the L2 norm by the root of the number of values, so that sizes compare.
    """
    sides = []
    for dataset, network in BOTH:
        place = {"dataset": dataset, "network": network}
        rows = sources.rows("first-error", "images", **place, attack=attack)
        shape = sources.rows(STUDY, "subjects", **place).iloc[0]
        values = int(shape["channels"]) * int(shape["size"]) ** 2
        # an image that no eps breaks counts with the largest one, at which it still holds
        eps = rows["smallest_eps"].where(~rows["censored"].astype(bool), rows["eps_max"])
        eps = eps[eps > 0] / (np.sqrt(values) if per_pixel else 1.0)
        if eps.empty:
            raise Missing(f"no image of {dataset} is right without an attack")
        sides.append([eps.to_numpy(float)])
    return between_samples(_log_median, *sides)


def _log_median(values: npt.NDArray[np.float64], axis: int = -1) -> npt.NDArray[np.float64]:
    return np.asarray(np.log(np.median(values, axis=axis)))


def flat(sources: Sources, dataset: str, network: str) -> Effect:
    """Return the coefficient of variation of the first layer's response without JPEG."""
    rows = _response(sources, "flatness", dataset, network)
    rows = chosen(rows[rows["quality"].isna()], measure="response")
    return exact(float(rows["coefficient_of_variation"].mean()))


def hardly(sources: Sources, dataset: str, network: str) -> Effect:
    """Return the relative change of the first layer's response by JPEG, qualities from 20."""
    rows = _response(sources, "destroyed", dataset, network)
    return exact(float(rows.loc[rows["quality"].between(*USABLE), "change_response"].mean()))


def _response(sources: Sources, table: str, dataset: str, network: str) -> pd.DataFrame:
    place = {"dataset": dataset, "network": network, "size": LARGE, "direction": "vertical"}
    return sources.rows("transfer-function", table, **place)


PHOTO_CLAIMS = (
    Claim(
        "C15",
        "JPEG raises the accuracy of photos under FGSM and PGD, as that of CIFAR-10, if the"
        " attacker does not know of it",
        tuple(
            part
            for attack, label in ATTACKS.items()
            for part in each(BOTH, f"{label}: raises the accuracy", GAIN,
                             partial(gain, attack=attack), attacker="oblivious")
        ),
    ),
    Claim(
        "C16",
        "For an attacker who knows of JPEG the gain vanishes on photos, as on CIFAR-10",
        tuple(
            part
            for attack, label in ATTACKS.items()
            for part in each(BOTH, f"{label}: vanishes", VANISHES,
                             partial(share_given_back, attack=attack), attacker="adaptive")
        ),
    ),
    Claim(
        "C17",
        "JPEG gives back more on photos than on CIFAR-10",
        tuple(
            Part(f"{label}: gives back more", BOTH, attacker, MORE_BACK,
                 partial(gives_back_more, place=PHOTOS, than=CIFAR, attacker=attacker,
                         attack=attack))
            for attacker in ("oblivious", "adaptive")
            for attack, label in ATTACKS.items()
        ),
    ),
    Claim(
        "C18",
        "JPEG costs less clean accuracy on photos than on CIFAR-10",
        (Part("costs less", BOTH, "", CHEAPER, partial(costs_more, place=PHOTOS, than=CIFAR)),),
    ),
    Claim(
        "C19",
        "JPEG's transfer function has the same cut-off, in cycles per pixel, at 28, 32 and 224"
        " pixels",
        tuple(
            Part("same cut-off", f"gratings of {size} and {LARGE} pixels", "", SAME,
                 partial(same_cut_off, size=size))
            for size in SMALL
        ),
    ),
    Claim(
        "C20",
        "JPEG removes FGSM's noise from photos at lower frequencies than from small images",
        tuple(
            Part(name, (PHOTOS, place), "", rule, partial(of_noise, than=place, measure=measure))
            for name, rule, measure in (
                ("lower cut-off", CUT_NOISE, "cutoff"),
                ("less of the high frequencies", KEPT, "kept_high"),
            )
            for place in (CIFAR, MNIST)
        ),
    ),
    Claim(
        "C21",
        "The first error of a photo needs a smaller noise than that of a CIFAR-10 image",
        (
            Part("FGSM: smaller eps", BOTH, "", SMALLER, partial(smaller_eps, attack="fgsm")),
            Part("FGM: less noise per pixel", BOTH, "", PER_PIXEL,
                 partial(smaller_eps, attack="fgm", per_pixel=True)),
        ),
    ),
    Claim(
        "C22",
        "What C6 and C7 say holds for photos: the noises' spectra are very alike, and noise holds"
        " more high frequency than the images do",
        (
            *each([PHOTOS], "alike", ALIKE, alike),
            *(
                part
                for noise in NOISES
                for part in each([PHOTOS], f"{noise.upper()}: more high frequency", HIGHER,
                                 higher, noise=noise)
            ),
        ),
    ),
    Claim(
        "C23",
        "On photos noise and saliency overlap, as on small images",
        tuple(
            part
            for attack in ("fgm", "cw")
            for part in each((PHOTOS, CIFAR, MNIST), f"{attack.upper()}: on salient pixels",
                             ON_SALIENT, on_salient, attack=attack)
        ),
    ),
    Claim(
        "C24",
        "What C8 and C9 say holds for Lite0's first layer at 224 pixels: its transfer function is"
        " about flat, and JPEG hardly changes it",
        (
            *each([PHOTOS], "about flat", FLAT, flat),
            *each([PHOTOS], "hardly changes", HARDLY, hardly),
        ),
    ),
)  # fmt: skip

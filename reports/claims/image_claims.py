"""C5, C6, C7, C12, C13: noises and images, from the studies' rows of single images."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from reports.claims.intervals import between_samples, mean_over_images
from reports.claims.rule import FOUR, Claim, Effect, Part, Rule, each
from reports.claims.sources import Missing, Sources, chosen

NOISES = ("fgsm", "fgm")

SMALLER = Rule("share of images whose first error under FGSM has the smaller eps", "above", 0.5)
ALIKE = Rule("correlation of the log spectra of FGSM's and FGM's noise, mean", "above", 0.8)
OWN = Rule("that correlation minus that with the FGM noise of another image", "above", 0.1)
HIGHER = Rule("share of energy above half Nyquist, noise minus image, mean", "above", 0)
_RISE = "rise of the log spectrum above half Nyquist by the attack, MNIST minus CIFAR-10"
SHOWS = Rule(_RISE, "above", 0)
_SHARE = "share of the noise's energy on the most salient tenth of the pixels"
ON_SALIENT = Rule(f"{_SHARE}, minus that on another image's", "above", 0)
MOSTLY = Rule(_SHARE, "above", 0.5)
SUBTLER = Rule("logarithm of the ratio of L2 norms at each attack's smallest noise", "above", 0)


def _pairs(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """Return one row per image and one column per kind, without the images that lack a kind."""
    wide = table.pivot_table(index="id", columns=column, values=value, aggfunc="first").dropna()
    if wide.empty:
        raise Missing("no image has everything that is compared")
    return wide


def smaller_eps(sources: Sources, dataset: str, network: str) -> Effect:
    """Return the share of images, of those that FGSM or FGM breaks, with FGSM's eps smaller."""
    table = sources.rows("first-error", "images", dataset=dataset, network=network)
    # an image that is never broken has no smallest eps: it counts as larger than any
    eps = table["smallest_eps"].where(~table["censored"].astype(bool), np.inf)
    wide = table.assign(eps=eps).pivot_table(index="id", columns="norm", values="eps")
    if not {"inf", "2"} <= set(wide.columns):
        raise Missing("study first-error lacks a norm")
    broken = (wide["inf"] > 0) & (np.isfinite(wide["inf"]) | np.isfinite(wide["2"]))
    wide = wide[broken]
    return mean_over_images((wide["inf"] < wide["2"]).to_numpy(float))


def alike(sources: Sources, dataset: str, network: str) -> Effect:
    """Return the mean correlation of the log spectra of both noises of an image."""
    table = sources.rows("fourier", "correlation", dataset=dataset, network=network)
    return mean_over_images(chosen(table, pair="fgsm~fgm")["correlation"])


def own(sources: Sources, dataset: str, network: str) -> Effect:
    """Return the same minus the correlation with the FGM noise of another image."""
    table = sources.rows("fourier", "correlation", dataset=dataset, network=network)
    wide = _pairs(table, "pair", "correlation")
    return mean_over_images(wide["fgsm~fgm"] - wide["fgsm~fgm_other"])


def higher(sources: Sources, dataset: str, network: str, noise: str) -> Effect:
    """Return the high-frequency share of the noise minus that of the image, mean over images."""
    table = sources.rows("fourier", "energy", dataset=dataset, network=network)
    wide = _pairs(table, "what", "high_share")
    return mean_over_images(wide[f"noise_{noise}"] - wide["image"])


def shows(sources: Sources, noise: str) -> Effect:
    """Return how much the attack raises the spectrum of LeNet's images, MNIST minus CIFAR-10."""
    tables = (sources.rows("fourier", "visibility", dataset=d, network=n) for d, n in _ON_LENET)
    sides = [chosen(table, attack=noise) for table in tables]
    return between_samples(np.mean, *([side["high"]] for side in sides))


def on_salient(sources: Sources, dataset: str, network: str, attack: str) -> Effect:
    """Return the noise on the image's own salient pixels minus that on another image's."""
    table = _overlap(sources, dataset, network, attack)
    return mean_over_images(table["noise_on_salient"] - table["other_image"])


def mostly(sources: Sources, dataset: str, network: str, attack: str) -> Effect:
    """Return the share of the noise on the salient tenth of the pixels."""
    return mean_over_images(_overlap(sources, dataset, network, attack)["noise_on_salient"])


def _overlap(sources: Sources, dataset: str, network: str, attack: str) -> pd.DataFrame:
    return sources.rows(
        "saliency", "overlap", dataset=dataset, network=network, attack=attack, method="saliency"
    )


def subtler(sources: Sources, dataset: str, network: str, coarse: str, fine: str) -> Effect:
    """Return log(L2 of the coarser attack / L2 of the finer), mean over images that both break."""
    table = sources.rows("noise", "norms", dataset=dataset, network=network)
    wide = _pairs(table[table["found"].astype(bool)], "attack", "l2")
    if not {coarse, fine} <= set(wide.columns):
        raise Missing(f"study noise has no images broken by both {coarse} and {fine}")
    return mean_over_images(np.log(wide[coarse] / wide[fine]))


_ON_LENET = (("mnist", "lenet"), ("cifar10", "lenet"))
_BOTH = "LeNet, both data sets"
IMAGE_CLAIMS = (
    Claim(
        "C5",
        "FGSM needs a smaller eps than FGM for the first error, in their own norms",
        tuple(each(FOUR, "smaller eps", SMALLER, smaller_eps)),
    ),
    Claim(
        "C6",
        "The spectra of FGSM's and FGM's noise are very alike",
        (*each(FOUR, "alike", ALIKE, alike), *each(FOUR, "for being of one image", OWN, own)),
    ),
    Claim(
        "C7",
        "Adversarial noise holds more high frequency than the images do;"
        " it shows in MNIST's spectrum and hardly in CIFAR-10's",
        (
            *(
                part
                for a in NOISES
                for part in each(FOUR, f"{a.upper()}: more high frequency", HIGHER, higher, noise=a)
            ),
            *(
                Part(f"{a.upper()}: shows on MNIST", _BOTH, "", SHOWS, partial(shows, noise=a))
                for a in NOISES
            ),
        ),
    ),
    Claim(
        "C12",
        "The noise falls mostly where the class is decided: noise and saliency overlap",
        tuple(
            part
            for name, rule, of in (
                ("on salient pixels", ON_SALIENT, on_salient),
                ("mostly", MOSTLY, mostly),
            )
            for a in ("fgm", "cw")
            for part in each(_ON_LENET, f"{a.upper()}: {name}", rule, of, attack=a)
        ),
    ),
    Claim(
        "C13",
        "The noise gets subtler in the order FGSM, FGM, C&W",
        tuple(
            part
            for coarse, fine in (("fgsm", "fgm"), ("fgm", "cw"))
            for name in [f"{fine.upper()} subtler than {coarse.upper()}"]
            for part in each(_ON_LENET, name, SUBTLER, subtler, coarse=coarse, fine=fine)
        ),
    ),
)

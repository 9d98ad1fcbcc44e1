"""C8 to C11 and C14: networks and their training, over training seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.claims.intervals import over_seeds
from reports.claims.rule import FOUR, Claim, Effect, Part, Rule, each
from reports.claims.sources import Missing, Sources, chosen

SIZE = 28
# the smallest size that resolves a hundred frequencies, which the paper asks for
LARGE = 224
MIDDLE, LOW, MODULATED, USABLE = (30, 70), (1, 5), (7, 16), (20, 100)

FLAT = Rule("coefficient of variation of the response over frequencies", "below", 0.1)
_HALVES = "response in the upper half of the band over that in the lower, qualities 30 to 70"
DIP = Rule(_HALVES, "below", 1)
HARDLY = Rule("relative change of the response by JPEG, mean over qualities from 20", "below", 0.1)
MODULATION = Rule("that change at qualities 7 to 16 minus that from 20", "above", 0)
DESTROYED = Rule("share of gratings that qualities 1 to 5 destroy at 28 pixels", "above", 0.9)
ARTEFACT = Rule("that share at 28 pixels minus that at 224", "above", 0.5)
OVERFITS = Rule("rise of train minus test accuracy per doubling of the epochs", "above", 0)
_RISE = "rise of the area under accuracy against eps per"
MORE_EPOCHS = Rule(f"{_RISE} doubling of the epochs", "above", 0)
MORE_LAYERS = Rule(f"{_RISE} additional layer", "above", 0)
SMOOTHER = Rule(f"{_RISE} pixel of the filter's width", "above", 0)


def _between(table: pd.DataFrame, limits: tuple[int, int]) -> pd.DataFrame:
    return table[table["quality"].between(*limits)]


def _by_seed(table: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return the mean of a column for each training seed."""
    if table.empty:
        raise Missing(f"no rows of {column}")
    return table.groupby("training_seed")[column].mean()


def _transfer(
    sources: Sources, table: str, network: str, size: int = SIZE, dataset: str = "mnist"
) -> pd.DataFrame:
    """Return the rows of one image size, for gratings in the paper's direction."""
    place = {"dataset": dataset, "network": network, "size": size, "direction": "vertical"}
    return sources.rows("transfer-function", table, **place)


def flat(sources: Sources, dataset: str, network: str) -> Effect:
    """Return the coefficient of variation without JPEG."""
    rows = chosen(_transfer(sources, "flatness", network, dataset=dataset), measure="response")
    return over_seeds(_by_seed(rows[rows["quality"].isna()], "coefficient_of_variation"))


def dip(sources: Sources) -> Effect:
    """Return ResNet's response at high over low frequencies behind middle qualities."""
    rows = chosen(_transfer(sources, "flatness", "resnet"), measure="response")
    return over_seeds(_by_seed(_between(rows, MIDDLE), "high_low_ratio"))


def hardly(sources: Sources, dataset: str, network: str) -> Effect:
    """Return the relative change of the response at usable qualities."""
    rows = _between(_transfer(sources, "destroyed", network, dataset=dataset), USABLE)
    return over_seeds(_by_seed(rows, "change_response"))


def modulation(sources: Sources) -> Effect:
    """Return ResNet's change at qualities 7 to 16 minus that from 20."""
    rows = _transfer(sources, "destroyed", "resnet")
    low, usable = (_by_seed(_between(rows, q), "change_response") for q in (MODULATED, USABLE))
    return over_seeds(low - usable)


def _destroyed(sources: Sources, size: int) -> float:
    rows = _between(_transfer(sources, "destroyed", "lenet", size), LOW)
    return float(rows["share"].mean())


def exact(value: float) -> Effect:
    """Return an effect that is computed from every grating, without an interval."""
    return Effect(value, value, value, "every grating, no sampling")


def destroyed(sources: Sources) -> Effect:
    """Return the share of gratings that the lowest qualities destroy; exact, so without width."""
    return exact(_destroyed(sources, SIZE))


def artefact(sources: Sources) -> Effect:
    """Return the share destroyed at 28 pixels minus that at 224."""
    return exact(_destroyed(sources, SIZE) - _destroyed(sources, LARGE))


def _slopes(table: pd.DataFrame, x: str, y: str, doubling: bool = False) -> Effect:
    """Return the least-squares slope of y against x (or its base-2 logarithm) over seeds."""
    slopes = []
    for _, rows in table.groupby("seed"):
        at = np.log2(rows[x]) if doubling else rows[x]
        if rows[x].nunique() < 2:
            raise Missing(f"fewer than two values of {x}")
        slopes.append(float(np.polyfit(at, rows[y], 1)[0]))
    return over_seeds(slopes)


def more_epochs(sources: Sources) -> Effect:
    """Return the slope of the area under FGSM's accuracy against the logarithm of the epochs."""
    rows = sources.rows("overfitting", "area", dataset="mnist", network="lenet", attack="fgsm")
    return _slopes(rows, "epochs", "area", doubling=True)


def overfits(sources: Sources) -> Effect:
    """Return the slope of train minus test accuracy against the logarithm of the epochs."""
    rows = sources.rows("overfitting", "gap", dataset="mnist", network="lenet")
    gap = rows["train_accuracy"] - rows["test_accuracy"]
    return _slopes(rows.assign(gap=gap), "epochs", "gap", doubling=True)


def more_layers(sources: Sources) -> Effect:
    """Return the slope of the area under FGSM's accuracy against the additional layers."""
    rows = sources.rows("overparameterization", "area", dataset="mnist", attack="fgsm")
    return _slopes(rows, "extra_layers", "area")


def smoother(sources: Sources, dataset: str, network: str, attack: str) -> Effect:
    """Return the slope of the area under an attack's accuracy against the filter's width."""
    rows = sources.rows("low-pass", "area", dataset=dataset, attack=attack)
    rows = rows[rows["network"].str.partition("[")[0] == network]
    if rows.empty:
        raise Missing(f"study low-pass has no rows of {network} on {dataset}")
    return _slopes(rows, "low_pass", "area")


NETWORK_CLAIMS = (
    Claim(
        "C8",
        "The first-layer transfer functions of LeNet and ResNet are about flat;"
        " ResNet's dips slightly at high frequency and middle qualities",
        (*each(FOUR[:2], "about flat", FLAT, flat), Part("dips", FOUR[1:2], "", DIP, dip)),
    ),
    Claim(
        "C9",
        "JPEG ahead of the first layer hardly changes the transfer function; ResNet shows some"
        " modulation at qualities 7 to 16; 1 to 5 destroy every grating, an artefact of 28 pixels",
        (
            *each(FOUR[:2], "hardly changes", HARDLY, hardly),
            Part("modulation", FOUR[1:2], "", MODULATION, modulation),
            Part("lowest qualities destroy", "gratings of 28 pixels", "", DESTROYED, destroyed),
            Part("artefact of the size", "gratings of 28 and 224 pixels", "", ARTEFACT, artefact),
        ),
    ),
    Claim(
        "C10",
        "More epochs (overfitting) make LeNet more robust to FGSM",
        (
            Part("more epochs overfit", FOUR[:1], "", OVERFITS, overfits),
            Part("more robust", FOUR[:1], "", MORE_EPOCHS, more_epochs),
        ),
    ),
    Claim(
        "C11",
        "More layers (overparameterisation) make LeNet, in general, more robust to FGSM",
        (Part("more robust", FOUR[:1], "", MORE_LAYERS, more_layers),),
    ),
    Claim(
        "C14",
        "A network made less sensitive to high frequencies is more robust",
        tuple(
            part
            for place in (FOUR[0], *FOUR[2:])
            for a in ("fgsm", "fgm")
            for part in each([place], f"more robust to {a.upper()}", SMOOTHER, smoother, attack=a)
        ),
    ),
)

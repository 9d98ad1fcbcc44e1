"""The tables of docs/paper.md about photos, from a run of `bench paper --photos`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from reports.results.read_write import read_results
from reports.style.labels import read_labels

QUALITY = 50  # the quality that every block of the grid has
LEVELS = 255
THREATS = ("oblivious", "adaptive", "adaptive-diff")
PLACES = {
    ("mnist", "lenet"): "LeNet, MNIST",
    ("cifar10", "cnn"): "CNN, CIFAR-10",
    ("photos", "efficientnet:lite0"): "Lite0, photos",
}


def numbers_as_markdown(run: Path) -> str:
    """Return both tables: accuracy under attack (grid) and what the study measures."""
    return "\n".join([*_accuracy(run), "", *_measured(run / "studies" / "photos")])


def _accuracy(run: Path) -> Iterator[str]:
    table, labels = read_results(run), read_labels(run)
    table = table[table["status"] == "ok"]
    head = ["network", "attack", "eps", "images", "no attack", "no defence"]
    head += [f"JPEG {QUALITY}, {labels.threat(threat)}" for threat in THREATS]
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    keys = ["dataset", "network", "attack", "eps"]
    for (dataset, network, attack, eps), rows in table.groupby(keys, sort=False, dropna=False):
        bare = rows[(rows["defence"] == "none") & (rows["threat"] == "oblivious")]
        jpeg = rows[(rows["defence"] == "jpeg") & (rows["quality"] == QUALITY)]
        if bare.empty or jpeg.empty:
            continue
        size = "" if pd.isna(eps) else f"{int(float(eps) * LEVELS + 0.01)}/255"
        first = bare.iloc[0]
        name = labels.attack(str(attack).partition("[")[0])
        cells = [PLACES.get((dataset, network), f"{network}, {dataset}"), name, size]
        cells += [str(int(first["n"])), f"{first['clean_accuracy']:.2f}"]
        cells.append(_share(first))
        for threat in THREATS:
            of = jpeg[jpeg["threat"] == threat]
            cells.append("" if of.empty else _share(of.iloc[0]))
        yield f"| {' | '.join(cells)} |"


def _share(row: pd.Series) -> str:
    return f"{row['accuracy']:.2f} [{row['accuracy_low']:.2f}, {row['accuracy_high']:.2f}]"


def _measured(study: Path) -> Iterator[str]:
    subjects = pd.read_csv(study / "subjects.csv")
    places = list(zip(subjects["dataset"], subjects["network"], strict=True))
    yield f"| | {' | '.join(PLACES.get(p, ', '.join(p)) for p in places)} |"
    yield f"|{' --- |' * (len(places) + 1)}"
    own = subjects.set_index(["dataset", "network"])
    values = own["channels"] * own["size"] ** 2
    yield _line("accuracy without attack", [_limits(own.loc[p], "accuracy", 1) for p in places])
    first = pd.read_csv(study / "first-error" / "summary.csv")
    for attack, text in (("fgsm", "FGSM, eps"), ("fgm", "FGM, root mean square of the noise")):
        rows = first[first["attack"] == attack].set_index(["dataset", "network"])
        scale = {p: LEVELS / (np.sqrt(values[p]) if attack == "fgm" else 1) for p in places}
        cells = [_limits(rows.loc[p], "median", scale[p]) for p in places]
        yield _line(f"median first error, grey levels: {text}", cells)
    for text, table, wanted in _MEANS:
        means = pd.read_csv(study / f"{table}.csv")
        for column, value in wanted.items():
            means = means[means[column] == value]
        rows = means.set_index(["dataset", "network"])
        yield _line(text, [_mean(rows, place) for place in places])


def _line(text: str, cells: list[str]) -> str:
    return f"| {text} | {' | '.join(cells)} |"


def _limits(row: pd.Series, name: str, scale: float) -> str:
    value, low, high = (float(row[f"{name}{end}"]) * scale for end in ("", "_low", "_high"))
    return f"{value:.2g} [{low:.2g}, {high:.2g}]"


def _mean(rows: pd.DataFrame, place: tuple[str, str]) -> str:
    if place not in rows.index:
        return ""
    row = rows.loc[place]
    return f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


_HIGH, _SALIENT = "high_share", {"method": "saliency", "measure": "noise_on_salient"}
_MEANS: list[tuple[str, str, dict[str, object]]] = [
    (f"cut-off of FGSM's noise behind JPEG {q}, cycles per pixel", "summary",
     {"noise": "fgsm", "quality": q, "measure": "cutoff"})
    for q in (95, 75, 50, 25, 10)
] + [
    ("energy above half Nyquist: image", "fourier/summary", {"of": "image", "measure": _HIGH}),
    ("the same: FGSM noise", "fourier/summary", {"of": "noise_fgsm", "measure": _HIGH}),
    ("the same: FGM noise", "fourier/summary", {"of": "noise_fgm", "measure": _HIGH}),
    ("correlation of the log spectra, FGSM and FGM", "fourier/summary",
     {"of": "fgsm~fgm", "measure": "correlation"}),
    ("FGM noise on the most salient tenth", "saliency/summary", {"attack": "fgm", **_SALIENT}),
    ("C&W noise on the most salient tenth", "saliency/summary", {"attack": "cw", **_SALIENT}),
]  # fmt: skip

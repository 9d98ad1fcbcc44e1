"""What the noises, the images and the attacked images look like in frequency (Figures 16 to 18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.studies.measures import spectra
from benchmark.studies.measures.means import means
from benchmark.studies.measures.subjects import (
    FloatArray,
    attacked,
    classifier_of,
    predictions,
    test_images,
    tidy,
)
from benchmark.studies.request import Findings, StudyRequest
from estimators.data.images import Images
from estimators.spec import Spec

Row = dict[str, Any]
NOISES = {"noise_fgsm": "fgsm", "noise_fgm": "fgm", "noise_random": "noise"}
ATTACKED = {"attacked_fgsm": "fgsm", "attacked_fgm": "fgm", "attacked_random": "noise"}
SMALLEST = 1e-3  # magnitude that figures show


def compute(request: StudyRequest) -> Findings:
    """Spectra of the test images, of FGSM, FGM and random noise, and of images under attack.

    A noise is the attacked image less the clean one, so what the box [0, 1] cuts off is not in it.
    FGSM moves every pixel by `eps_grey` or `eps_colour`; FGM has the L2 norm of that noise, eps
    sqrt(C H W); random noise has FGSM's eps and no gradient.

    Tables, a row an image (dataset, network, id, ...):
    `energy`: what (image, noise_*, attacked_*), high_energy (above half Nyquist, means taken
    away), high_share (of all energy), high_share_windowed (the same behind a Hann window).
    `correlation`: pair, correlation of the log magnitudes; `fgsm~fgm_other` is the control: FGM's
    noise of the next image of the sample.
    `visibility`: attack, low and high: mean of log10 of the attacked image's magnitudes less that
    of the clean one's, below and above half Nyquist; high_energy: log10 of the attacked image's
    energy above half Nyquist over the clean one's (the strongest bins decide there, and the
    weakest ones in `high`); broken: right before and wrong now.
    A row a frequency: `radial` (dataset, network, what, frequency in cycles per pixel, mean, low10,
    median, high90 over images of log10 of the mean power in a ring, n).
    `summary`: the mean over images of each measure with its 95 % interval.

    `examples`: the image that is shown, how it is read, eps, and the share white noise has.

    Arrays: `<dataset>/<network>/<what>` [C, H, W] of one image that both attacks break, and
    `.../spectrum` [H, W], its log10 magnitude, the means taken away, cut off below 1/1000.
    """
    parts: dict[str, list[Row]] = {k: [] for k in ("energy", "correlation", "visibility", "radial")}
    arrays: dict[str, npt.NDArray[Any]] = {}
    shown: list[Row] = []
    for dataset, network in request.subjects:
        request.report(f"{network} on {dataset}")
        images = test_images(request, dataset, request["samples"])
        classifier = classifier_of(request, dataset, network, images)
        moved = _attacks(request, classifier, images)
        seen = {"clean": predictions(classifier, images.x)}
        seen |= {name: predictions(classifier, x) for name, x in moved.items()}
        pictures = {"image": images.x}
        for what, attack in NOISES.items():
            pictures[what] = moved[attack] - images.x
        for what, attack in ATTACKED.items():
            pictures[what] = moved[attack]
        found = {what: spectra.power(x) for what, x in pictures.items()}
        names = {"dataset": dataset, "network": str(network)}
        for table, rows in (
            ("energy", _energy(pictures, found, images)),
            ("correlation", _correlation(found, images)),
            ("visibility", _visibility(found, images, seen)),
            ("radial", _radial(found)),
        ):
            parts[table] += [{**names, **row} for row in rows]
        which = _example(images, seen)
        for what, x in pictures.items():
            arrays[f"{dataset}/{network}/{what}"] = x[which]
            spectrum = spectra.log_magnitude(found[what][[which]], SMALLEST)[0]
            arrays[f"{dataset}/{network}/{what}/spectrum"] = spectrum.astype(np.float32)
        shown.append(
            {
                **names,
                "id": int(images.ids[which]),
                "class": images.classes[images.y[which]],
                "fgsm": images.classes[seen["fgsm"][which]],
                "fgm": images.classes[seen["fgm"][which]],
                "eps_fgsm": _eps(request, images),
                "eps_fgm": _eps(request, images) * _reach(images),
                "white_share": spectra.white_share(*images.shape[1:]),
            }
        )
    tables = {name: tidy(rows) for name, rows in parts.items()}
    tables |= {"summary": _summary(tables), "examples": tidy(shown)}
    return Findings(tables, arrays)


def _eps(request: StudyRequest, images: Images) -> float:
    return float(request["eps_grey"] if images.shape[0] == 1 else request["eps_colour"])


def _reach(images: Images) -> float:
    """L2 norm of a noise that is 1 in every pixel."""
    return float(np.sqrt(np.prod(images.shape)))


def _attacks(request: StudyRequest, classifier: Any, images: Images) -> Mapping[str, FloatArray]:
    eps = _eps(request, images)
    specs = [
        Spec.of("fgsm", eps=eps),
        Spec.of("fgm", eps=eps * _reach(images)),
        Spec.of("noise", eps=eps),
    ]
    return {s.name: x for s, x in attacked(classifier, images, specs, request.seed).items()}


def _energy(
    pictures: Mapping[str, FloatArray], found: Mapping[str, spectra.Floats], images: Images
) -> Iterator[Row]:
    for what, spectrum in found.items():
        high, share = spectra.high_share(spectrum)
        _, faded = spectra.high_share(spectra.power(spectra.windowed(pictures[what])))
        for n, image in enumerate(images.ids):
            yield {
                "id": int(image),
                "what": what,
                "high_share": share[n],
                "high_share_windowed": faded[n],
                "high_energy": high[n],
            }


def _correlation(found: Mapping[str, spectra.Floats], images: Images) -> Iterator[Row]:
    fgsm, fgm = found["noise_fgsm"], found["noise_fgm"]
    pairs = {
        "fgsm~fgm": fgm,
        "fgsm~fgm_other": np.roll(fgm, -1, axis=0),
        "fgsm~image": found["image"],
        "fgsm~random": found["noise_random"],
    }
    for pair, other in pairs.items():
        for image, value in zip(images.ids, spectra.correlations(fgsm, other), strict=True):
            yield {"id": int(image), "pair": pair, "correlation": value}


def _visibility(
    found: Mapping[str, spectra.Floats], images: Images, seen: Mapping[str, npt.NDArray[np.int64]]
) -> Iterator[Row]:
    high = spectra.high_band(*images.shape[1:])
    low = ~high & (spectra.frequencies(*images.shape[1:]) > 0)
    clean = spectra.log_magnitude(found["image"])
    before, _ = spectra.high_share(found["image"])
    right = seen["clean"] == images.y
    for what, attack in ATTACKED.items():
        change = spectra.log_magnitude(found[what]) - clean
        energy, _ = spectra.high_share(found[what])
        with np.errstate(divide="ignore", invalid="ignore"):
            more = np.log10(energy / before)
        broken = right & (seen[attack] != images.y)
        for n, image in enumerate(images.ids):
            yield {
                "id": int(image),
                "attack": attack,
                "low": change[n, low].mean(),
                "high": change[n, high].mean(),
                "high_energy": more[n],
                "broken": bool(broken[n]),
            }


def _radial(found: Mapping[str, spectra.Floats]) -> Iterator[Row]:
    for what, spectrum in found.items():
        rings, at = spectra.radial(spectrum)
        with np.errstate(divide="ignore"):
            logs = np.log10(rings)
        for n, value in enumerate(at):
            seen = logs[np.isfinite(logs[:, n]), n]
            low, middle, high = np.quantile(seen, [0.1, 0.5, 0.9])
            yield {
                "what": what,
                "frequency": value,
                "mean": seen.mean(),
                "low10": low,
                "median": middle,
                "high90": high,
                "n": len(seen),
            }


def _summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    of = ["dataset", "network"]
    energy = means(tables["energy"], [*of, "what"], ["high_share", "high_share_windowed"])
    pairs = means(tables["correlation"], [*of, "pair"], ["correlation"])
    shown = means(tables["visibility"], [*of, "attack"], ["low", "high", "high_energy"])
    return pd.concat(
        [
            part.rename(columns={key: "of"})
            for part, key in ((energy, "what"), (pairs, "pair"), (shown, "attack"))
        ],
        ignore_index=True,
    )


def _example(images: Images, seen: Mapping[str, npt.NDArray[np.int64]]) -> int:
    """The first image of the sample that both attacks break; the first one where there is none."""
    broken = (seen["clean"] == images.y) & (seen["fgsm"] != images.y) & (seen["fgm"] != images.y)
    return int(broken.argmax())

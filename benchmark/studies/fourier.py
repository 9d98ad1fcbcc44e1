"""What the noises, the images and the attacked images look like in frequency (Figures 16 to 18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.studies.measures import spectra, subjects
from benchmark.studies.measures.subjects import FloatArray, predictions
from benchmark.studies.measures.tables import Row, Tables, means, per_image
from benchmark.studies.request import Array, Findings, StudyRequest
from estimators.data.images import Images
from estimators.outputs import class_name

Predicted = Mapping[str, npt.NDArray[np.int64]]
Spectra = Mapping[str, spectra.Floats]
NOISES = {"noise_fgsm": "fgsm", "noise_fgm": "fgm", "noise_random": "noise"}
ATTACKED = {"attacked_fgsm": "fgsm", "attacked_fgm": "fgm", "attacked_random": "noise"}
SMALLEST = 1e-3  # magnitude that figures show


def compute(request: StudyRequest) -> Findings:
    """Compute spectra of the test images, of three noises, and of images under attack.

    A noise is the attacked image minus the clean one, after clipping to [0, 1]. FGSM moves every
    pixel by `eps_grey` or `eps_colour`. FGM has the L2 norm of that noise, eps sqrt(C H W). Random
    noise has FGSM's eps and uses no gradient.

    Tables with one row per image (dataset, network, id, ...):
    `energy`: what (image, noise_*, attacked_*), high_energy (above half Nyquist, channel means
        subtracted), high_share (of all energy), high_share_windowed (the same after a Hann window).
    `correlation`: pair, correlation of the log magnitudes; `fgsm~fgm_other` is the control: FGM's
        noise of the next image of the sample.
    `visibility`: attack, low and high: mean of log10 of the attacked image's magnitudes minus that
        of the clean one's, below and above half Nyquist; high_energy: log10 of the attacked image's
        energy above half Nyquist over the clean one's (the strongest bins dominate it, and the
        weakest ones dominate `high`); broken: right before the attack and wrong after it.

    Other tables:
    `radial`: one row per frequency: what, frequency in cycles per pixel, mean, low10, median and
        high90 over images of log10 of the mean power in a ring, n.
    `summary`: the mean over images of each measure with its 95 % interval.
    `examples`: the image that is shown, its predictions, eps, and the share of white noise.

    Arrays: `<dataset>/<network>/<what>` [C, H, W] of one image that both attacks break, and
    `.../spectrum` [H, W], its log10 magnitude with the means subtracted, at least log10(1/1000).
    """
    tables = Tables()
    arrays: dict[str, Array] = {}
    for dataset, network in request.each_subject():
        images = subjects.test_images(request, dataset, request["samples"])
        classifier = subjects.classifier_of(request, dataset, network, images)
        specs = subjects.fast_gradients(request, images)
        crafted = subjects.attacked(classifier, images, specs, request.seed)
        x_adv = {spec.name: x for spec, x in crafted.items()}
        predicted = {"clean": predictions(classifier, images.x)}
        predicted |= {name: predictions(classifier, x) for name, x in x_adv.items()}
        pictures = {"image": images.x}
        pictures |= {what: x_adv[attack] - images.x for what, attack in NOISES.items()}
        pictures |= {what: x_adv[attack] for what, attack in ATTACKED.items()}
        power = {what: spectra.power(x) for what, x in pictures.items()}
        names = {"dataset": dataset, "network": str(network)}
        tables.add("energy", _energy(pictures, power, images), **names)
        tables.add("correlation", _correlation(power, images), **names)
        tables.add("visibility", _visibility(power, images, predicted), **names)
        tables.add("radial", _radial(power), **names)
        shown = _example(images, predicted)
        for what, x in pictures.items():
            arrays[f"{dataset}/{network}/{what}"] = x[shown]
            spectrum = spectra.log_magnitude(power[what][[shown]], SMALLEST)[0]
            arrays[f"{dataset}/{network}/{what}/spectrum"] = spectrum.astype(np.float32)
        fgsm, fgm = (class_name(images.classes, predicted[n][shown]) for n in ("fgsm", "fgm"))
        row = {"id": int(images.ids[shown]), "class": images.classes[images.y[shown]]}
        row |= {"fgsm": fgsm, "fgm": fgm}
        row |= {f"eps_{spec.name}": spec.get("eps") for spec in specs[:2]}
        row["white_share"] = spectra.white_share(*images.shape[1:])
        tables.add("examples", [row], **names)
    frames = tables.frames()
    return Findings({**frames, "summary": _summary(frames)}, arrays)


def _energy(pictures: Mapping[str, FloatArray], power: Spectra, images: Images) -> Iterator[Row]:
    for what, spectrum in power.items():
        high, share = spectra.high_share(spectrum)
        _, windowed = spectra.high_share(spectra.power(spectra.windowed(pictures[what])))
        yield from per_image(
            images.ids, what=what, high_share=share, high_share_windowed=windowed, high_energy=high
        )


def _correlation(power: Spectra, images: Images) -> Iterator[Row]:
    fgsm, fgm = power["noise_fgsm"], power["noise_fgm"]
    pairs = {"fgsm~fgm": fgm, "fgsm~fgm_other": np.roll(fgm, -1, axis=0)}
    pairs |= {"fgsm~image": power["image"], "fgsm~random": power["noise_random"]}
    for pair, other in pairs.items():
        correlation = spectra.correlations(fgsm, other)
        yield from per_image(images.ids, pair=pair, correlation=correlation)


def _visibility(power: Spectra, images: Images, predicted: Predicted) -> Iterator[Row]:
    high = spectra.high_band(*images.shape[1:])
    low = ~high & (spectra.frequencies(*images.shape[1:]) > 0)
    clean = spectra.log_magnitude(power["image"])
    before, _ = spectra.high_share(power["image"])
    right = predicted["clean"] == images.y
    for what, attack in ATTACKED.items():
        change = spectra.log_magnitude(power[what]) - clean
        energy, _ = spectra.high_share(power[what])
        with np.errstate(divide="ignore", invalid="ignore"):
            more = np.log10(energy / before)
        broken = right & (predicted[attack] != images.y)
        below, above = ([of_image[band].mean() for of_image in change] for band in (low, high))
        yield from per_image(
            images.ids, attack=attack, low=below, high=above, high_energy=more, broken=broken
        )


def _radial(power: Spectra) -> Iterator[Row]:
    for what, spectrum in power.items():
        rings, at = spectra.radial(spectrum)
        with np.errstate(divide="ignore"):
            logs = np.log10(rings)
        for n, value in enumerate(at):
            finite = logs[np.isfinite(logs[:, n]), n]
            quantiles = np.quantile(finite, [0.1, 0.5, 0.9])
            row = {"what": what, "frequency": value, "mean": finite.mean()}
            row |= zip(("low10", "median", "high90"), quantiles, strict=True)
            yield row | {"n": len(finite)}


def _summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    parts = []
    for table, key, measures in (
        ("energy", "what", ["high_share", "high_share_windowed"]),
        ("correlation", "pair", ["correlation"]),
        ("visibility", "attack", ["low", "high", "high_energy"]),
    ):
        mean = means(tables[table], ["dataset", "network", key], measures)
        parts.append(mean.rename(columns={key: "of"}))
    return pd.concat(parts, ignore_index=True)


def _example(images: Images, predicted: Predicted) -> int:
    """Return the first image that both attacks break; the first of all where there is none."""
    fooled = (predicted["fgsm"] != images.y) & (predicted["fgm"] != images.y)
    return int(((predicted["clean"] == images.y) & fooled).argmax())

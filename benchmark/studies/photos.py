"""The paper's open question: JPEG's transfer function and its effect on larger images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from benchmark.studies import first_error, fourier, saliency, transfer_function
from benchmark.studies.cache import run_study, study_key
from benchmark.studies.lookup import study_entry
from benchmark.studies.measures import subjects
from benchmark.studies.measures.jpeg_transfer import grating_gains, kept, noise_gains
from benchmark.studies.measures.tables import Row, Tables, limits, means, per_image
from benchmark.studies.request import Findings, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.networks.cache_folder import default_cache
from estimators.spec import Spec
from reports.statistics.intervals import spread, wilson

# studies of the paper that are repeated, at this study's sizes; importing their code makes it a
# part of this study's key
PARTS = {
    "transfer-function": transfer_function.compute,
    "first-error": first_error.compute,
    "fourier": fourier.compute,
    "saliency": saliency.compute,
}


def compute(request: StudyRequest) -> Findings:
    """Compute what the paper's studies measure, and JPEG's own transfer function, at every size.

    The parts `transfer-function`, `first-error`, `fourier` and `saliency` are the studies of these
    names with this study's subjects and parameters, each in a folder of its own. A finished part is
    kept in the cache: an interrupted study continues with the next one.

    Tables (`jpeg_transfer` defines gain and cut-off):
    `subjects`: dataset, network, channels, size, n, right, accuracy with Wilson's 95 % limits.
    `gratings`: size, contrast, quality, cycles, frequency (cycles per pixel), gain: of vertical
        grey gratings.
    `cutoffs`: size, contrast, quality, cutoff (cycles per pixel): of these curves; exact.
    `noise`: dataset, network, noise (fgsm, or noise: random signs of the same eps), quality, id,
        cutoff, kept_high (mean gain above half Nyquist): of the noise on an image.
    `gains`: dataset, network, noise, quality, frequency: gain, mean over images with its 95 %
        interval (Student's t), n.
    `summary`: the means of `noise` with 95 % intervals.
    """
    parts = {name: _part(name, request.part(n / 5, (n + 1) / 5)) for n, name in enumerate(PARTS)}
    request.share(4 / 5)
    tables = Tables()
    for size, contrast, quality in product(
        request["sizes"], request["contrasts"], request["qualities"]
    ):
        request.report(f"JPEG {quality}, gratings of {size} pixels")
        frequency, gain = grating_gains(size, contrast, quality, request["phases"])
        names = Row(size=size, contrast=contrast, quality=quality)
        rows = zip(range(1, len(gain) + 1), frequency, gain, strict=True)
        tables.add("gratings", (Row(cycles=k, frequency=f, gain=g) for k, f, g in rows), **names)
        tables.add("cutoffs", [Row(cutoff=float(kept(gain, frequency)[0]))], **names)
    for dataset, network in request.part(4 / 5, 1).each_subject():
        images = subjects.test_images(request, dataset, request["samples"])
        classifier = subjects.classifier_of(request, dataset, network, images)
        names = Row(dataset=dataset, network=str(network))
        right = int((subjects.predictions(classifier, images.x) == images.y).sum())
        row = Row(channels=images.shape[0], size=images.shape[1], n=len(images), right=right)
        row |= limits("accuracy", right / len(images), *map(float, wilson(right, len(images))))
        tables.add("subjects", [row], **names)
        for table, noise, row in _noises(request, classifier, images):
            tables.add(table, [row], **names, noise=noise)
    frames = tables.frames()
    of = ["dataset", "network", "noise", "quality"]
    frames["summary"] = means(frames["noise"], of, ["cutoff", "kept_high"])
    return Findings(frames, parts=parts)


def _part(name: str, request: StudyRequest) -> Path:
    """Return the folder of a finished part; parameters that this study lacks have its default."""
    entry = study_entry(name)
    own = {param: request.params.get(param, value) for param, value in entry.defaults.items()}
    part = replace(request, params=own, report=lambda text: request.report(f"{name}: {text}"))
    folder = default_cache().parent / "studies" / f"photos-{name}-{study_key(entry, part)}"
    run_study(name, part, folder, figures=False)
    return folder


def _noises(
    request: StudyRequest, classifier: Classifier, images: Images
) -> Iterator[tuple[str, str, Row]]:
    """Yield rows of the tables `noise` and `gains`, each with its table and noise."""
    fgsm, _, random = subjects.fast_gradients(request, images)
    attacks: list[Spec] = [fgsm, random]
    x_adv = subjects.attacked(classifier, images, attacks, request.seed)
    for attack, quality in product(attacks, request["qualities"]):
        x = next(of for spec, of in x_adv.items() if spec.name == attack.name)
        frequency, gains = noise_gains(images.x, x - images.x, quality)
        cutoff, high = kept(gains, frequency)
        for row in per_image(images.ids, cutoff=cutoff, kept_high=high):
            yield "noise", attack.name, Row(quality=quality, **row)
        for at, value in enumerate(frequency):
            column = gains[:, at]
            mean = spread(column[np.isfinite(column)])._asdict()
            yield "gains", attack.name, Row(quality=quality, frequency=value, **mean)

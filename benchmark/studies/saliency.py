"""What the networks look at, and whether the noise falls there (Figures 20 to 25)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from benchmark.studies.measures import saliency_maps as maps
from benchmark.studies.measures import subjects
from benchmark.studies.measures.smallest_eps import carlini_spec
from benchmark.studies.measures.subjects import FloatArray, IntArray, attacked, predictions
from benchmark.studies.measures.tables import Row, Tables, means, per_image
from benchmark.studies.request import Array, Findings, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.errors import InputError
from estimators.outputs import class_name
from estimators.spec import Spec

Maps = Mapping[str, maps.Floats]
CONTROL = "noise"


def compute(request: StudyRequest) -> Findings:
    """Compute saliency and Grad-CAM of clean and attacked images, and where the noise falls.

    The images are those that are right without an attack. The attacks are FGSM, FGM (with the L2
    norm of FGSM's noise before clipping), C&W on the first `cw_samples` images, and as a control
    random signs of FGSM's eps.

    Tables with one row per image (dataset, network, attack, id, method: saliency or gradcam):
    `movement`: score (the class of the maps: `true` on both images, or `predicted`, each image's
        own prediction), broken (the attack changed the prediction), spearman (rank correlation of
        both maps; empty where one is constant), overlap (of their top 10 % of pixels), chance.
    `overlap`: noise_on_salient (share of the noise's energy in the clean image's top 10 % for the
        true class), pixel_chance (the same with the pixels shuffled: the share of pixels),
        other_image (mean with the maps of other images), same_class (with the map of another image
        of the class), correlation (rank, of noise energy and map), broken.

    FGSM moves every pixel by the same amount except where clipping to [0, 1] reduces it, so its
    share is about that of the pixels by definition; on a black background it is what clipping
    leaves. FGM's noise is the gradient of the loss, a mixture of the gradients of class scores, so
    much of its overlap with saliency is the same gradient counted twice. C&W's noise and random
    signs have no such relation.

    Other tables: `summary`, means over images with 95 % intervals; `examples`, the images shown.
    Arrays: `<dataset>/<network>/<position>/<what>` of the images shown.
    """
    tables = Tables()
    arrays: dict[str, Array] = {}
    for dataset, network in request.each_subject():
        names = {"dataset": dataset, "network": str(network)}
        images = subjects.test_images(request, dataset, request["samples"])
        classifier = subjects.classifier_of(request, dataset, network, images, layers=True)
        images = _right(images, classifier, f"{network} on {dataset}")
        clean = {
            method: maps.map_of(method, classifier.network, images.x, images.y, classifier.batch)
            for method in maps.METHODS
        }
        few = images[: request["cw_samples"]]
        specs = subjects.fast_gradients(request, images)
        x_adv = attacked(classifier, images, specs, request.seed)
        x_adv |= attacked(classifier, few, [carlini_spec(request)], request.seed)
        for spec, x in x_adv.items():
            request.report(f"{network} on {dataset}, {spec.name}")
            part = images[: len(x)]
            predicted = predictions(classifier, x)
            movement = _movement(classifier, part, x, predicted, clean)
            tables.add("movement", movement, **names, attack=spec.name)
            if spec.name != CONTROL:
                overlap = _overlap(request, part, x, predicted, clean, images)
                tables.add("overlap", overlap, **names, attack=spec.name)
        examples = _examples(request, classifier, dataset, images)
        for position, (row, pictures) in enumerate(examples):
            tables.add("examples", [row], **names, position=position)
            stem = f"{dataset}/{network}/{position}"
            arrays |= {f"{stem}/{what}": x.astype(np.float32) for what, x in pictures.items()}
    frames = tables.frames()
    return Findings({**frames, "summary": _summary(frames)}, arrays)


def _right(images: Images, classifier: Classifier, subject: str) -> Images:
    """Return the images that are right without an attack; InputError where none is."""
    right = images[predictions(classifier, images.x) == images.y]
    if not len(right):
        raise InputError(
            f"saliency: {subject} has none of {len(images)} images right; ask for more images"
            " (--samples), or check its weights and its normalisation"
        )
    return right


def _movement(
    classifier: Classifier, images: Images, x: FloatArray, predicted: IntArray, clean: Maps
) -> Iterator[Row]:
    for method in maps.METHODS:
        before = clean[method][: len(x)]
        top = maps.salient(before)
        for score, classes in (("true", images.y), ("predicted", predicted)):
            after = maps.map_of(method, classifier.network, x, classes, classifier.batch)
            correlation = maps.rank_correlation(before, after)
            shared = maps.overlap(top, maps.salient(after))
            broken, chance = predicted != images.y, [chosen.mean() for chosen in top]
            names = {"method": method, "score": score, "broken": broken}
            yield from per_image(
                images.ids, **names, spearman=correlation, overlap=shared, chance=chance
            )


def _overlap(
    request: StudyRequest,
    images: Images,
    x: FloatArray,
    predicted: IntArray,
    clean: Maps,
    everyone: Images,
) -> Iterator[Row]:
    noise = x - images.x
    energy = (noise.astype(np.float64) ** 2).sum(axis=1)
    drawn, same = maps.others(everyone.ids, everyone.y, request.seed, request["controls"])
    for method in maps.METHODS:
        top = maps.salient(clean[method])
        own = maps.energy_share(noise, top[: len(x)])
        correlation = maps.rank_correlation(energy, clean[method][: len(x)])
        for n, image in enumerate(images.ids):
            other = maps.energy_share(np.repeat(noise[[n]], len(drawn[n]), axis=0), top[drawn[n]])
            alike = maps.energy_share(noise[[n]], top[[same[n]]])[0] if same[n] >= 0 else np.nan
            row = Row(id=int(image), method=method, noise_on_salient=own[n])
            row["pixel_chance"] = top[n].mean()
            row["other_image"] = other.mean() if len(other) else np.nan
            row |= {"same_class": alike, "correlation": correlation[n]}
            yield row | {"broken": bool(predicted[n] != images.y[n])}


def _summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    of = ["dataset", "network", "attack", "method"]
    moved = means(tables["movement"], [*of, "score"], ["spearman", "overlap"])
    overlap = tables["overlap"].assign(
        above_other=lambda t: t["noise_on_salient"] - t["other_image"],
        above_same_class=lambda t: t["noise_on_salient"] - t["same_class"],
    )
    measures = ["noise_on_salient", "other_image", "same_class", "above_other", "above_same_class"]
    return pd.concat([moved, means(overlap, of, [*measures, "correlation"])], ignore_index=True)


def _examples(
    request: StudyRequest, classifier: Classifier, dataset: str, images: Images
) -> Iterator[tuple[Row, dict[str, FloatArray | maps.Floats]]]:
    """Yield images that FGSM breaks: the requested pair of classes first, where there is one.

    All have the study's eps; the study `first-error` has the smallest eps per image.
    """
    fgsm, fgm, _ = subjects.fast_gradients(request, images)
    specs = [fgsm, fgm, carlini_spec(request)]
    chosen = _pair(request, classifier, dataset, fgsm)
    (x,) = attacked(classifier, images, [fgsm], request.seed).values()
    fooled = np.flatnonzero(predictions(classifier, x) != images.y)
    first = fooled if len(fooled) else np.arange(len(images))
    chosen += [images[n : n + 1] for n in first[: request["examples"]]]
    for one in chosen[: request["examples"]]:
        arrays: dict[str, FloatArray | maps.Floats] = {"image": one.x[0]}
        row: Row = {"id": int(one.ids[0]), "class": one.classes[one.y[0]]}
        pictures = {"clean": one.x}
        for spec, x_adv in attacked(classifier, one, specs, request.seed).items():
            pictures[spec.name] = x_adv
            arrays[f"{spec.name}/noise"] = (x_adv - one.x)[0]
        for name, picture in pictures.items():
            row[name] = class_name(one.classes, predictions(classifier, picture)[0])
            for method in maps.METHODS:
                (shown,) = maps.map_of(method, classifier.network, picture, one.y)
                arrays[f"{name}/{method}"] = shown
        yield row, arrays


def _pair(
    request: StudyRequest, classifier: Classifier, dataset: str, attack: Spec
) -> list[Images]:
    """Return the first test image of the class `source` that the attack turns into `target`."""
    images = request.images(dataset)
    if not {request["source"], request["target"]} <= set(images.classes):
        return []
    source, target = (images.classes.index(request[name]) for name in ("source", "target"))
    images = images[images.y == source].read()
    if not len(images):
        return []
    images = images[predictions(classifier, images.x) == source]
    (x,) = attacked(classifier, images, [attack], request.seed).values()
    hits = np.flatnonzero(predictions(classifier, x) == target)
    return [images[hits[:1]]] if len(hits) else []

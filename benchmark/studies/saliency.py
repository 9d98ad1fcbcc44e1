"""What the networks look at, and whether the noise falls there (Figures 20 to 25)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.studies.measures import saliency_maps as maps
from benchmark.studies.measures.means import means
from benchmark.studies.measures.subjects import (
    FloatArray,
    IntArray,
    attacked,
    classifier_of,
    predictions,
    test_images,
    tidy,
)
from benchmark.studies.request import Findings, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.data.registry import load_images
from estimators.spec import Spec

Row = dict[str, Any]
CONTROL = "noise"


def compute(request: StudyRequest) -> Findings:
    """Saliency and Grad-CAM of clean and attacked images, and where the noise falls.

    Images that are right when clean; FGSM, FGM (with the L2 norm of FGSM's noise before the box
    cuts it), C&W on the first `cw_samples` of them, and as a control random signs of FGSM's eps.

    Tables, a row an image (dataset, network, attack, id, method in saliency, gradcam):
    `movement`: score (of which class the maps are: `true` on both images, or `predicted`, each
    image's own reading), broken (the attack changed the class), spearman (rank correlation of the
    two maps; empty where one is constant), overlap (of their top 10 % of pixels), chance.
    `overlap`: noise_on_salient (share of the noise's energy in the clean image's top 10 % for the
    true class), pixel_chance (the same with the pixels shuffled: exactly the share of pixels),
    other_image (mean with the maps of other images), same_class (with the map of another image of
    the class), correlation (rank, of noise energy and map), broken.
    FGSM moves every pixel alike but where the box [0, 1] cuts it off, so its share is about that
    of the pixels by definition; on black ground it is what the box leaves. FGM's noise is the
    gradient of the loss, which is a mixture of class score gradients: much of its overlap with
    saliency is the same gradient seen twice. C&W's noise and random signs have no such tie.
    `summary`: means over images with 95 % intervals. `examples`: the images shown.
    Arrays: `<dataset>/<network>/<position>/<what>` of the images shown.
    """
    movement: list[Row] = []
    fallen: list[Row] = []
    shown: list[Row] = []
    arrays: dict[str, npt.NDArray[Any]] = {}
    for dataset, network in request.subjects:
        request.report(f"{network} on {dataset}")
        names = {"dataset": dataset, "network": str(network)}
        images = test_images(request, dataset, request["samples"])
        classifier = classifier_of(request, dataset, network, images)
        right = predictions(classifier, images.x) == images.y
        images = images[right]
        clean = {m: maps.map_of(m, classifier.network, images.x, images.y) for m in maps.METHODS}
        for name, x in _attacks(request, classifier, images).items():
            request.report(f"{network} on {dataset}, {name}")
            part = images[: len(x)]
            seen = predictions(classifier, x)
            known = {**names, "attack": name}
            movement += [{**known, **row} for row in _movement(classifier, part, x, seen, clean)]
            if name != CONTROL:
                fallen += [
                    {**known, **row} for row in _fallen(request, part, x, seen, clean, images)
                ]
        for position, (row, found) in enumerate(_examples(request, classifier, dataset, images)):
            shown.append({**names, "position": position, **row})
            stem = f"{dataset}/{network}/{position}"
            arrays |= {f"{stem}/{what}": x.astype(np.float32) for what, x in found.items()}
    tables = {"movement": tidy(movement), "overlap": tidy(fallen)}
    return Findings({**tables, "summary": _summary(tables), "examples": tidy(shown)}, arrays)


def _specs(request: StudyRequest, images: Images) -> list[Spec]:
    eps = float(request["eps_grey"] if images.shape[0] == 1 else request["eps_colour"])
    reach = float(np.sqrt(np.prod(images.shape)))
    return [
        Spec.of("fgsm", eps=eps),
        Spec.of("fgm", eps=eps * reach),
        Spec.of(CONTROL, eps=eps),
        Spec.of("cw"),
    ]


def _attacks(
    request: StudyRequest, classifier: Classifier, images: Images
) -> dict[str, FloatArray]:
    """Attacked images by attack; those of C&W are the first ones alone."""
    *quick, slow = _specs(request, images)
    found = attacked(classifier, images, quick, request.seed)
    found |= attacked(classifier, images[: request["cw_samples"]], [slow], request.seed)
    return {spec.name: x for spec, x in found.items()}


def _movement(
    classifier: Classifier,
    images: Images,
    x: FloatArray,
    seen: IntArray,
    clean: Mapping[str, maps.Floats],
) -> Iterator[Row]:
    broken = seen != images.y
    for method in maps.METHODS:
        before = clean[method][: len(x)]
        for score, classes in (("true", images.y), ("predicted", seen)):
            after = maps.map_of(method, classifier.network, x, classes)
            together = maps.rank_correlation(before, after)
            top = maps.salient(before)
            shared = maps.overlap(top, maps.salient(after))
            for n, image in enumerate(images.ids):
                yield {
                    "id": int(image),
                    "method": method,
                    "score": score,
                    "broken": bool(broken[n]),
                    "spearman": together[n],
                    "overlap": shared[n],
                    "chance": top[n].mean(),
                }


def _fallen(
    request: StudyRequest,
    images: Images,
    x: FloatArray,
    seen: IntArray,
    clean: Mapping[str, maps.Floats],
    everyone: Images,
) -> Iterator[Row]:
    noise = x - images.x
    drawn, same = maps.others(everyone.ids, everyone.y, request.seed, request["controls"])
    for method in maps.METHODS:
        top = maps.salient(clean[method])
        here = top[: len(x)]
        on = maps.energy_share(noise, here)
        together = maps.rank_correlation(
            (noise.astype(np.float64) ** 2).sum(axis=1), clean[method][: len(x)]
        )
        for n, image in enumerate(images.ids):
            foreign = maps.energy_share(np.repeat(noise[[n]], len(drawn[n]), axis=0), top[drawn[n]])
            alike = maps.energy_share(noise[[n]], top[[same[n]]])[0] if same[n] >= 0 else np.nan
            yield {
                "id": int(image),
                "method": method,
                "noise_on_salient": on[n],
                "pixel_chance": here[n].mean(),
                "other_image": foreign.mean() if len(foreign) else np.nan,
                "same_class": alike,
                "correlation": together[n],
                "broken": bool(seen[n] != images.y[n]),
            }


def _summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    of = ["dataset", "network", "attack", "method"]
    moved = means(tables["movement"], [*of, "score"], ["spearman", "overlap"])
    fallen = tables["overlap"].assign(
        above_other=lambda t: t["noise_on_salient"] - t["other_image"],
        above_same_class=lambda t: t["noise_on_salient"] - t["same_class"],
    )
    measures = ["noise_on_salient", "other_image", "same_class", "above_other", "above_same_class"]
    return pd.concat([moved, means(fallen, of, [*measures, "correlation"])], ignore_index=True)


def _examples(
    request: StudyRequest, classifier: Classifier, dataset: str, images: Images
) -> Iterator[tuple[Row, dict[str, npt.NDArray[Any]]]]:
    """Images that FGSM breaks: one of the wanted pair of classes if there is any, then the first.

    `first-error` has the smallest eps an image; here all have the study's own.
    """
    specs = _specs(request, images)
    chosen = [_pair(request, classifier, dataset, specs[0])]
    x = attacked(classifier, images, specs[:1], request.seed)
    fooled = np.flatnonzero(predictions(classifier, next(iter(x.values()))) != images.y)
    first = fooled if len(fooled) else np.arange(len(images))
    chosen += [images[first[n : n + 1]] for n in range(min(len(first), request["examples"]))]
    for one in [c for c in chosen if c is not None][: request["examples"]]:
        found: dict[str, npt.NDArray[Any]] = {"image": one.x[0]}
        row: Row = {"id": int(one.ids[0]), "class": one.classes[one.y[0]]}
        pictures = {"clean": one.x}
        for spec, moved in attacked(classifier, one, specs, request.seed).items():
            if spec.name != CONTROL:
                pictures[spec.name] = moved
                found[f"{spec.name}/noise"] = (moved - one.x)[0]
        for name, picture in pictures.items():
            seen = predictions(classifier, picture)
            row[name] = one.classes[seen[0]]
            for method in maps.METHODS:
                found[f"{name}/{method}"] = maps.map_of(method, classifier.network, picture, one.y)[
                    0
                ]
        yield row, found


def _pair(
    request: StudyRequest, classifier: Classifier, dataset: str, attack: Spec
) -> Images | None:
    """The first test image of the class `source` that the attack makes a `target` of."""
    images = load_images(dataset, "test", request.data_dir)
    source, target = (
        images.classes.index(request[c]) if request[c] in images.classes else -1
        for c in ("source", "target")
    )
    images = images[images.y == source]
    if target < 0 or not len(images):
        return None
    images = images[predictions(classifier, images.x) == source]
    (x,) = attacked(classifier, images, [attack], request.seed).values()
    hits = np.flatnonzero(predictions(classifier, x) == target)
    return images[hits[:1]] if len(hits) else None

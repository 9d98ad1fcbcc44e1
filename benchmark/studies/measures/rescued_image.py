"""An image that FGSM breaks and that JPEG rescues, with high confidence at every step."""

from __future__ import annotations

import numpy as np

from benchmark.studies.entry import Subject
from benchmark.studies.measures import subjects
from benchmark.studies.measures.subjects import classifier_of, confidences
from benchmark.studies.measures.tables import Rows
from benchmark.studies.request import Array, StudyRequest
from estimators.classifier import Classifier
from estimators.data.images import Images
from estimators.defences.build import build_defence
from estimators.outputs import class_name
from estimators.spec import Spec


def rescued_image(
    request: StudyRequest, subject: Subject, qualities: tuple[int, ...]
) -> tuple[Rows, dict[str, Array]]:
    """Return the rescue with the largest least confidence, as rows and images by step.

    The steps are clean, attacked and compressed. The candidates are the test images that are right
    without an attack, taken for `target` under FGSM, and right again behind JPEG of one of the
    qualities. Pairs of classes are tried in this order: the requested one, the same source, any.
    Both results are empty where no image is rescued.
    """
    dataset, _ = subject
    everything = request.images(dataset)
    source, target = (
        subjects.class_named(everything, request[name], name) for name in ("source", "target")
    )
    of_source = everything[everything.y == source].read()
    sample = subjects.test_images(request, dataset, request["samples"])
    eps = float(max(request["eps" if everything.shape[0] == 1 else "eps_colour"]))
    for images, into in ((of_source, target), (of_source, None), (sample, None)):
        rows, pictures = _best(request, subject, images, eps, qualities, into)
        if rows:
            return [{"as_asked": into is not None, **row} for row in rows], pictures
        pair = f"{everything.classes[source]} as {everything.classes[target]}"
        request.report(f"{dataset}: no {pair} is rescued at eps {eps:g}; trying other pairs")
    return [], {}


def _best(
    request: StudyRequest,
    subject: Subject,
    images: Images,
    eps: float,
    qualities: tuple[int, ...],
    into: int | None,
) -> tuple[Rows, dict[str, Array]]:
    if not len(images):
        return [], {}

    def behind(quality: int) -> Classifier:
        return classifier_of(request, *subject, images, Spec.of("jpeg", quality=quality))

    attack = Spec.of("fgsm", eps=eps)
    bare = classifier_of(request, *subject, images)
    x_adv = subjects.attacked(bare, images, [attack])[attack]
    clean, clean_confidence = confidences(bare, images.x)
    adv, adv_confidence = confidences(bare, x_adv)
    fooled = (clean == images.y) & (adv != images.y)
    if into is not None:
        fooled &= adv == into
    best: tuple[float, int, int] | None = None
    for quality in qualities:
        back, confidence = confidences(behind(quality), x_adv)
        least = np.minimum(np.minimum(clean_confidence, adv_confidence), confidence)
        least = np.where(fooled & (back == images.y), least, -1.0)
        n = int(least.argmax())
        if least[n] >= 0 and (best is None or least[n] > best[0]):
            best = float(least[n]), n, quality
    if best is None:
        return [], {}
    _, n, quality = best
    defence = build_defence(Spec.of("jpeg", quality=quality))
    assert defence is not None
    compressed, _ = defence(x_adv[n : n + 1])
    back, confidence = confidences(behind(quality), x_adv[n : n + 1])
    head = {"id": int(images.ids[n]), "class": images.classes[images.y[n]]}
    head |= {"target": class_name(images.classes, adv[n]), "eps": eps, "quality": quality}
    steps = {
        "clean": (clean[n], clean_confidence[n], images.x[n]),
        "attacked": (adv[n], adv_confidence[n], x_adv[n]),
        "compressed": (back[0], confidence[0], compressed[0]),
    }
    rows: Rows = [
        {**head, "step": step, "predicted": class_name(images.classes, label), "confidence": value}
        for step, (label, value, _) in steps.items()
    ]
    return rows, {step: x for step, (_, _, x) in steps.items()}

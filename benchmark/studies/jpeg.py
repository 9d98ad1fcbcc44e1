"""What JPEG does to an image and to an attack (the paper's Figures 7 and 10)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image

from benchmark.execution.plan import BARE
from benchmark.studies.measures.smallest_eps import sizes
from benchmark.studies.measures.subjects import (
    FloatArray,
    attacked,
    class_named,
    classifier_of,
    one_image,
    predictions,
    seen,
    test_images,
    tidy,
)
from benchmark.studies.request import Findings, StudyRequest, Subject
from estimators.data.images import Images
from estimators.data.registry import load_images
from estimators.defences.jpeg import round_trip
from estimators.defences.registry import build_defence, from_bytes
from estimators.spec import Spec
from reports.statistics.intervals import paired_difference, wilson

Row = dict[str, Any]
Bools = npt.NDArray[np.bool_]
CONTROL = Spec("quantize")


def compute(request: StudyRequest) -> Findings:
    """One image at several qualities, the story of a rescued one, and how often that happens.

    Tables: `compressed`, a row a quality of one image (`image`, `split`): bytes of the file that
    Pillow writes, PSNR in dB; `story`, an image that FGSM turns from `source` into `target` and
    that is right again behind JPEG, found by search (any rescued image where there is none);
    `fates`, one row an image and defence: whether it is right `clean` behind the defence, and
    under FGSM by an attacker who does not know of the defence (`oblivious`) and by one who does
    (`adaptive`), `bare_clean` and `bare` the same without a defence; `rescued`, see `_summary`.
    `eps` for grey images, `eps_colour` for others, each one or several.
    Arrays: `<dataset>.<quality>` uint8 [C, H, W] (0: the image itself), and
    `<dataset>.<network>.<clean, attacked, compressed>` float32.
    """
    qualities = _qualities(request)
    compressed: list[Row] = []
    stories: list[Row] = []
    fates: list[Row] = []
    rescued: list[Row] = []
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for dataset in request.datasets:
        rows, pictures = _compressed(request, dataset, qualities)
        compressed += [{"dataset": dataset, **row} for row in rows]
        arrays.update({f"{dataset}.{name}": image for name, image in pictures.items()})
    for subject in request.subjects:
        dataset, network = subject
        here = {"dataset": dataset, "network": str(network)}
        request.report(f"jpeg: {dataset}, {network}")
        images = test_images(request, dataset, request["samples"])
        for eps in request["eps" if images.shape[0] == 1 else "eps_colour"]:
            rows = _fates(request, subject, images, eps, qualities)
            fates += [{**here, **row} for row in rows]
            rescued += [{**here, "eps": eps, **row} for row in _summary(pd.DataFrame(rows))]
        shown, story = _story(request, subject, qualities)
        stories += [{**here, **row} for row in shown]
        arrays.update({f"{dataset}.{network}.{name}": image for name, image in story.items()})
    found = {"compressed": compressed, "fates": fates, "rescued": rescued}
    tables = {name: tidy(rows) for name, rows in found.items()}
    for table in tables.values():
        # an integer even beside a defence that has none
        table["quality"] = table["quality"].astype("Int64")
    return Findings({**tables, "story": tidy(stories, STORY)}, arrays)


STORY = (
    "dataset",
    "network",
    "id",
    "class",
    "target",
    "as_asked",
    "eps",
    "quality",
    "step",
    "predicted",
    "confidence",
)


def _qualities(request: StudyRequest) -> tuple[int, ...]:
    for quality in request["qualities"]:
        build_defence(Spec.of("jpeg", quality=quality))
    return tuple(request["qualities"])


def _compressed(
    request: StudyRequest, dataset: str, qualities: tuple[int, ...]
) -> tuple[list[Row], Mapping[str, npt.NDArray[np.uint8]]]:
    """One image at each quality, with the size of its file and its distance from the original."""
    one = one_image(request, dataset)
    pixels = torch.from_numpy((one.x * 255).round().astype(np.uint8))
    head = {"split": request["split"], "id": int(one.ids[0]), "class": one.classes[one.y[0]]}
    pictures = {"0": pixels[0].numpy()}
    rows = []
    for quality in qualities:
        coded = round_trip(pixels, quality)
        pictures[str(quality)] = coded[0].numpy()
        size = sizes(from_bytes(pixels).numpy(), from_bytes(coded).numpy())
        rows.append(
            {
                **head,
                "quality": quality,
                "bytes": file_size(pictures["0"], quality),
                "raw_bytes": pictures["0"].size,
                "psnr": size["psnr"][0],
                "linf": size["linf"][0],
            }
        )
    return rows, pictures


def file_size(image: npt.NDArray[np.uint8], quality: int) -> int:
    """Bytes of the JPEG file that Pillow writes of an image [C, H, W], header and tables too."""
    shown = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(out, format="JPEG", quality=quality)
    return len(out.getvalue())


def _fates(
    request: StudyRequest, subject: Subject, images: Images, eps: float, qualities: tuple[int, ...]
) -> list[Row]:
    """A row an image and defence: right or wrong, clean and under both attackers."""
    attack = Spec.of("fgsm", eps=float(eps))
    bare = classifier_of(request, *subject, images)
    moved = attacked(bare, images, [attack])[attack]
    clean_bare, moved_bare = (predictions(bare, x) == images.y for x in (images.x, moved))
    rows = []
    for defence in (CONTROL, *(Spec.of("jpeg", quality=q) for q in qualities)):
        behind = classifier_of(request, *subject, images, defence)
        knowing = attacked(behind, images, [attack])[attack]
        right = [predictions(behind, x) == images.y for x in (images.x, moved, knowing)]
        for n, image in enumerate(images.ids):
            rows.append(
                {
                    "id": int(image),
                    "defence": defence.name,
                    "quality": defence.get("quality"),
                    "eps": eps,
                    "bare_clean": int(clean_bare[n]),
                    "bare": int(moved_bare[n]),
                    **{k: int(v[n]) for k, v in zip(FATES, right, strict=True)},
                }
            )
    return rows


FATES = ("clean", "oblivious", "adaptive")


def _summary(rows: pd.DataFrame) -> list[Row]:
    """A row a defence and attacker, over the n images that are right clean and undefended.

    All are shares of n, with 95 % limits (Wilson; differences of pairs: Newcombe):
    rescued: wrong under attack without a defence, right behind it under attack. The adaptive
        attacker made another image, through the defence: rescued are those whom the attack breaks
        on the bare network and not even the attacker who knows breaks behind JPEG.
    lost: the other way round, right under attack without a defence and wrong behind it.
    net: rescued minus lost, the gain in accuracy under attack.
    broken: wrong behind the defence without any attack.
    over_quantize: rescued minus what mere rounding to 8 bits rescues from the same attacker.
    """
    found = []
    right = rows[rows["bare_clean"] == 1]
    # of the undefended network, the same for every defence
    control = right[right["defence"] == CONTROL.name]
    quality = pd.to_numeric(right["quality"]).fillna(0)
    for level in quality.drop_duplicates():
        part = right[quality == level]
        n, saved_by = len(part), {}
        for threat in ("oblivious", "adaptive"):
            saved_by = {"jpeg": _saved(part, threat), "quantize": _saved(control, threat)}
            lost = part["bare"].to_numpy(bool) & ~part[threat].to_numpy(bool)
            broken = ~part["clean"].to_numpy(bool)
            row: Row = {
                "defence": part["defence"].iloc[0],
                "quality": part["quality"].iloc[0],
                "threat": threat,
                "n": n,
                "attacked_wrong": int((part["bare"] == 0).sum()),
            }
            counted = {"rescued": saved_by["jpeg"], "lost": lost, "broken": broken}
            for name, which in counted.items():
                low, high = wilson(int(which.sum()), n)
                row |= {name: which.mean(), f"{name}_low": low, f"{name}_high": high}
            row |= _gain("net", part["bare"].to_numpy(bool), part[threat].to_numpy(bool))
            row |= _gain("over_quantize", saved_by["quantize"], saved_by["jpeg"])
            found.append(row)
    return found


def _saved(rows: pd.DataFrame, threat: str) -> Bools:
    saved: Bools = (rows["bare"] == 0).to_numpy() & (rows[threat] == 1).to_numpy()
    return saved


def _gain(name: str, before: Bools, after: Bools) -> Row:
    """The share of `after` minus that of `before`, image by image."""
    both, only_a = int((before & after).sum()), int((before & ~after).sum())
    only_b, neither = int((~before & after).sum()), int((~before & ~after).sum())
    gain = paired_difference(both, only_a, only_b, neither)
    return {name: gain.value, f"{name}_low": gain.low, f"{name}_high": gain.high}


def _story(
    request: StudyRequest, subject: Subject, qualities: tuple[int, ...]
) -> tuple[list[Row], Mapping[str, FloatArray]]:
    """Clean, attacked, compressed: the rescue of which the network is surest at every step.

    Among the test images that are right without an attack, taken for `target` under FGSM and
    right again behind JPEG of some quality: the largest least confidence of the three. Pairs of
    classes come in this order: the one asked for, the same source, any.
    """
    dataset, _ = subject
    everything = load_images(dataset, "test", request.data_dir)
    names = [class_named(everything, request[name], name) for name in ("source", "target")]
    eps = float(max(request["eps" if everything.shape[0] == 1 else "eps_colour"]))
    for source, target in ((names[0], names[1]), (names[0], None), (None, None)):
        if source is None:
            images = test_images(request, dataset, request["samples"])
        else:
            images = everything[everything.y == source]
        found = _rescue(request, subject, images, eps, qualities, target)
        if found is not None:
            rows, pictures = found
            return [{"as_asked": target is not None, **row} for row in rows], pictures
        asked = " as ".join(everything.classes[c] for c in names)
        request.report(f"jpeg: {dataset}: no {asked} is rescued at eps {eps:g}; looking further")
    return [], {}


def _rescue(
    request: StudyRequest,
    subject: Subject,
    images: Images,
    eps: float,
    qualities: tuple[int, ...],
    target: int | None,
) -> tuple[list[Row], Mapping[str, FloatArray]] | None:
    """The best story among some images, if one of them has it."""
    if not len(images):
        return None
    attack = Spec.of("fgsm", eps=eps)
    bare = classifier_of(request, *subject, images, BARE)
    moved = attacked(bare, images, [attack])[attack]
    clean, sure = seen(bare, images.x)
    taken, sure_taken = seen(bare, moved)
    told = (clean == images.y) & (taken != images.y)
    if target is not None:
        told &= taken == target
    best: tuple[float, int, int] | None = None
    for quality in qualities:
        back, sure_back = seen(_behind(request, subject, images, quality), moved)
        least = np.where(
            told & (back == images.y), np.minimum(np.minimum(sure, sure_taken), sure_back), -1.0
        )
        n = int(least.argmax())
        if least[n] >= 0 and (best is None or least[n] > best[0]):
            best = float(least[n]), n, quality
    if best is None:
        return None
    _, n, quality = best
    defence = build_defence(Spec.of("jpeg", quality=quality))
    assert defence is not None
    at = slice(n, n + 1)
    compressed, _ = defence(moved[at])
    back, sure_back = seen(_behind(request, subject, images, quality), moved[at])
    head = {
        "id": int(images.ids[n]),
        "class": images.classes[images.y[n]],
        "target": images.classes[taken[n]],
        "eps": eps,
        "quality": quality,
    }
    steps = {
        "clean": (clean[n], sure[n]),
        "attacked": (taken[n], sure_taken[n]),
        "compressed": (back[0], sure_back[0]),
    }
    rows: list[Row] = [
        {**head, "step": step, "predicted": images.classes[said], "confidence": confidence}
        for step, (said, confidence) in steps.items()
    ]
    return rows, {"clean": images.x[n], "attacked": moved[n], "compressed": compressed[0]}


def _behind(request: StudyRequest, subject: Subject, images: Images, quality: int) -> Any:
    return classifier_of(request, *subject, images, Spec.of("jpeg", quality=quality))

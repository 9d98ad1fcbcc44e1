"""What JPEG does to an image and to an attack (the paper's Figures 7 and 10)."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image

from benchmark.studies.entry import Subject
from benchmark.studies.measures import subjects
from benchmark.studies.measures.rescued_image import rescued_image
from benchmark.studies.measures.smallest_eps import sizes
from benchmark.studies.measures.subjects import classifier_of, predictions
from benchmark.studies.measures.tables import Row, Rows, Tables, limits, per_image, tidy
from benchmark.studies.request import Array, Findings, StudyRequest
from estimators.data.images import Images
from estimators.defences.base import from_bytes
from estimators.defences.build import build_defence
from estimators.jpeg_codec.codec import round_trip
from estimators.spec import Spec
from reports.statistics.intervals import paired_difference, wilson

Bools = npt.NDArray[np.bool_]
CONTROL = Spec("quantize")
FATES = ("clean", "oblivious", "adaptive")
SHOWN = ("dataset", "network", "id", "class", "target", "as_asked")
STORY = (*SHOWN, "eps", "quality", "step", "predicted", "confidence")


def compute(request: StudyRequest) -> Findings:
    """Compute one image at several qualities, a rescued image, and how often JPEG rescues.

    Tables:
    `compressed`: one row per quality of one image (`image`, `split`): bytes of the file that Pillow
        writes, PSNR in dB.
    `story`: an image that FGSM turns from `source` into `target` and that is right again behind
        JPEG (any rescued image where there is none).
    `fates`: one row per image and defence: whether it is right behind the defence without an attack
        (`clean`), under FGSM on the bare network (`oblivious`), and under FGSM through the defence
        (`adaptive`); `bare_clean` and `bare` are the first two without a defence.
    `rescued`: shares of images, see `_shares`.

    `eps` is for grey images, `eps_colour` for others; each is one number or several. Arrays:
    `<dataset>.<quality>` uint8 [C, H, W] (0: the image itself), and
    `<dataset>.<network>.<clean, attacked, compressed>` float32.
    """
    qualities = tuple(request["qualities"])
    for quality in qualities:
        build_defence(Spec.of("jpeg", quality=quality))
    tables = Tables()
    stories: Rows = []
    arrays: dict[str, Array] = {}
    for dataset in request.datasets:
        rows, pictures = _compressed(request, dataset, qualities)
        tables.add("compressed", rows, dataset=dataset)
        arrays.update({f"{dataset}.{name}": image for name, image in pictures.items()})
    for dataset, network in request.each_subject():
        subject = dataset, network
        names = {"dataset": dataset, "network": str(network)}
        images = subjects.test_images(request, dataset, request["samples"])
        for eps in request["eps" if images.shape[0] == 1 else "eps_colour"]:
            rows = list(_fates(request, subject, images, eps, qualities))
            tables.add("fates", rows, **names)
            tables.add("rescued", _shares(pd.DataFrame(rows)), **names, eps=eps)
        story, steps = rescued_image(request, subject, qualities)
        stories += [{**names, **row} for row in story]
        arrays.update({f"{dataset}.{network}.{name}": image for name, image in steps.items()})
    frames = tables.frames()
    for table in frames.values():
        # the column stays one of integers beside a defence without a quality
        table["quality"] = table["quality"].astype("Int64")
    return Findings({**frames, "story": tidy(stories, STORY)}, arrays)


def _compressed(
    request: StudyRequest, dataset: str, qualities: tuple[int, ...]
) -> tuple[Rows, dict[str, npt.NDArray[np.uint8]]]:
    """Return one image at each quality, with its file size and its distance from the original."""
    one = subjects.one_image(request, dataset)
    pixels = torch.from_numpy((one.x * 255).round().astype(np.uint8))
    head = {"split": request["split"], "id": int(one.ids[0]), "class": one.classes[one.y[0]]}
    pictures = {"0": pixels[0].numpy()}
    rows = []
    for quality in qualities:
        decoded = round_trip(pixels, quality)
        pictures[str(quality)] = decoded[0].numpy()
        size = sizes(from_bytes(pixels).numpy(), from_bytes(decoded).numpy())
        row = {**head, "quality": quality, "bytes": file_size(pictures["0"], quality)}
        row |= {"raw_bytes": pictures["0"].size, "psnr": size["psnr"][0], "linf": size["linf"][0]}
        rows.append(row)
    return rows, pictures


def file_size(image: npt.NDArray[np.uint8], quality: int) -> int:
    """Return the bytes of the JPEG file that Pillow writes of an image [C, H, W]."""
    pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, format="JPEG", quality=quality)
    return len(out.getvalue())


def _fates(
    request: StudyRequest, subject: Subject, images: Images, eps: float, qualities: tuple[int, ...]
) -> Iterator[Row]:
    """Yield one row per defence and image: right (1) or wrong (0), clean and under both threats."""
    attack = Spec.of("fgsm", eps=float(eps))
    bare = classifier_of(request, *subject, images)
    x_adv = subjects.attacked(bare, images, [attack])[attack]
    clean_bare, adv_bare = (predictions(bare, x) == images.y for x in (images.x, x_adv))
    for defence in (CONTROL, *(Spec.of("jpeg", quality=q) for q in qualities)):
        behind = classifier_of(request, *subject, images, defence)
        adaptive = subjects.attacked(behind, images, [attack])[attack]
        right = [predictions(behind, x) == images.y for x in (images.x, x_adv, adaptive)]
        head = {"defence": defence.name, "quality": defence.get("quality"), "eps": eps}
        fates = {"bare_clean": clean_bare, "bare": adv_bare, **dict(zip(FATES, right, strict=True))}
        numbers = {name: fate.astype(int) for name, fate in fates.items()}
        yield from per_image(images.ids, **head, **numbers)


def _shares(rows: pd.DataFrame) -> Iterator[Row]:
    """Yield one row per defence and threat, over the n images that are right clean and undefended.

    All are shares of n, with 95 % limits (Wilson's; for differences of pairs, Newcombe's):
    rescued: wrong under attack without a defence, right behind it under attack. The adaptive
        attack crafts another image, through the defence: its rescued images are those that the
        attack breaks on the bare network and that the adaptive attack does not break behind JPEG.
    lost: right under attack without a defence and wrong behind it.
    net: rescued minus lost, the gain in accuracy under attack.
    broken: wrong behind the defence without an attack.
    over_quantize: rescued minus the share that rounding to 8 bits rescues from the same attack.
    """
    right = rows[rows["bare_clean"] == 1]
    control = right[right["defence"] == CONTROL.name]
    quality = pd.to_numeric(right["quality"]).fillna(0)
    for level in quality.drop_duplicates():
        part = right[quality == level]
        n = len(part)
        bare = part["bare"].to_numpy(bool)
        for threat in ("oblivious", "adaptive"):
            behind = part[threat].to_numpy(bool)
            row = Row(part[["defence", "quality"]].iloc[0], threat=threat, n=n)
            row["attacked_wrong"] = int((~bare).sum())
            counted = {"rescued": ~bare & behind, "lost": bare & ~behind}
            counted["broken"] = ~part["clean"].to_numpy(bool)
            for name, which in counted.items():
                row |= limits(name, which.mean(), *wilson(int(which.sum()), n))
            rounding = ~control["bare"].to_numpy(bool) & control[threat].to_numpy(bool)
            row |= _gain("net", bare, behind)
            yield row | _gain("over_quantize", rounding, counted["rescued"])


def _gain(name: str, before: Bools, after: Bools) -> Row:
    """Return the share of `after` minus that of `before`, paired by image."""
    both, only_before = int((before & after).sum()), int((before & ~after).sum())
    only_after, neither = int((~before & after).sum()), int((~before & ~after).sum())
    gain = paired_difference(both, only_before, only_after, neither)
    return limits(name, *gain)

"""The gallery of a run: a few images clean, attacked and behind the defence, as PNG files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image

from benchmark.attacks.adapters.global_random import seeded
from benchmark.attacks.steps.craft import craft
from benchmark.execution.chunk import ClassifierCache
from benchmark.execution.plan import BARE, attacker_view
from benchmark.grids.cell import Cell
from benchmark.runs.gallery_choice import Candidates, Example, Finished, choose
from benchmark.runs.inputs import RunInputs
from estimators.appending import append_text
from estimators.data.images import Images
from estimators.interrupts import contained
from estimators.outputs import NO_CLASS, class_name, predicted_classes
from estimators.plugins import describe_error
from reports.results.predictions import read_predictions
from reports.style.labels import Labels, read_labels

FOLDER = "gallery"
FILE = "gallery.json"
# what a run writes there, and may leave there if it is killed
_OWN = re.compile(r"\d{3}-.*\.png|gallery\.json|\.art-bench-.*")

FloatArray = npt.NDArray[np.float32]
# of `gallery.json`, ready for JSON
Entry = dict[str, object]
# an image as pixels, and the network's logits for it
Picture = tuple[FloatArray, torch.Tensor | None]


def write_gallery(
    cells: Sequence[Cell],
    table: pd.DataFrame,
    inputs: RunInputs,
    directory: Path,
    folder: Path,
    device: str = "cpu",
) -> list[Entry]:
    """Craft a few images of a finished run again and write them into a new folder.

    `gallery_choice.choose` takes them from the run's predictions, so that only these are attacked.
    Writes PNG files of the images' own size and `gallery.json`; nothing where there is no image.

    cells, table: the cells of the run and their rows, in the same order. directory: of the run.
    Returns the entries of `gallery.json`; none where the run has no predictions.
    """
    entries: list[Entry] = []
    classifiers, labels = ClassifierCache(inputs.models(), device), read_labels(directory)
    for example in _choose_all(cells, table, inputs, directory):
        images = inputs.images[example.finished.cell.dataset]
        folder.mkdir(exist_ok=True)
        try:
            with contained():
                entry = _write_example(example, images, classifiers, folder, len(entries), labels)
        except OSError:
            raise  # a full disk, for one: a network's own is a NetworkError
        except Exception as error:
            # external code that worked on whole chunks may raise anything for one image
            line = f"gallery, image {example.image}: {describe_error(error)}\n"
            append_text(directory / "failures.log", line)
            continue
        entries.append(entry)
    if entries:
        text = json.dumps(entries, indent=1, ensure_ascii=False) + "\n"
        (folder / FILE).write_text(text, encoding="utf-8")
    return entries


def is_foreign(name: str) -> bool:
    """Whether a file of the folder `gallery` is not of a run."""
    return not _OWN.fullmatch(name)


def _choose_all(
    cells: Sequence[Cell], table: pd.DataFrame, inputs: RunInputs, directory: Path
) -> list[Example]:
    """Return the images to show, network by network."""
    predictions = read_predictions(directory)
    if predictions is None:
        return []
    rows = map(Finished, cells, table.to_dict("records"))
    finished = [f for f in rows if f.row["status"] == "ok"]
    examples: list[Example] = []
    for pair in inputs.networks:
        own = [f for f in finished if (f.cell.dataset, f.cell.network) == pair]
        examples += choose(Candidates(own, predictions), table)
    return examples


def _write_example(
    example: Example,
    images: Images,
    classifiers: ClassifierCache,
    folder: Path,
    number: int,
    labels: Labels,
) -> Entry:
    """Attack one image, write its pictures, and return its entry of `gallery.json`."""
    cell, row = example.finished
    image = images[np.flatnonzero(images.ids == example.image)[:1]].read()
    crafted = _craft(cell, image, classifiers)
    change = crafted - image.x
    largest = float(np.abs(change).max())
    scale = 0.5 / largest if largest > 0 else 0.0
    label = int(image.y[0])
    pictures = _pictures(cell, image, crafted, classifiers)
    pictures["noise"] = (0.5 + change * np.float32(scale), None)
    shown = []
    for role in ("clean", "noise", "attacked", "behind"):
        if role in pictures:
            pixels, logits = pictures[role]
            file = f"{number:03d}-{role}.png"
            _save_png(pixels[0], folder / file)
            prediction = {} if logits is None else _prediction(logits, label, images.classes)
            shown.append({"role": role, "file": file, **prediction})
    entry: Entry = {"dataset": cell.dataset, "network": str(cell.network), "story": example.story}
    entry |= {"attack": str(cell.attack.without("eps")), "eps": cell.eps, "norm": row["norm"]}
    entry |= {"threat": cell.threat, "defence": labels.behind(row), "id": example.image}
    entry["label"] = images.classes[label]
    sizes = {"l0": np.count_nonzero(change), "l1": np.abs(change).sum(dtype=np.float64)}
    sizes |= {"l2": np.linalg.norm(change), "linf": largest, "noise_scale": scale}
    entry |= {name: float(f"{size:.6g}") for name, size in sizes.items()}
    return entry | {"pictures": shown}


def _craft(cell: Cell, image: Images, classifiers: ClassifierCache) -> FloatArray:
    """Return the adversarial image [1, C, H, W] of a cell."""
    attacker = classifiers.attacker(cell.dataset, attacker_view(cell))
    attacker.bind(image.ids, cell.seed)
    with seeded([cell.seed, int(image.ids[0])]):
        crafted = next(craft([cell.attack], attacker, image.x, image.y, image.ids, cell.seed))[1]
    pixels: FloatArray = crafted.images.cpu().numpy()
    return pixels


def _pictures(
    cell: Cell, image: Images, crafted: FloatArray, classifiers: ClassifierCache
) -> dict[str, Picture]:
    """Return the image clean, attacked, and attacked behind the defence where there is one."""
    bare = classifiers.classifier(cell.dataset, cell.network, BARE)
    clean, attacked = (torch.from_numpy(x).to(bare.torch_device) for x in (image.x, crafted))
    pictures: dict[str, Picture] = {
        "clean": (image.x, bare.logits(clean)),
        "attacked": (crafted, bare.logits(attacked)),
    }
    if cell.defence != BARE:
        scorer = classifiers.classifier(cell.dataset, cell.network, cell.defence)
        scorer.bind(image.ids, cell.seed)
        seen = scorer.defended(attacked)
        pictures["behind"] = (seen.cpu().numpy(), scorer.logits(seen))
    return pictures


def _prediction(logits: torch.Tensor, label: int, classes: tuple[str, ...]) -> Entry:
    """Return the predicted class, whether it is right, and its softmax probability.

    Without the probability where the outputs are not all finite.
    """
    predicted = int(predicted_classes(logits)[0])
    prediction: Entry = {"predicted": class_name(classes, predicted), "right": predicted == label}
    if predicted == NO_CLASS:
        return prediction
    probability = torch.softmax(logits[0].double(), 0).max()
    return prediction | {"confidence": round(float(probability), 4)}


def _save_png(pixels: FloatArray, path: Path) -> None:
    """Write an image [C, H, W] in [0, 1] as a PNG of the same size."""
    levels = np.clip(np.round(pixels * 255), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).save(path, optimize=True)

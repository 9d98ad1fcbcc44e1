"""A handful of attacked images of a run: clean, noise, attacked, behind the defence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image

from benchmark.attacks.adapters.global_random import seeded
from benchmark.attacks.lookup import attack_entry
from benchmark.attacks.steps.craft import craft
from benchmark.execution.chunk import ClassifierCache
from benchmark.execution.plan import BARE, attacker_view
from benchmark.grids.cell import Cell
from benchmark.runs.inputs import RunInputs
from estimators.data.images import Images
from estimators.spec import Spec
from reports.results.operating_point import operating_points
from reports.results.predictions import Predictions, read_predictions
from reports.style.labels import Labels, read_labels

FOLDER = "gallery"
FILE = "gallery.json"

FloatArray = npt.NDArray[np.float32]
Row = dict[Any, Any]


class _Pick(NamedTuple):
    """One image to show. story: `rescued`, `lost` or `adaptive`. image: its official index."""

    cell: Cell
    row: Row
    story: str
    image: int


@dataclass(frozen=True)
class _Part:
    """One network and data set: its finished cells and what is needed to attack again."""

    cells: list[tuple[Cell, Row]]
    images: Images
    predictions: Predictions
    bench: ClassifierCache

    def find(self, attack: Spec, threat: str, defence: Spec) -> tuple[Cell, Row] | None:
        """The cell of an attack with its eps."""
        wanted = (attack, threat, defence)
        same = (p for p in self.cells if (p[0].attack, p[0].threat, p[0].defence) == wanted)
        return next(same, None)

    def right(self, row: Row) -> dict[int, tuple[bool, bool]]:
        """For each image id of a cell: right without attack, right under attack."""
        span = self.predictions.spans.get(row["cell"], slice(0))
        ids, label, clean, attacked = (
            self.predictions.arrays[name][span] for name in ("id", "label", "clean", "adversarial")
        )
        sides = zip(ids, clean == label, attacked == label, strict=True)
        return {int(i): (bool(c), bool(a)) for i, c, a in sides}


def write_gallery(
    cells: Sequence[Cell],
    table: pd.DataFrame,
    inputs: RunInputs,
    directory: Path,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """Craft a few images of a finished run again and keep them in `directory/gallery`.

    For each network and data set at most six: a one-step and an iterative attack at the eps of
    the run's summary, each with an image that the best JPEG rescues, one that it does not, and the
    first again, attacked through JPEG. The images are chosen from the run's predictions, so that
    no more than these are attacked: of those that fit the smallest official index, of the rescued
    ones first those that fall to the attacker who knows.

    cells and rows of `table` belong together; the inputs is theirs. Writes PNG files of the
    images' own size and `gallery.json`; what an earlier call left there is removed. Gives the
    entries of `gallery.json`; none where the run has no predictions.
    """
    folder = directory / FOLDER
    for old in folder.glob("[0-9][0-9][0-9]-*.png"):
        old.unlink()
    entries: list[dict[str, Any]] = []
    predictions, labels = read_predictions(directory), read_labels(directory)
    pairs = list(zip(cells, table.to_dict("records"), strict=True))
    bench = ClassifierCache(inputs.models(), device)
    for dataset, network in inputs.networks if predictions is not None else ():
        own = [p for p in pairs if (p[0].dataset, p[0].network) == (dataset, network)]
        done = [p for p in own if p[1]["status"] == "ok"]
        assert predictions is not None
        part = _Part(done, inputs.images[dataset], predictions, bench)
        for pick in _picks(part, table):
            entries.append(_entry(part, pick, folder, len(entries), labels))
    if entries:
        text = json.dumps(entries, indent=1, ensure_ascii=False) + "\n"
        (folder / FILE).write_text(text, encoding="utf-8")
    else:
        (folder / FILE).unlink(missing_ok=True)
    return entries


def _picks(part: _Part, table: pd.DataFrame) -> Iterator[_Pick]:
    """The images to show, attack by attack."""
    if not part.cells:
        return
    first = part.cells[0][1]
    same = (table["dataset"] == first["dataset"]) & (table["network"] == first["network"])
    points = operating_points(table[same]).to_dict("records")
    shown: set[int] = set()
    for attack in _attacks(part, points):
        found = part.find(attack, "oblivious", BARE)
        if found is None:
            continue
        best = _best_defence(part, attack)
        bare, saved = part.right(found[1]), {} if best is None else part.right(best[1])
        through = best and part.find(attack, "adaptive", best[0].defence)
        sides = part.right(through[1]) if through else {}
        beaten = {image for image, (_, right) in sides.items() if not right}
        for story in ("rescued", "lost"):
            fits = [
                i
                for i, (clean, attacked) in bare.items()
                if clean and not attacked and (story == "rescued") in _stands(saved, i)
            ]
            # another image than the last attack's, and one that both attackers tell apart
            fits.sort(key=lambda i: (i in shown, i not in beaten and story == "rescued", i))
            if not fits:
                continue
            shown.add(fits[0])
            yield _Pick(*(best or found), story, fits[0])
            if story == "rescued" and through:
                yield _Pick(*through, "adaptive", fits[0])


def _stands(saved: Mapping[int, tuple[bool, bool]], image: int) -> tuple[bool, ...]:
    """Whether an attacked image is right behind the defence; nothing where clean it is wrong.

    Without a defence every image counts as lost.
    """
    clean, attacked = saved.get(image, (not saved, False))
    return (attacked,) if clean else ()


def _attacks(part: _Part, points: list[Row]) -> list[Spec]:
    """A one-step and an iterative attack, each with the eps of the summary."""
    chosen: dict[bool, Spec] = {}
    # bounded attacks before those that search for the smallest norm: their eps is the reader's
    for point in sorted(points, key=lambda p: pd.isna(p["eps"])):
        for cell, row in part.cells:
            eps: float | None = None if pd.isna(point["eps"]) else point["eps"]
            if row["attack"] == point["attack"] and cell.eps == eps and cell.eps != 0:
                kind = attack_entry(cell.attack)
                if kind.uses_gradient and not cell.attack.get("targeted", False):
                    chosen.setdefault(kind.shares_gradient, cell.attack)
                break
    return [chosen[one] for one in (True, False) if one in chosen]


def _best_defence(part: _Part, attack: Spec) -> tuple[Cell, Row] | None:
    """The JPEG, else another defence, with the highest accuracy against the oblivious attacker."""
    rows = [
        (cell, row)
        for cell, row in part.cells
        if cell.attack == attack and cell.threat == "oblivious" and cell.defence.name != "none"
    ]
    jpeg = [p for p in rows if p[0].defence.name == "jpeg"]
    return max(jpeg or rows, key=lambda p: float(p[1]["accuracy"]), default=None)


def _entry(part: _Part, pick: _Pick, folder: Path, number: int, labels: Labels) -> dict[str, Any]:
    """Attack one image, write its pictures, and say what they show."""
    cell, images = pick.cell, part.images
    at = images[np.flatnonzero(images.ids == pick.image)[:1]]
    attacker = part.bench.attacker(cell.dataset, attacker_view(cell))
    bare = part.bench.classifier(cell.dataset, cell.network, BARE)
    scorer = part.bench.classifier(cell.dataset, cell.network, cell.defence)
    for classifier in (attacker, scorer):
        classifier.bind(at.ids, cell.seed)
    with seeded([cell.seed, pick.image]):
        _, result = next(craft([cell.attack], attacker, at.x, at.y, at.ids, cell.seed))
    crafted = result.images.cpu().numpy()
    change = crafted - at.x
    largest = float(np.abs(change).max())
    scale = 0.5 / largest if largest > 0 else 0.0
    clean, attacked = (torch.from_numpy(a).to(bare.torch_device) for a in (at.x, crafted))
    pictures: dict[str, tuple[FloatArray, torch.Tensor | None]] = {
        "clean": (at.x, bare.logits(clean)),
        "noise": (0.5 + change * np.float32(scale), None),
        "attacked": (crafted, bare.logits(attacked)),
    }
    if cell.defence != BARE:
        seen = scorer.defended(attacked)
        pictures["behind"] = (seen.cpu().numpy(), scorer.logits(seen))
    label = int(at.y[0])
    shown = []
    folder.mkdir(parents=True, exist_ok=True)
    for role, (pixels, logits) in pictures.items():
        file = f"{number:03d}-{role}.png"
        _save(pixels[0], folder / file)
        shown.append({"role": role, "file": file, **_predicted(logits, label, images.classes)})
    return {
        "dataset": cell.dataset,
        "network": str(cell.network),
        "story": pick.story,
        "attack": str(cell.attack.without("eps")),
        "eps": cell.eps,
        "norm": pick.row["norm"],
        "threat": cell.threat,
        "defence": labels.behind(pick.row),
        "id": pick.image,
        "label": images.classes[label],
        "l2": float(f"{np.linalg.norm(change):.6g}"),
        "linf": float(f"{largest:.6g}"),
        "noise_scale": float(f"{scale:.6g}"),
        "pictures": shown,
    }


def _predicted(logits: torch.Tensor | None, label: int, classes: tuple[str, ...]) -> dict[str, Any]:
    """The class that the network sees, and its softmax share; nothing for the noise."""
    if logits is None:
        return {}
    share, found = torch.softmax(logits[0].double(), 0).max(0)
    return {
        "predicted": classes[int(found)],
        "right": int(found) == label,
        "confidence": round(float(share), 4),
    }


def _save(pixels: FloatArray, path: Path) -> None:
    """An image [C, H, W] in [0, 1] as a PNG of the same size."""
    grey = np.clip(np.round(pixels * 255), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(grey[..., 0] if grey.shape[2] == 1 else grey).save(path, optimize=True)

"""Made-up runs for comparisons and gates: one cell for each choice of columns and right images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.results.columns import frame
from reports.results.read_write import write_results
from reports.statistics.intervals import wilson

Right = npt.NDArray[np.bool_]
Write = Callable[..., Path]
BASE: dict[str, Any] = {
    "schema": 1,
    "dataset": "digits",
    "network": "lenet",
    "attack": "fgsm",
    "norm": "inf",
    "eps": 0.1,
    "threat": "oblivious",
    "defence": "none",
    "attack_params": '{"eps": 0.1}',
    "samples": "100",
    "seed": 0,
    "status": "ok",
    "reason": "",
    "data_sha256": "d0",
    "weights_sha256": "w0",
}


def writer(folder: Path) -> Write:
    """Return a function that writes a made-up run below a folder.

    Each cell is a pair of columns and of the images that stay right; all are right without attack.
    `salt` changes the keys, as other weights would. `labels` go into a manifest.
    """

    def run(
        name: str,
        cells: Iterable[tuple[dict[str, Any], Right]],
        salt: str = "",
        predictions: bool = True,
        shuffle: int | None = None,
        ids: npt.NDArray[np.int64] | None = None,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        **manifest: Any,
    ) -> Path:
        rows, parts = [], []
        for columns, right in cells:
            n = len(right)
            row = {**BASE, "n": n, "correct": int(right.sum()), "clean_correct": n, **columns}
            row["clean_accuracy"] = row["clean_correct"] / n
            row["accuracy"] = row["correct"] / n
            row["accuracy_low"], row["accuracy_high"] = map(float, wilson(row["correct"], n))
            if row["status"] != "ok":
                row |= {"n": None, "correct": None, "clean_correct": None}
            row["cell"] = hashlib.sha256(repr((columns, salt)).encode()).hexdigest()[:16]
            rows.append(row)
            if row["status"] != "ok":
                continue
            label = np.arange(n) % 10
            where = np.arange(n) if ids is None else ids
            parts.append(
                pd.DataFrame(
                    {
                        "cell": row["cell"],
                        "id": where,
                        "label": label,
                        "clean": label,
                        "adversarial": np.where(right, label, (label + 1) % 10),
                    }
                )
            )
        table = frame(rows)
        images = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        if shuffle is not None:
            table = table.sample(frac=1, random_state=shuffle)
            images = images.sample(frac=1, random_state=shuffle)
        directory = folder / name
        directory.mkdir()
        if labels is not None or manifest:
            content = {"labels": labels or {}, **manifest}
            (directory / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
        write_results(table, directory / "results.csv")
        if predictions and parts:
            images["cell"] = images["cell"].astype("category")
            images.to_parquet(directory / "predictions.parquet", index=False)
        return directory

    return run


def grid(
    k: int, draw: Callable[[int], Right], **columns: Any
) -> list[tuple[dict[str, Any], Right]]:
    """k cells that differ in eps, from eps 0 on so that no clean row is added."""
    return [({"eps": i / 1000, **columns}, draw(i)) for i in range(k)]


def coins(seed: int, n: int, share: float) -> Callable[[int], Right]:
    rng = np.random.default_rng(seed)
    return lambda _: rng.random(n) < share


def first(n: int, hits: int) -> Right:
    return np.arange(n) < hits

"""MAITE's protocols in and out: our objects pass the package's own checks and its workflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.api.maite import MaiteDataset, export_maite
from estimators.data.handed.objects import from_object
from estimators.data.images import Images


def test_items_and_logits(digits: Images, shared_checkpoints: Any) -> None:
    dataset, model = export_maite("digits", "lenet")
    image, label, about = dataset[3]
    assert np.array_equal(image, digits.x[3])
    assert label.tolist() == [float(k == digits.y[3]) for k in range(10)]
    assert about == {"id": int(digits.ids[3])}
    assert dataset.metadata["index2label"] == dict(enumerate("0123456789"))
    logits = np.stack(model([dataset[at][0] for at in range(200)]))
    with torch.no_grad():
        expected = model.network(torch.from_numpy(digits.x[:200])).numpy()
    assert np.allclose(logits, expected, atol=1e-5)
    with pytest.raises(IndexError):
        dataset[500]
    assert sum(1 for _ in dataset) == 500


def test_what_goes_out_comes_in(digits: Images) -> None:
    back = from_object(MaiteDataset(digits[:40], "digits"), "d")
    assert np.array_equal(back.x, digits.x[:40])
    assert (back.y.tolist(), back.classes) == (digits.y[:40].tolist(), digits.classes)


@pytest.mark.slow
def test_the_package_takes_them(shared_checkpoints: Any) -> None:
    maite = pytest.importorskip("maite", reason="needs the extra maite")
    from maite import tasks
    from maite.protocols import generic

    dataset, model = export_maite("digits", "lenet")
    assert isinstance(dataset, generic.Dataset)
    assert isinstance(model, generic.Model)

    class Accuracy:
        metadata = {"id": "accuracy"}

        def __init__(self) -> None:
            self.right: list[bool] = []

        def reset(self) -> None:
            self.right.clear()

        def update(self, predictions: Any, targets: Any, metadata: Any, /) -> None:
            for out, target in zip(predictions, targets, strict=True):
                self.right.append(int(np.argmax(out)) == int(np.argmax(target)))

        def compute(self) -> Mapping[str, Any]:
            return {"accuracy": float(np.mean(self.right))}

    results, _, _ = tasks.evaluate(model=model, dataset=dataset, metric=Accuracy(), batch_size=50)
    assert results["accuracy"] > 0.97
    assert maite.__version__

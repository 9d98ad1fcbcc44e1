"""Studies on photos that stay on disk, one of them broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.runs import images as run_images
from benchmark.studies.cache import run_study, study_key
from benchmark.studies.lookup import load_compute, study_entry
from benchmark.studies.measures.subjects import classifier_of, predictions
from benchmark.studies.prepared import prepared
from benchmark.studies.request import Findings, StudyRequest, make_request
from estimators.data import streamed
from estimators.data.geometry import Geometry
from estimators.errors import InputError
from estimators.spec import Spec
from tests.helpers.photos import write_photos

NETS = """
    import torch
    from torch import nn

    def linear():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3)).eval()
"""
SMALL = {
    "data": {"images": 5},
    "first-error": {"samples": 20, "image": 1},
    "noise": {"samples": 20, "source": "cat", "target": "dog"},
    "targeted": {"per_class": 2},
}


@pytest.fixture
def photos(tmp_path: Path, module: Callable[[str, str], Path]) -> Path:
    """Thirty photos of noise in three classes; the first of each is cut off."""
    module("photo_nets", NETS)
    random = np.random.default_rng(0)
    for name in ("cat", "dog", "fox"):
        for split in ("train", "test"):
            folder = tmp_path / "p" / split / name
            folder.mkdir(parents=True)
            for n in range(10):
                pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{n}.png")
            broken = folder / "0.png"
            broken.write_bytes(broken.read_bytes()[:300])
    return tmp_path / "p"


def asked(photos: Path, name: str) -> StudyRequest:
    return make_request(
        study_entry(name),
        dataset=f"imagefolder:{photos}",
        network=Spec("photo_nets:linear"),
        params=SMALL[name],
        quick=True,
    )


@pytest.mark.parametrize("name", SMALL)
def test_studies_leave_broken_photos_out(
    photos: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    take = streamed.Source.take
    monkeypatch.setattr(
        streamed.Source, "take", lambda s, rows: (sizes.append(len(rows)), take(s, rows))[1]
    )
    findings: Findings = load_compute(study_entry(name))(asked(photos, name))
    assert findings.tables
    for table in findings.tables.values():
        if "id" in table and len(table):
            assert not set(table["id"]) & {0, 10, 20}
    assert 0 < max(sizes) <= 20


def test_the_key_of_a_study_needs_no_pixels(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed.Source, "take", lambda *_: pytest.fail("read"))
    request = asked(photos, "noise")
    key = study_key(study_entry("noise"), request)
    (photos / "test" / "cat" / "0.png").unlink()
    assert study_key(study_entry("noise"), request) != key


ORDERED = """
    import torch
    from torch import nn

    class Brightness(nn.Module):
        # the class whose grey level is nearest: fox 60, cat 20, dog 40, and one without a folder
        labels = ["Fox", "cat", "Dog", "owl"]

        def __init__(self):
            super().__init__()
            self.register_buffer("levels", torch.tensor([60.0, 20.0, 40.0, 80.0]))

        def forward(self, x):
            return -((x.mean((1, 2, 3)) * 255)[:, None] - self.levels - 1).square() / 50
"""


def test_classes_come_from_the_network(tmp_path: Path, module) -> None:
    module("ordered", ORDERED)
    root = write_photos(tmp_path / "p", ("cat", "dog", "fox"))
    lines: list[str] = []
    request = make_request(
        study_entry("first-error"),
        dataset=f"imagefolder:{root}",
        network=Spec("ordered:Brightness"),
        params={"samples": 9, "split": "test", "image": 1},
        quick=True,
        message=lines.append,
    )
    ready = prepared(request)
    (dataset,) = ready.datasets
    images = ready.images(dataset)
    assert images.classes == ("Fox", "cat", "Dog", "owl")
    assert [line for line in lines if "from the labels of ordered:Brightness: 4 classes" in line]
    classifier = classifier_of(ready, dataset, Spec("ordered:Brightness"), images)
    assert (predictions(classifier, images.read().x) == images.y).all()
    # prepared twice is prepared once
    assert prepared(ready).images(dataset).classes == images.classes
    done = run_study("first-error", request, tmp_path / "out", figures=False)
    table = pd.read_csv(done.folder / "images.csv")
    assert set(table["label"] if "label" in table else table["class"]) == {"Fox", "cat", "Dog"}
    assert (table["smallest_eps"] != 0).all()  # every image is right without an attack


def test_sizes_come_from_the_network(tmp_path: Path, module, monkeypatch) -> None:
    """Photos of two sizes, which no study could stack."""
    module("ordered", ORDERED)
    root = write_photos(tmp_path / "p", ("cat", "dog", "fox"))
    write_photos(root, {"cat": 1}, (30, 24))
    monkeypatch.setattr(run_images, "declared_geometry", lambda spec: Geometry(16, 12))
    request = make_request(
        study_entry("data"),
        dataset=f"imagefolder:{root}",
        network=Spec("ordered:Brightness"),
        quick=True,
    )
    (subject,) = set(prepared(request).subjects)
    assert subject[0] == f"imagefolder:{root}[resize=16,crop=12]"
    assert prepared(request).images(subject[0]).shape == (3, 12, 12)


def test_other_subjects_stay_as_they_are() -> None:
    request = make_request(study_entry("noise"), dataset="digits", network=Spec("lenet"))
    assert prepared(request) is request


def test_unknown_outputs_are_refused_before_the_study(tmp_path: Path, module) -> None:
    module("ordered", ORDERED.replace('labels = ["Fox", "cat", "Dog", "owl"]', "pass"))
    root = write_photos(tmp_path / "p", ("cat", "dog", "fox"))
    request = make_request(
        study_entry("first-error"), f"imagefolder:{root}", Spec("ordered:Brightness"), quick=True
    )
    with pytest.raises(InputError, match=r"4 outputs, the folder has 3 classes.*classes\.txt"):
        run_study("first-error", request, tmp_path / "out")

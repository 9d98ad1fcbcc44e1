"""Studies on photos that stay on disk, one of them broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.studies.cache import study_key
from benchmark.studies.lookup import load_compute, study_entry
from benchmark.studies.request import Findings, StudyRequest, make_request
from estimators.data import streamed
from estimators.spec import Spec

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

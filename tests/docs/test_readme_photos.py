"""README's command for a folder of photos and a checkpoint, run as it is written."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision import models

README = Path(__file__).parents[2] / "README.md"
CLASSES = 1000


def command() -> list[str]:
    """The arguments behind `bench` of the command that names PHOTOS."""
    (found,) = re.findall(
        r"^bench (run --dataset 'imagefolder:.*?)\n```", README.read_text(), re.M | re.S
    )
    return shlex.split(found.replace("\\\n", " "))


def made_photos(folder: Path) -> Path:
    """Photos of several sizes of 25 of 1,000 classes, whose order a file gives."""
    random = np.random.default_rng(0)
    for label in range(0, CLASSES, 40):
        (folder / "test" / f"class{label:03d}").mkdir(parents=True)
        pixels = random.integers(0, 256, (260 + label // 10, 300, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "test" / f"class{label:03d}" / "photo.jpg")
    names = "\n".join(f"class{label:03d}" for label in range(CLASSES))
    (folder / "classes.txt").write_text(names + "\n")
    return folder


@pytest.mark.slow
def test_photos_and_a_checkpoint(bench, tmp_path: Path) -> None:
    real = Path(os.environ.get("BENCH_DATA_DIR", "nowhere")) / "photos"
    photos = real if real.is_dir() else made_photos(tmp_path / "photos")
    torch.manual_seed(0)
    network = models.resnet18(weights=None)
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, "CHECKPOINT.pth")
    arguments = [word.replace("PHOTOS", str(photos)) for word in command()]
    code, out = bench(*arguments, "--out", "run")
    assert code == 0, out
    table = pd.read_csv("run/results.csv")
    assert set(table["status"]) == {"ok"}
    assert set(table["n"]) == {20}
    assert "classes" in out
    assert (Path("run") / "report.html").is_file()

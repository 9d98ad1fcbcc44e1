"""docs/networks.md: its commands and its code, as they stand there, but for what is downloaded."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (bench .+)$", TEXT, flags=re.MULTILINE)
# these fetch weights, or the images of CIFAR-10
DOWNLOADS = ("timm:resnet18.a1_in1k", "--network torchvision:resnet18 ", "robustbench:", "cifar10")
NAMES = ("ape", "cat", "dog")
FEW = ("--samples", "6", "--threads", "1", "--threat", "oblivious", "--defence", "none")
NEEDED = {"hf:": ("transformers", "datasets"), "timm:": ("timm",), "mlflow": ("mlflow",),
          "wandb": ("wandb",)}  # fmt: skip


def levels(at: int) -> np.ndarray[Any, Any]:
    return np.random.RandomState(at).randint(0, 256, (40, 36, 3), dtype=np.uint8)


@pytest.fixture
def world(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page's commands name: a network, photos, a saved data set, own modules."""
    module(
        "mydata",
        """
        from torchvision.datasets import FakeData

        photos = FakeData(size=12, image_size=(3, 24, 24), num_classes=3)
        """,
    )
    module(
        "mynets",
        """
        from torch import nn

        def build(shape, classes):
            return nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, classes))
        """,
    )
    for at in range(9):
        folder = tmp_path / "photos" / NAMES[at % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels(at)).save(folder / f"{at}.png")
    for name, folder in (("WANDB_DIR", "w"), ("WANDB_DATA_DIR", "wd"), ("WANDB_CACHE_DIR", "wc")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def hugging_face() -> None:
    """Write `my-vit` and `beans`."""
    import datasets
    import transformers

    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(NAMES)),
        label2id={name: at for at, name in enumerate(NAMES)},
    )
    transformers.ViTForImageClassification(config).save_pretrained("my-vit")
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained("my-vit")
    features = datasets.Features(
        {"image": datasets.Image(), "labels": datasets.ClassLabel(names=list(NAMES))}
    )
    rows = {
        "image": [Image.fromarray(levels(at)) for at in range(9)],
        "labels": [at % 3 for at in range(9)],
    }
    table = datasets.Dataset.from_dict(rows, features=features)
    datasets.disable_progress_bars()
    datasets.DatasetDict({"train": table, "validation": table}).save_to_disk("beans")


def test_the_page_has_commands_of_every_family() -> None:
    for text in ("hf:", "timm:", "torchvision:", "robustbench:", "mydata:", "--log", "export"):
        assert any(text in command for command in COMMANDS), text


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if not any(d in c for d in DOWNLOADS) and " export " not in c]
)
def test_its_commands_run(command: str, bench: Any, world: None) -> None:
    for text, packages in NEEDED.items():
        if text in command:
            for package in packages:
                pytest.importorskip(package, reason="needs the extra ecosystem")
    if "hf:" in command:
        hugging_face()
    words = shlex.split(command)[1:]
    narrow = () if "--attack" in words else ("--attack", "fgsm:eps=0.1")
    code, out = bench(*words, *FEW, *narrow, "--out", "run")
    assert code == 0, out
    assert "logged: " in out or "--log" not in command
    assert Path("run/report.html").is_file()


@pytest.mark.slow
def test_its_exports_and_its_code(bench: Any, tmp_path: Path, shared_checkpoints: Path) -> None:
    grid = ("run", "--grid", "quick", "--network", "lenet", "--dataset", "digits")
    code, out = bench(*grid, "--attack", "autoattack:eps=0.1", *FEW, "--out", "RUN")
    assert code == 0, out
    for command in (c for c in COMMANDS if " export " in c):
        code, out = bench(*shlex.split(command)[1:])
        assert code == 0, out
    assert Path("model_info.json").is_file() and Path("robustness.md").is_file()
    (code_block,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code_block, names)
    assert names["logits"][0].shape == (10,)

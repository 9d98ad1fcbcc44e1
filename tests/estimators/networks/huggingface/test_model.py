"""Classifiers of transformers, with the real package: our logits are those of its processor."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from benchmark.runs.images import output_order
from estimators.data.images import Images
from estimators.data.photo import sized
from estimators.errors import InputError
from estimators.networks.checks.wrapping import check_wrapped
from estimators.networks.external import declared_geometry
from estimators.networks.given import guarded_network, in_order
from estimators.networks.huggingface.processor import processing
from estimators.networks.own_labels import own_labels
from estimators.spec import Spec, parse_spec

NAMES = {0: "cat", 1: "dog", 2: "ape"}
# of the logits' spread: a processor rounds to grey levels after its resize, the layers do not
ROUNDING = 0.1
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def package() -> Any:
    found = pytest.importorskip("transformers", reason="needs the extra huggingface")
    found.utils.logging.disable_progress_bar()
    return found


def vit(package: Any, **more: Any) -> Any:
    config = package.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        **more,
    )
    return package.ViTForImageClassification(config)


def resnet(package: Any, **more: Any) -> Any:
    config = package.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], **more)
    return package.ResNetForImageClassification(config)


def convnext(package: Any, **more: Any) -> Any:
    config = package.ConvNextConfig(num_stages=2, hidden_sizes=[8, 16], depths=[1, 1], **more)
    return package.ConvNextForImageClassification(config)


MAKERS = {"vit": vit, "resnet": resnet, "convnext": convnext}


@pytest.fixture
def saved(package: Any, tmp_path: Path):
    """Save a network with random weights and its processor; give the folder."""

    def save(maker: str, processor: Any, **config: Any) -> Path:
        torch.manual_seed(3)
        names = {"id2label": NAMES, "label2id": {v: k for k, v in NAMES.items()}, **config}
        model = MAKERS[maker](package, **names).eval()
        # batch norms as after a training, and a head that tells images apart
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.1)
                part.running_var.uniform_(0.5, 1.5)
        model.save_pretrained(tmp_path / maker)
        processor.save_pretrained(tmp_path / maker)
        return tmp_path / maker

    return save


def photo(height: int, width: int) -> Image.Image:
    """An image with edges and fine structure, in colour."""
    rows, columns = np.mgrid[:height, :width]
    waves = np.stack([np.sin(rows / a + columns / b) for a, b in ((3, 5), (2, 9), (11, 1.7))], -1)
    noise = np.random.RandomState(height).uniform(-1, 1, waves.shape)
    return Image.fromarray((127.5 + 90 * waves + 35 * noise).astype(np.uint8))


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image).transpose(2, 0, 1)[None].astype(np.float32) / 255)


def theirs(package: Any, folder: Path, image: Image.Image) -> torch.Tensor:
    processor = package.AutoImageProcessor.from_pretrained(folder)
    model = package.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits: torch.Tensor = model(**processor(images=image, return_tensors="pt")).logits
    return logits


def ours(folder: Path, image: Image.Image) -> torch.Tensor:
    shape = (3, image.height, image.width)
    with torch.no_grad():
        out: torch.Tensor = guarded_network(Spec(f"hf:{folder}"), shape, 3).network(
            as_tensor(image)
        )
    return out


def processors(package: Any) -> dict[str, tuple[str, Any]]:
    vit, convnext = package.ViTImageProcessor, package.ConvNextImageProcessor
    clip, efficient = package.CLIPImageProcessor, package.EfficientNetImageProcessor
    half = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.9, 0.8, 0.7]}
    return {
        "vit": ("vit", vit(size={"height": 32, "width": 32})),
        "vit, own normalisation": ("vit", vit(size={"height": 32, "width": 32}, **half)),
        "vit, not normalised": ("vit", vit(size={"height": 32, "width": 32}, do_normalize=False)),
        "vit, not rescaled": (
            "vit",
            vit(size={"height": 32, "width": 32}, do_rescale=False, do_normalize=False),
        ),
        "vit, other rescale": (
            "vit",
            vit(size={"height": 32, "width": 32}, rescale_factor=1 / 127.5),
        ),
        "vit, shorter side and crop": (
            "vit",
            clip(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}),
        ),
        "vit, twice normalised": (
            "vit",
            efficient(size={"height": 32, "width": 32}, rescale_offset=True, include_top=True),
        ),
        "vit, nearest": ("vit", vit(size={"height": 32, "width": 32}, resample=0)),
        "convnext, crop_pct": ("convnext", convnext(size={"shortest_edge": 64}, crop_pct=0.9)),
        "convnext, large": ("convnext", convnext(size={"shortest_edge": 384})),
        "resnet": ("resnet", convnext(size={"shortest_edge": 48}, **half)),
        "resnet, wide": ("resnet", vit(size={"height": 40, "width": 60})),
        "resnet, no resize": (
            "resnet",
            clip(do_resize=False, crop_size={"height": 30, "width": 30}),
        ),
        "resnet, blue first": (
            "resnet",
            package.MobileViTImageProcessor(
                size={"shortest_edge": 50}, crop_size={"height": 44, "width": 44}
            ),
        ),
    }


@pytest.mark.parametrize("size", [(57, 41), (90, 131)], ids=str)
def test_logits_are_those_of_processor_and_model(package: Any, saved, size: Any) -> None:
    for case, (maker, processor) in processors(package).items():
        folder = saved(maker, processor)
        image = photo(*size)
        wanted, got = theirs(package, folder, image), ours(folder, image)
        others = theirs(package, folder, ImageOps.invert(image))
        apart = float((wanted - others).abs().max())
        off = float((wanted - got).abs().max())
        assert off <= ROUNDING * apart, (case, off, apart)


def test_of_an_image_of_its_size_the_logits_are_equal(package: Any, saved) -> None:
    """Nothing is resized then, so nothing is rounded."""
    folder = saved("vit", package.ViTImageProcessor(size={"height": 32, "width": 32}))
    image = photo(32, 32)
    assert torch.allclose(ours(folder, image), theirs(package, folder, image), atol=1e-6)


def test_photos_are_brought_to_the_size_before_the_run(package: Any, saved) -> None:
    """What `imagefolder:` does with the declared size gives the processor's images."""
    for maker, processor in (
        ("vit", package.ViTImageProcessor(size={"height": 32, "width": 32})),
        ("convnext", package.ConvNextImageProcessor(size={"shortest_edge": 64})),
    ):
        folder, image = saved(maker, processor), photo(120, 88)
        geometry = declared_geometry(Spec(f"hf:{folder}"))
        assert geometry is not None
        ready = sized(image, geometry)
        wanted = theirs(package, folder, image)
        assert (ours(folder, ready) - wanted).abs().max() <= 0.02 * wanted.std()


def test_the_checks_of_external_networks_run(package: Any, saved) -> None:
    folder = saved("vit", package.ViTImageProcessor(size={"height": 32, "width": 32}))
    spec = parse_spec(f"hf:{folder}:low_pass=0.5")
    trained = guarded_network(spec, (1, 20, 20), 3)
    x = np.random.RandomState(0).randint(0, 256, (20, 1, 20, 20), dtype=np.uint8)
    images = Images(x, np.arange(20) % 3, np.arange(20), ("a", "b", "c"))
    told = check_wrapped(trained.network, images, str(spec))
    assert all("trained" in text for text in told.values())
    assert "resized to 32 x 32 pixels (bilinear)" in trained.metadata["recipe"]


def test_class_names_decide_the_order_of_the_outputs(package: Any, saved) -> None:
    folder = saved("vit", package.ViTImageProcessor(size={"height": 32, "width": 32}))
    spec = Spec(f"hf:{folder}")
    trained = guarded_network(spec, (3, 32, 32), 3)
    assert own_labels(spec, trained.network) == ("cat", "dog", "ape")
    x, y = np.zeros((3, 3, 32, 32), np.uint8), np.arange(3)
    images = Images(x, y, y, ("Ape", "cat", "dog"))
    order = output_order(images, trained.network, spec)
    assert order == (2, 0, 1)
    before = trained.network(torch.full((1, 3, 32, 32), 0.3))
    after = in_order(trained, order)
    assert torch.equal(after.network(torch.full((1, 3, 32, 32), 0.3)), before[:, [2, 0, 1]])
    assert after.sha256 != trained.sha256
    unnamed = saved(
        "resnet",
        package.ConvNextImageProcessor(size={"shortest_edge": 32}),
        id2label={0: "LABEL_0", 1: "LABEL_1"},
        label2id={},
    )
    network = guarded_network(Spec(f"hf:{unnamed}"), (3, 32, 32), 2).network
    assert own_labels(Spec(f"hf:{unnamed}"), network) == ()


def refused(name: str) -> str:
    with pytest.raises(InputError) as error:
        guarded_network(Spec(name), (3, 32, 32), 3)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_refused(package: Any, saved, tmp_path: Path) -> None:
    good = package.ViTImageProcessor(size={"height": 32, "width": 32})
    folder = saved("vit", good)
    (folder / "preprocessor_config.json").rename(folder / "kept")
    assert "has no preprocessor_config.json; write one with" in refused(f"hf:{folder}")
    (folder / "kept").rename(folder / "preprocessor_config.json")

    config = json.loads((folder / "config.json").read_text())
    own = {**config, "auto_map": {"AutoModelForImageClassification": "evil.Model"}}
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (folder / "config.json").write_text(json.dumps({**own, "model_type": "evil"}))
    assert "cannot be read" in refused(f"hf:{folder}")
    (folder / "config.json").write_text(json.dumps(own))
    guarded_network(Spec(f"hf:{folder}"), (3, 32, 32), 3)
    assert not (tmp_path / "ran").exists()
    several = {**config, "problem_type": "multi_label_classification"}
    (folder / "config.json").write_text(json.dumps(several))
    assert "one class per image" in refused(f"hf:{folder}")
    (folder / "config.json").write_text(json.dumps(config))

    torch.save(vit(package, id2label=NAMES).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "cannot be read" in refused(f"hf:{folder}")

    backbone = package.ViTModel(vit(package).config)
    backbone.save_pretrained(tmp_path / "backbone")
    good.save_pretrained(tmp_path / "backbone")
    told = refused(f"hf:{tmp_path}/backbone")
    assert "its checkpoint has no weights for classifier.bias, classifier.weight" in told


def test_a_processor_that_layers_do_not_repeat_is_refused(package: Any, saved) -> None:
    padded = package.ViTImageProcessor(
        size={"height": 32, "width": 32}, do_pad=True, pad_size={"height": 40, "width": 40}
    )
    assert "changes plain images (does it pad them?)" in refused(f"hf:{saved('resnet', padded)}")
    framed = package.CLIPImageProcessor(
        size={"shortest_edge": 40}, crop_size={"height": 48, "width": 48}
    )
    assert "changes plain images" in refused(f"hf:{saved('resnet', framed)}")

    class Inverting(package.ViTImageProcessor):  # type: ignore[misc]
        """Colours the other way round."""

        def rescale_and_normalize(self, images: Any, *args: Any) -> Any:
            return 1 - super().rescale_and_normalize(images, *args)

    class Shifting(package.ViTImageProcessor):  # type: ignore[misc]
        """Images that are moved by one pixel after the resize."""

        def resize(self, *args: Any, **kwargs: Any) -> Any:
            return super().resize(*args, **kwargs).roll(1, -1)

    with pytest.raises(InputError, match="x: its processor is not linear"):
        processing(Inverting(size={"height": 32, "width": 32}), 3, "x")
    with pytest.raises(InputError, match=r"Shifting.* resizes in a way that no layers"):
        processing(Shifting(size={"height": 32, "width": 32}), 3, "x")


def test_a_name_on_the_hub_without_a_network_is_one_quick_line(
    package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    told = refused("hf:nobody/nothing-of-this-name")
    assert "not in the cache of Hugging Face, and the Hub cannot be reached" in told
    assert "hf download OWNER/NAME --local-dir FOLDER" in told

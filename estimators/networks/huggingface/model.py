"""`hf:FOLDER` and `hf:OWNER/NAME`: an image classifier of transformers behind its processor."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from estimators.data.geometry import Geometry
from estimators.errors import InputError, unknown
from estimators.networks.external import ExternalNetwork
from estimators.networks.huggingface.names import HOW_TO_SAVE, check_name, offline
from estimators.networks.huggingface.processor import processing
from estimators.networks.input_layers import Channels, GreyToColour
from estimators.plugins import describe_error
from estimators.spec import Spec

COLOURS = 3


class Logits(nn.Module):
    """A classifier of transformers that returns its logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of normalised images [N, C, H, W]."""
        logits: torch.Tensor = self.model(pixel_values=x).logits
        return logits


def huggingface(
    name: str, spec: Spec, shape: tuple[int, int, int], classes: int, pretrained: bool
) -> ExternalNetwork:
    """Load an image classifier of transformers; it takes images in [0, 1] of any size.

    Its processor's resize, crop and normalisation become layers. Images that have the network's
    size already are not resized. No code of the folder is run, and only safetensors are read.

    Raises InputError for a folder or name without such a network, for one whose last layer has no
    weights, and for a processor that layers do not repeat.
    """
    check_name(name)
    if spec.params:
        raise unknown(f"parameter of the network {spec.name}", spec.params[0][0], ["(none)"])
    where = f"network {spec.name}"
    model = _model(name, where) if pretrained else _untrained(name, classes, where)
    channels = int(getattr(model.config, "num_channels", COLOURS))
    if shape[0] not in (1, channels):
        raise InputError(f"{where}: takes images with {channels} channel, got {shape[0]}")
    found = processing(_processor(name, where), channels, where, shape[1:])
    network: nn.Module = Logits(model)
    if found.order != tuple(range(channels)):
        network = nn.Sequential(Channels(found.order), network)
    if shape[0] < channels:
        network = nn.Sequential(GreyToColour(), network)
    origin = f"{spec.name}, {'its own weights' if pretrained else 'untrained'}"
    sizing = None if shape[1:] == found.size else found.sizing
    if sizing is not None:
        origin += f", images {sizing.text()} as its processor does"
    return ExternalNetwork(
        network.float().cpu().eval(),
        origin,
        type(model).__name__,
        found.mean,
        found.std,
        found.geometry,
        sizing,
    )


def geometry_of(name: str) -> Geometry | None:
    """Return how photos become images of a classifier's size; only its processor is read."""
    check_name(name)
    where = f"network hf:{name}"
    return processing(_processor(name, where), COLOURS, where).geometry


def _model(name: str, where: str) -> Any:
    with _quiet() as package:
        auto = package.AutoModelForImageClassification
        options = {"use_safetensors": True, "output_loading_info": True, "dtype": torch.float32}
        model, info = _pretrained(auto, name, where, **options)
    # transformers gives random values to what a checkpoint lacks, and goes on
    missing = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise InputError(
            f"{where}: its checkpoint has no weights for {shown}; it is not a trained classifier:"
            " fine-tune it first"
        )
    return model


def _untrained(name: str, classes: int, where: str) -> Any:
    with _quiet() as package:
        config = _pretrained(package.AutoConfig, name, where)
        config.num_labels = classes
        return package.AutoModelForImageClassification.from_config(
            config, trust_remote_code=False, dtype=torch.float32
        )


def _processor(name: str, where: str) -> Any:
    with _quiet() as package:
        return _pretrained(package.AutoImageProcessor, name, where)


def _pretrained(auto: Any, name: str, where: str, **options: Any) -> Any:
    """Return what an Auto class reads: from a folder or the cache, else by a download."""
    folder = Path(name).is_dir()
    options |= {"trust_remote_code": False}
    try:
        return auto.from_pretrained(
            str(Path(name)) if folder else name, local_files_only=True, **options
        )
    except Exception as error:
        # transformers, the Hub's client and safetensors each raise their own
        if folder:
            text = f"cannot be read ({describe_error(error)})"
            raise InputError(f"{where}: {text}; {HOW_TO_SAVE}") from error
        if offline(name):
            text = "not in the cache of Hugging Face, and the Hub cannot be reached"
            raise InputError(f"{where}: {text}; {HOW_TO_SAVE}") from error
    try:
        return auto.from_pretrained(name, **options)
    except Exception as error:
        text = (
            f"not in the cache of Hugging Face, and the download failed ({describe_error(error)})"
        )
        raise InputError(f"{where}: {text}; {HOW_TO_SAVE}") from error


@contextmanager
def _quiet() -> Iterator[Any]:
    """Yield transformers, without its progress bars and warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package: Any = importlib.import_module("transformers")
        logging = package.utils.logging
        before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield package
        finally:
            logging.set_verbosity(before)
            if bars:
                logging.enable_progress_bar()

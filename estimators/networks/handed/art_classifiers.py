"""Classifiers of ART: the network inside, with their clip values and their standardisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from art.estimators.classification import PyTorchClassifier
from art.preprocessing.standardisation_mean_std.numpy import StandardisationMeanStd
from art.preprocessing.standardisation_mean_std.pytorch import StandardisationMeanStdPyTorch
from torch import nn

from estimators.errors import InputError
from estimators.networks.handed.network import HandedNetwork

STANDARDISATIONS = (StandardisationMeanStd, StandardisationMeanStdPyTorch)
# a pair (low, high): the range of the pixels that a network takes
Span = tuple[float, float]


class ChannelsLast(nn.Module):
    """Give images to a network that takes [N, H, W, C]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs for images [N, C, H, W]."""
        out: torch.Tensor = self.network(x.permute(0, 2, 3, 1))
        return out


def from_classifier(classifier: Any, name: str) -> tuple[HandedNetwork, Span]:
    """Return the network of a PyTorchClassifier for pixels in [0, 1], and its clip values.

    Clip values (low, high) and the standardisation (mean, std) become one first layer: of pixels x
    in [0, 1] the network sees (x (high - low) + low - mean) / std.

    name: for messages. Raises InputError for another classifier than PyTorchClassifier, for
    defences in it, and for values that are neither numbers nor one per channel.
    """
    where = f"network {name}"
    kind = type(classifier).__name__
    if type(classifier) is not PyTorchClassifier:
        raise InputError(
            f"{where}: ART's {kind} is not supported; hand over its torch.nn.Module, or a"
            " PyTorchClassifier of it"
        )
    low, high = clip_span(classifier.clip_values, where)
    mean, std = _standardisation(classifier, where)
    width = high - low
    # of images in [0, 1] and no standardisation nothing remains
    means, stds = (_values(v) for v in ((np.asarray(mean) - low) / width, np.asarray(std) / width))
    mean, std = (means, stds) if (means, stds) != (0.0, 1.0) else (None, None)
    module = classifier.model
    if not classifier.channels_first:
        module = ChannelsLast(module)
    origin = f"handed over in ART's {kind}, {type(classifier.model).__name__}"
    return HandedNetwork(module, mean, std, origin), (low, high)


def clip_span(clip_values: Any, where: str) -> Span:
    """Return clip values as two numbers; (0, 1) where there are none."""
    if clip_values is None:
        return 0.0, 1.0
    low, high = (np.unique(np.asarray(value, dtype=np.float64)) for value in clip_values)
    if not (len(low) == len(high) == 1 and np.isfinite([low[0], high[0]]).all()):
        raise InputError(f"{where}: expected clip_values to be two finite numbers")
    return float(low[0]), float(high[0])


def _standardisation(classifier: Any, where: str) -> tuple[Any, Any]:
    """Return mean and std of a classifier, each a number or one per channel."""
    others = [
        *(classifier.preprocessing_defences or ()),
        *(classifier.postprocessing_defences or ()),
    ]
    own = classifier.preprocessing
    if own is not None and not isinstance(own, STANDARDISATIONS):
        others.append(own)
    if others:
        named = ", ".join(type(defence).__name__ for defence in others)
        raise InputError(
            f"{where}: its classifier contains {named}; build it without, and name the defence in"
            " defences="
        )
    if own is None:
        return 0.0, 1.0
    mean, std = (np.asarray(value, dtype=np.float64).squeeze() for value in (own.mean, own.std))
    for values in (mean, std):
        if values.ndim > 1:
            expected = "expected its preprocessing to be a number, or one per channel"
            raise InputError(f"{where}: {expected}, got values of shape {list(values.shape)}")
    return mean, std


def _values(values: Any) -> Any:
    """Return numbers as a spec has them: one number, or a tuple of them."""
    array = np.asarray(values, dtype=np.float64)
    return float(array) if array.ndim == 0 else tuple(map(float, array))

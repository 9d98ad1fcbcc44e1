"""Models of MAITE's protocol as networks. They are known by their form; the package is not needed.

A model of MAITE is called with a sequence of images [C, H, W] and returns a sequence of outputs
[classes]; its `metadata` has an `id`, and may have `index2label`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from estimators.errors import NetworkError


def is_model(thing: object) -> bool:
    """Return whether an object has the form of a MAITE model; an ordinary nn.Module has not."""
    metadata = getattr(thing, "metadata", None)
    if isinstance(thing, type) or not isinstance(metadata, Mapping) or "id" not in metadata:
        return False
    if isinstance(thing, nn.Module) and type(thing).__call__ is nn.Module.__call__:
        return False
    return callable(thing)


class MaiteNetwork(nn.Module):
    """A MAITE model as a network of images [N, C, H, W].

    parts: the modules of torch that are attributes of the model, so that their weights are hashed
        and moved. labels: its class names, in the order of its outputs.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        module = isinstance(model, nn.Module)
        attributes = [model] if module else list(getattr(model, "__dict__", {}).values())
        self.parts = nn.ModuleList(part for part in attributes if isinstance(part, nn.Module))
        self.labels = [str(label) for _, label in sorted(_labels(model).items())]
        # behind a list, since a model that is a module itself is no part of this one
        self.holder = [model]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs [N, classes] of images [N, C, H, W] in [0, 1]."""
        try:
            outputs = self.holder[0](list(x))
        except RuntimeError as error:
            if "requires grad" in str(error) and "numpy" in str(error):
                raise NetworkError(
                    self._name(),
                    "its __call__ leaves torch (numpy), so that no gradient reaches the image; name"
                    " the torch module inside it, as package.module:factory",
                ) from error
            raise
        rows = [torch.as_tensor(row, device=x.device) for row in outputs]
        return torch.stack([row if row.is_floating_point() else row.float() for row in rows])

    def _name(self) -> str:
        return str(self.holder[0].metadata["id"])


def _labels(model: Any) -> dict[int, str]:
    named = model.metadata.get("index2label")
    if not isinstance(named, Mapping) or sorted(named) != list(range(len(named))):
        return {}
    return dict(named)

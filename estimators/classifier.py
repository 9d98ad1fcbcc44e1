"""A network behind a defence: as a classifier of ART, and directly on tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from art.defences.preprocessor.preprocessor import Preprocessor
from art.estimators.classification import PyTorchClassifier
from torch import nn
from torch.nn import functional

from estimators.data.images import FloatArray
from estimators.defences.backward import DefenceWithBackward, plain_forward
from estimators.defences.backward import channels_last as channels_last
from estimators.networks.copying import copied
from estimators.networks.folding import COMPARED, Pair, foldable, folded
from estimators.networks.guarded import guarded, placed

# Images per pass of networks that are small enough: such batches stay in the processor's cache.
# The partition is part of the result (a convolution may round differently in another batch), so it
# follows from network and image size, and is no option.
BATCH = 125


class Plain(nn.Module):
    """A network as one opaque module: ART unrolls an nn.Sequential and bypasses its `forward`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of images [N, C, H, W]."""
        # several of ART's defences return float64
        logits: torch.Tensor = self.network(x.to(torch.float32))
        return logits


@dataclass(frozen=True)
class Frozen:
    """A network that is ready to be attacked.

    network: a copy in evaluation mode, its weights without gradients; channels last, unless the
        network does not work with that.
    scorer: the same for predictions only, with batch norms folded where that is proved right.
    """

    network: nn.Module
    scorer: nn.Module

    @classmethod
    def of(
        cls,
        network: nn.Module,
        shape: tuple[int, int, int],
        device: str = "cpu",
        folds: tuple[Pair, ...] | None = None,
    ) -> Frozen:
        """Return a frozen copy of a network on a device.

        shape: of an image, [C, H, W].
        folds: the batch norms to fold, as `foldable` returned them. None calls it on random
            images, which no other thread may run a network beside.
        """
        network = guarded(copied(network).eval().requires_grad_(False), shape)
        if folds is None:
            folds = foldable(network, torch.rand(COMPARED, *shape, generator=torch.Generator()))
        network = placed(network, device)
        return cls(network, folded(network, folds))


class Classifier(PyTorchClassifier):  # type: ignore[misc]
    """ART's PyTorchClassifier for images in [0, 1], with frozen weights.

    Weights need no gradient here, so every backward pass computes only that of the input;
    convolutions run in channels-last order. Both hold for ART's own attacks too.

    `gradients` and `forwards` count images that passed backward and forward since the last
    `reset_counts`: the cost of an attack.
    """

    def __init__(
        self,
        network: nn.Module | Frozen,
        shape: tuple[int, int, int],
        classes: int,
        defence: Preprocessor | None = None,
        device: str = "cpu",
        draws: int = 1,
        batch: int = BATCH,
    ) -> None:
        """Wrap a network.

        network: copied and frozen; a Frozen is used as it is.
        draws: every gradient is the mean over so many passes of a random defence (expectation over
            transformation, Athalye et al. 2018); each counts as one.
        batch: images per pass at most.
        """
        frozen = network if isinstance(network, Frozen) else Frozen.of(network, shape, device)
        super().__init__(
            model=Plain(frozen.network),
            loss=nn.CrossEntropyLoss(),
            input_shape=shape,
            nb_classes=classes,
            clip_values=(0.0, 1.0),
            preprocessing_defences=None if defence is None else [defence],
            device_type="cpu" if device == "cpu" else "gpu",
        )
        self.network = frozen.network
        self.defence = defence
        self.draws = draws
        self.batch = batch
        self.torch_device = torch.device(device)
        self.scorer = frozen.scorer
        self.reset_counts()

    def reset_counts(self) -> None:
        """Start new counts of gradients and forwards."""
        self.gradients = self.forwards = 0

    def defended(self, x: torch.Tensor) -> torch.Tensor:
        """Return images [N, C, H, W] behind the defence, as the network gets them."""
        return plain_forward(self.defence, x)

    @property
    def random(self) -> bool:
        """Return whether the defence draws: then `bind` must come before any image."""
        return isinstance(self.defence, DefenceWithBackward) and self.defence.random

    def bind(self, ids: npt.NDArray[np.int64], seed: int) -> None:
        """Tell a random defence which images come next (see `DefenceWithBackward.bind`)."""
        if isinstance(self.defence, DefenceWithBackward):
            self.defence.bind(ids, seed)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of images that are behind the defence already."""
        with torch.inference_mode():
            parts = [self.scorer(channels_last(part)) for part in torch.split(x, self.batch)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def passes(self, x: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield one differentiable forward pass per draw: the leaf [N, C, H, W] and the logits.

        Without a `DefenceWithBackward` the leaf is behind the defence: the gradient is taken for
        that before it, BPDA with the identity (Athalye et al. 2018).
        """
        for _ in range(self.draws):
            self.gradients += len(x)
            if isinstance(self.defence, DefenceWithBackward):
                leaf, seen = self.defence.enter(x)
            else:
                leaf = seen = channels_last(self.defended(x)).detach().requires_grad_(True)
            yield leaf, self.network(seen)

    def mean_gradient(
        self, x: torch.Tensor, objective: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Return the gradient [N, C, H, W] at x of a function of the logits, mean over draws."""
        parts = [torch.autograd.grad(objective(logits), leaf)[0] for leaf, logits in self.passes(x)]
        mean = parts[0] if len(parts) == 1 else torch.stack(parts).mean(0)
        return mean.contiguous()

    def input_gradient(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the attacker's gradient [N, C, H, W] of the summed cross entropy."""
        return self.mean_gradient(x, lambda out: functional.cross_entropy(out, y, reduction="sum"))

    def loss_gradient(self, x: FloatArray, *args: object, **kwargs: object) -> FloatArray:
        """Return ART's loss gradient, counted; mean over the draws."""
        return self._mean(super().loss_gradient, x, *args, **kwargs)

    def class_gradient(self, x: FloatArray, *args: object, **kwargs: object) -> FloatArray:
        """Return ART's class gradient, counted; mean over the draws."""
        return self._mean(super().class_gradient, x, *args, **kwargs)

    def predict(
        self, x: FloatArray, batch_size: int = BATCH, training_mode: bool = False, **kwargs: object
    ) -> FloatArray:
        """Return ART's predictions (logits [N, classes]), counted; float32 for any input."""
        self.forwards += len(x)
        x = self._clipped(np.asarray(x, dtype=np.float32))
        logits: FloatArray = super().predict(
            x, batch_size=min(batch_size, self.batch), training_mode=training_mode
        )
        return logits

    def _clipped(self, x: FloatArray) -> FloatArray:
        """Clip images to [0, 1] for a defence.

        Some attacks of ART (ElasticNet, NewtonFool, UniversalPerturbation) evaluate points outside,
        which are no images; their gradient is taken at the nearest image.
        """
        return x if self.defence is None else np.clip(x, 0, 1)

    def _mean(
        self, gradient: Callable[..., FloatArray], x: FloatArray, *args: object, **kwargs: object
    ) -> FloatArray:
        self.gradients += len(x) * self.draws
        parts = [gradient(self._clipped(x), *args, **kwargs) for _ in range(self.draws)]
        mean: FloatArray = np.mean(parts, axis=0, dtype=np.float32)
        return parts[0] if len(parts) == 1 else mean

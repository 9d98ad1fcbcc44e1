"""A network behind a defence: as a classifier of ART, and directly on tensors."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from art.defences.preprocessor.preprocessor import Preprocessor
from art.estimators.classification import PyTorchClassifier
from torch import nn
from torch.nn import functional

from estimators.autograd import BackwardMode
from estimators.data.images import FloatArray
from estimators.defences.backward import DefenceWithBackward, plain_forward
from estimators.defences.backward import channels_last as channels_last
from estimators.networks.running.frozen import Frozen, laid_out
from estimators.networks.running.image_gradients import image_gradients
from estimators.networks.running.kept import Kept
from estimators.outputs import MarginLoss, finite_rows

# Images per pass of networks that are small enough: such batches stay in the processor's cache.
# The partition is part of the result (a convolution may round differently in another batch), so it
# follows from network and image size, and is no option.
BATCH = 125


class Plain(nn.Module):
    """A network as one opaque module: ART unrolls an nn.Sequential and bypasses its `forward`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.backward_mode = BackwardMode()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of images [N, C, H, W]."""
        # several of ART's defences return float64
        logits: torch.Tensor = self.network(x.to(torch.float32))
        return self.backward_mode.applied(logits)


class Classifier(PyTorchClassifier):  # type: ignore[misc]
    """ART's PyTorchClassifier for images in [0, 1], with frozen weights.

    Weights need no gradient here, so every backward pass computes only that of the input;
    convolutions run in channels-last order. Both hold for ART's own attacks too.

    `gradients` and `forwards` count images that passed backward and forward since the last
    `reset_counts`: the cost of an attack.

    `kept`: gradients at clean images that attacks share, under keys that begin with `kept_as`, the
    name of this classifier; None where nothing is shared.
    """

    kept: Kept | None = None
    kept_as: Hashable = None

    def __init__(
        self,
        network: nn.Module | Frozen,
        shape: tuple[int, int, int],
        classes: int,
        defence: Preprocessor | None = None,
        device: str = "cpu",
        draws: int = 1,
        batch: int = BATCH,
        squashed: bool = False,
    ) -> None:
        """Wrap a network.

        network: copied and frozen; a Frozen is used as it is.
        draws: every gradient is the mean over so many passes of a random defence (expectation over
            transformation, Athalye et al. 2018); each counts as one.
        batch: images per pass at most.
        squashed: its outputs are probabilities or otherwise squashed: attacks on cross entropy are
            repeated by `margin_loss`.
        """
        frozen = network if isinstance(network, Frozen) else Frozen.of(network, shape, device)
        plain = Plain(frozen.network)
        super().__init__(
            model=plain,
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
        self.squashed = squashed
        self.backward_mode = plain.backward_mode
        self.torch_device = torch.device(device)
        self.scorer = frozen.scorer
        self.reset_counts()

    def reset_counts(self) -> None:
        """Start new counts of gradients, of forwards and of gradients with NaN."""
        self.gradients = self.forwards = self.backward_mode.broken = 0

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
            parts = [
                self.scorer(laid_out(self.scorer, part)) for part in torch.split(x, self.batch)
            ]
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
                seen = laid_out(self.network, self.defended(x))
                leaf = seen = seen.detach().requires_grad_(True)
            with image_gradients(seen):
                logits = self.network(seen)
            yield leaf, self.backward_mode.applied(logits)

    def mean_gradient(
        self, x: torch.Tensor, objective: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Return the gradient [N, C, H, W] at x of a function of the logits, mean over draws.

        It is finite; see `finite`.
        """

        def again(points: torch.Tensor) -> torch.Tensor:
            return self.raw_gradient(points, objective)

        return self.finite(again(x), x, again, steps_anyway=True)

    def raw_gradient(
        self, x: torch.Tensor, objective: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Return `mean_gradient` as torch computes it, with NaN where it has some."""
        parts = [torch.autograd.grad(objective(logits), leaf)[0] for leaf, logits in self.passes(x)]
        mean = parts[0] if len(parts) == 1 else torch.stack(parts).mean(0)
        return mean.contiguous()

    def input_gradient(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the attacker's gradient [N, C, H, W] of the summed cross entropy, NaN included."""
        return self.raw_gradient(x, lambda out: functional.cross_entropy(out, y, reduction="sum"))

    def finite(
        self,
        gradient: torch.Tensor,
        x: torch.Tensor,
        again: Callable[[torch.Tensor], torch.Tensor],
        needed: torch.Tensor | None = None,
        steps_anyway: bool = False,
    ) -> torch.Tensor:
        """Return a gradient [N, ..., C, H, W] at images x without NaN or infinite values.

        Of an image with NaN or infinite outputs it is zero: that one is broken and stays. needed:
        which other images [N] need one. again, steps_anyway: see `BackwardMode.repaired`.
        """

        def standing(broken: torch.Tensor) -> torch.Tensor:
            broken = broken if needed is None else broken & needed
            if not bool(broken.any()):
                return broken
            self.forwards += len(x)
            return broken & finite_rows(self.logits(self.defended(x)))

        return self.backward_mode.repaired(gradient, x, again, standing, steps_anyway)

    @contextmanager
    def margin_loss(self) -> Iterator[None]:
        """Let attacks follow the logit margin in the place of cross entropy, until the block ends.

        Gradients pass a last sigmoid, tanh or softmax unchanged (`BackwardMode.past_squashing`).
        """
        loss = self.loss
        self._loss, self.backward_mode.past_squashing = MarginLoss(), True
        try:
            yield
        finally:
            self._loss, self.backward_mode.past_squashing = loss, False

    def loss_gradient(self, x: FloatArray, *args: object, **kwargs: object) -> FloatArray:
        """Return ART's loss gradient, counted; mean over the draws."""
        return self.mean_of_art(super().loss_gradient, x, *args, **kwargs)

    def class_gradient(self, x: FloatArray, *args: object, **kwargs: object) -> FloatArray:
        """Return ART's class gradient, counted; mean over the draws."""
        return self.mean_of_art(super().class_gradient, x, *args, **kwargs)

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

    def mean_of_art(
        self, gradient: Callable[..., FloatArray], x: FloatArray, *args: object, **kwargs: object
    ) -> FloatArray:
        """Return the mean of a gradient of ART over the draws, finite; arrays or tensors."""

        def mean(points: FloatArray) -> FloatArray:
            self.gradients += len(x) * self.draws
            parts = [gradient(self._clipped(points), *args, **kwargs) for _ in range(self.draws)]
            if len(parts) == 1:
                return parts[0]
            averaged: FloatArray = np.mean(parts, axis=0, dtype=np.float32)
            return averaged

        def again(points: torch.Tensor) -> torch.Tensor:
            same: Any = points if tensors else points.cpu().numpy()
            return torch.as_tensor(mean(same), device=self.torch_device)

        raw, tensors = mean(x), isinstance(x, torch.Tensor)
        if bool((torch if tensors else np).isfinite(raw).all()):
            return raw
        found, images = (torch.as_tensor(a, device=self.torch_device) for a in (raw, x))
        fixed: Any = self.finite(found, images.float(), again, None, found.shape == images.shape)
        result: FloatArray = fixed if tensors else fixed.cpu().numpy()
        return result

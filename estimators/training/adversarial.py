"""Adversarial training: what a batch becomes before the network learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from estimators.errors import InputError, number, whole
from estimators.jpeg_codec.codec import round_trip
from estimators.spec import Spec
from estimators.training_spec import TRAININGS


@dataclass(frozen=True)
class PgdTraining:
    """Replace every image by what PGD makes of it (Madry et al. 2018, equation 2.1).

    The inner maximisation starts at a uniformly random point of the Linf ball, on the network in
    evaluation mode. Dropout is off while the network learns: this training underfits already.

    eps: radius of the ball, in pixels of [0, 1].
    max_iter: number of steps.
    eps_step: length of a step; None for 2.5 eps / max_iter.
    warmup: share of the training over which eps grows linearly from 0. Without it a small network
        may end at one class for all images (their Figure 4).
    """

    name: ClassVar[str] = "pgd"
    dropout: ClassVar[bool] = False

    eps: float
    max_iter: int
    eps_step: float | None
    warmup: float

    def __post_init__(self) -> None:
        number("training pgd: eps", self.eps, 0, 1)
        whole("training pgd: max_iter", self.max_iter, 1, 10_000)
        if self.eps_step is not None:
            number("training pgd: eps_step", self.eps_step, 0, 1)
        number("training pgd: warmup", self.warmup, 0, 1)

    def batch(
        self, network: nn.Module, x: Tensor, y: Tensor, progress: float, random: Generator
    ) -> Tensor:
        """Return the images [N, C, H, W] to learn from; progress: share of steps done."""
        share = min(1.0, progress / self.warmup) if self.warmup else 1.0
        eps = self.eps * share
        step = 2.5 * self.eps / self.max_iter if self.eps_step is None else self.eps_step
        noise = torch.rand(x.shape, generator=random).to(x.device)
        start = (x + (2 * noise - 1) * eps).clamp_(0.0, 1.0)
        return descend(network, x, y, start, eps, min(step * share, eps), self.max_iter)


@dataclass(frozen=True)
class JpegTraining:
    """Let the network learn from compressed images too (vaccination, Das et al. 2017).

    Each image of a batch is left as it is or compressed at one of the qualities, all equally
    likely. The paper trains one network per quality, this is one network for all.

    qualities: JPEG qualities joined by `+`, as `90+70+50`; a single one may be a number.
    """

    name: ClassVar[str] = "jpeg"
    dropout: ClassVar[bool] = True

    qualities: str | int

    def __post_init__(self) -> None:
        object.__setattr__(self, "qualities", str(self.qualities))
        for text in str(self.qualities).split("+"):
            if not text.isdigit() or not 1 <= int(text) <= 100:
                raise InputError(
                    f"training jpeg: qualities must be integers from 1 to 100 joined by +,"
                    f" got {self.qualities!r}"
                )

    def batch(
        self, network: nn.Module, x: Tensor, y: Tensor, progress: float, random: Generator
    ) -> Tensor:
        """Return the images [N, C, H, W] to learn from."""
        qualities = [int(text) for text in str(self.qualities).split("+")]
        drawn = torch.randint(0, len(qualities) + 1, (len(x),), generator=random).to(x.device)
        images = (x * 255).round().to(torch.uint8).contiguous()
        seen = x.clone()
        for n, quality in enumerate(qualities, start=1):
            chosen = drawn == n
            if chosen.any():
                seen[chosen] = round_trip(images[chosen], quality).to(x.dtype) / 255
        return seen


Training = PgdTraining | JpegTraining


def build_training(spec: Spec) -> Training:
    """Return the training of a spec such as `pgd[eps=0.1]`; InputError for bad parameters."""
    entry = TRAININGS[spec.name]
    training: Training = entry.load()(**{**entry.defaults, **spec.kwargs})
    return training


def descend(
    network: nn.Module, x: Tensor, y: Tensor, start: Tensor, eps: float, step: float, max_iter: int
) -> Tensor:
    """Run PGD from `start`, in the Linf ball around x and in [0, 1]; return the last point.

    The network is in evaluation mode meanwhile and its weights take no gradient; both are restored
    afterwards.
    """
    # of each module: dropout may be off where the rest is in training mode
    modes = [module.training for module in network.modules()]
    trainable = [parameter.requires_grad for parameter in network.parameters()]
    network.eval().requires_grad_(False)
    low, high = (x - eps).clamp_(min=0.0), (x + eps).clamp_(max=1.0)
    x_adv = start
    for _ in range(max_iter):
        x_adv = x_adv.detach().requires_grad_(True)
        loss = functional.cross_entropy(network(x_adv), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x_adv)
        x_adv = x_adv.detach() + step * gradient.sign_()
        x_adv = torch.minimum(torch.maximum(x_adv, low), high)
    for module, mode in zip(network.modules(), modes, strict=True):
        module.training = mode
    for parameter, trains in zip(network.parameters(), trainable, strict=True):
        parameter.requires_grad_(trains)
    return x_adv.detach()

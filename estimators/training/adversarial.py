"""Defences in training: what a batch becomes before the network learns from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional

from estimators.defences.jpeg import round_trip
from estimators.errors import InputError, unknown
from estimators.spec import Spec

KEY = "adversarial"


@dataclass(frozen=True)
class PgdTraining:
    """Every image is replaced by what PGD makes of it (Madry et al. 2018, equation 2.1).

    The inner maximisation runs in the Linf ball from a uniformly random point of it, on the network
    in evaluation mode. Dropout is off while the network learns: this training underfits as it is.

    eps: radius of the ball, in pixels of [0, 1]. max_iter: steps. eps_step: length of a step; None
    for 2.5 eps / max_iter. warmup: share of the training over which eps grows from 0, in a straight
    line, since a small network may otherwise end at one class for all images (their Figure 4).
    """

    name: ClassVar[str] = "pgd"
    dropout: ClassVar[bool] = False

    eps: float = 0.3
    max_iter: int = 7
    eps_step: float | None = None
    warmup: float = 0.3

    def __post_init__(self) -> None:
        _number("pgd", "eps", self.eps, 0.0, 1.0)
        if self.eps_step is not None:
            _number("pgd", "eps_step", self.eps_step, 0.0, 1.0)
        _number("pgd", "warmup", self.warmup, 0.0, 1.0)
        steps = self.max_iter
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise InputError(f"training pgd: max_iter must be an integer from 1 up, found {steps}")

    @property
    def as_dict(self) -> dict[str, Any]:
        """Method and parameters, for keys and metadata."""
        return {"method": self.name, **asdict(self)}

    def batch(
        self,
        network: nn.Module,
        x: torch.Tensor,
        y: torch.Tensor,
        progress: float,
        random: torch.Generator,
    ) -> torch.Tensor:
        """The images [N, C, H, W] that the network learns from; progress: share of all steps."""
        share = min(1.0, progress / self.warmup) if self.warmup else 1.0
        eps = self.eps * share
        step = 2.5 * self.eps / self.max_iter if self.eps_step is None else self.eps_step
        noise = torch.rand(x.shape, generator=random).to(x.device)
        start = (x + (2 * noise - 1) * eps).clamp_(0.0, 1.0)
        return descend(network, x, y, start, eps, min(step * share, eps), self.max_iter)


@dataclass(frozen=True)
class JpegTraining:
    """Vaccination (Das et al. 2017): the network learns from compressed images too.

    Each image of a batch is left as it is or compressed at one of the qualities, all equally
    likely; they were networks of their own in the paper, here it is one.

    qualities: JPEG qualities joined by `+`, as `90+70+50`; one alone may be a number.
    """

    name: ClassVar[str] = "jpeg"
    dropout: ClassVar[bool] = True

    qualities: str | int = "90+80+70+60+50+40+30+20"

    def __post_init__(self) -> None:
        for text in str(self.qualities).split("+"):
            if not text.isdigit() or not 1 <= int(text) <= 100:
                raise InputError(
                    f"training jpeg: qualities must be integers from 1 to 100 joined by +,"
                    f" found {self.qualities!r}"
                )

    @property
    def as_dict(self) -> dict[str, Any]:
        """Method and parameters, for keys and metadata."""
        return {"method": self.name, "qualities": str(self.qualities)}

    def batch(
        self,
        network: nn.Module,
        x: torch.Tensor,
        y: torch.Tensor,
        progress: float,
        random: torch.Generator,
    ) -> torch.Tensor:
        """The images [N, C, H, W] that the network learns from."""
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
TRAININGS: dict[str, Callable[..., Training]] = {"pgd": PgdTraining, "jpeg": JpegTraining}


def descend(
    network: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    start: torch.Tensor,
    eps: float,
    step: float,
    max_iter: int,
) -> torch.Tensor:
    """PGD in the Linf ball around x and in [0, 1], from `start` on; the last point is the result.

    The network is put into evaluation mode, its weights take no gradient here, and both are put
    back as they were.
    """
    # of each module: dropout may be off where the rest is in training mode
    modes = [module.training for module in network.modules()]
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    network.eval().requires_grad_(False)
    low, high = (x - eps).clamp_(min=0.0), (x + eps).clamp_(max=1.0)
    at = start
    for _ in range(max_iter):
        at = at.detach().requires_grad_(True)
        loss = functional.cross_entropy(network(at), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, at)
        at = torch.minimum(torch.maximum(at.detach() + step * gradient.sign_(), low), high)
    for module, mode in zip(network.modules(), modes, strict=True):
        module.training = mode
    for parameter, was in zip(network.parameters(), wanted, strict=True):
        parameter.requires_grad_(was)
    return at.detach()


def split_training(spec: Spec) -> tuple[Spec, Training | None]:
    """A network's spec as architecture and training: `lenet[adversarial=pgd,eps=0.1]` is lenet
    trained by PGD of that eps.

    Without the parameter `adversarial` the spec is all architecture; with it, those parameters
    that the method has are the method's.
    """
    method = spec.get(KEY)
    if method is None:
        return spec, None
    if not isinstance(method, str) or method not in TRAININGS:
        raise unknown("adversarial training", str(method), TRAININGS)
    factory = TRAININGS[method]
    own = set(inspect.signature(factory).parameters)
    params: dict[str, Any] = {k: v for k, v in spec.params if k in own}
    return spec.without(KEY, *own), factory(**params)


def with_training(network: Spec, training: Spec) -> Spec:
    """The spec of a network trained by a method: lenet and `pgd[eps=0.1]` give
    `lenet[adversarial=pgd,eps=0.1]`.

    Raises InputError for an unknown method or parameter.
    """
    if training.name not in TRAININGS:
        raise unknown("adversarial training", training.name, TRAININGS)
    allowed = inspect.signature(TRAININGS[training.name]).parameters
    for name in training.kwargs:
        if name not in allowed:
            raise unknown(f"parameter of the training {training.name}", name, allowed)
    return Spec.of(network.name, {**network.kwargs, KEY: training.name, **training.kwargs})


def shortest(spec: Spec) -> Spec:
    """The spec without training parameters that have their default: one name for one training."""
    _, training = split_training(spec)
    if training is None:
        return spec
    defaults = inspect.signature(TRAININGS[training.name]).parameters
    return spec.without(*(k for k, v in spec.params if k in defaults and v == defaults[k].default))


def _number(method: str, name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InputError(
            f"training {method}: {name} must be a number from {low} to {high}, found {value}"
        )

"""A defence as an attacker passes through it: forward as it is, backward as far as it is known."""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from art.defences.preprocessor.preprocessor import Preprocessor

from estimators.defences.jpeg import JpegCompression
from estimators.defences.randomised import Randomised, is_random
from estimators.jpeg_codec.smooth import smooth_jpeg

Backward = Literal["identity", "smooth"]


@runtime_checkable
class Smooth(Protocol):
    """A defence that offers a differentiable stand-in for itself."""

    def smooth(self, x: torch.Tensor) -> torch.Tensor:
        """Images [N, C, H, W] in [0, 1] to images, with a gradient; near the defence itself."""
        ...


class DefenceWithBackward(Preprocessor):  # type: ignore[misc]
    """A defence whose backward pass is the attacker's choice, and whose chance is accounted for.

    Forward it is the defence, bit for bit. Backward it is the identity (BPDA, Athalye et al.
    2018), or, with `smooth`, the defence's stand-in: `smooth` where it has one, the codec of
    `jpeg_smooth` for JPEG, `draw` itself for a randomised defence; else the identity still.

    A randomised defence needs `bind`: which images come. For scoring every pass is then draw 0;
    with `fresh`, which is for attackers, each pass takes the next draw, from 1 on: nobody knows
    the chance that will be drawn.
    """

    def __init__(
        self, defence: Preprocessor, backward: Backward = "identity", fresh: bool = False
    ) -> None:
        super().__init__(is_fitted=True, apply_fit=defence.apply_fit, apply_predict=True)
        self.defence = defence
        self.backward = backward
        self.fresh = fresh
        self.n = 0
        self._ids: npt.NDArray[np.int64] | None = None
        self._seed = 0

    @property
    def random(self) -> bool:
        """Whether the defence draws."""
        return is_random(self.defence)

    def bind(self, ids: npt.NDArray[np.int64], seed: int) -> None:
        """Say which images of the data set come next; draws start at 0.

        ids: [N]; then images must come N at a time, or any number at a time where N is 1.
        """
        self._ids, self._seed, self.n = ids, seed, 0

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """The defended images [N, C, H, W], without gradient."""
        self.n += self.fresh
        with torch.no_grad():
            return self._drawn(x) if self.random else plain_forward(self.defence, x)

    def enter(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A leaf to differentiate by, and the images that the network gets for it.

        The second tensor's value is `forward_tensor(x)` to the last bit.
        """
        exact = self.forward_tensor(x)
        if self.backward == "smooth":
            leaf = x.detach().clone().requires_grad_(True)
            surrogate = self._surrogate(leaf)
            if surrogate is not None and surrogate.requires_grad:
                return leaf, _channels_last(exact + (surrogate - surrogate.detach()))
        leaf = _channels_last(exact).detach().requires_grad_(True)
        return leaf, leaf

    def __call__(self, x: npt.NDArray[Any], y: Any = None) -> tuple[npt.NDArray[np.float32], Any]:
        """The defended images as an array, and `y` as it came."""
        array = np.require(x, dtype=np.float32, requirements=["C", "W"])
        return self.forward_tensor(torch.from_numpy(array)).numpy(), y

    def estimate_gradient(
        self, x: npt.NDArray[Any], grad: npt.NDArray[Any]
    ) -> npt.NDArray[np.float32]:
        """The vector-Jacobian product of the stand-in at x [N, C, H, W]; ART's way back."""
        if self.backward == "identity":
            return np.asarray(grad, dtype=np.float32)
        leaf = torch.from_numpy(np.array(x, dtype=np.float32)).requires_grad_(True)
        out = self._surrogate(leaf)
        if out is None or not out.requires_grad:
            return np.asarray(grad, dtype=np.float32)
        # ART hands all class gradients over at once: [N, classes, C, H, W]
        rows = torch.from_numpy(np.asarray(grad, np.float32)).reshape(len(x), -1, *x.shape[1:])
        parts = [
            torch.autograd.grad(out, leaf, row, retain_graph=True)[0] for row in rows.unbind(1)
        ]
        found: npt.NDArray[np.float32] = torch.stack(parts, 1).reshape(grad.shape).numpy()
        return found

    def _surrogate(self, x: torch.Tensor) -> torch.Tensor | None:
        if self.random:
            return self._drawn(x)
        return surrogate(self.defence, x)

    def _drawn(self, x: torch.Tensor) -> torch.Tensor:
        if self._ids is None:
            raise ValueError("a randomised defence must be bound to its images first")
        ids = np.repeat(self._ids, len(x)) if len(self._ids) == 1 else self._ids
        if len(ids) != len(x):
            raise ValueError(f"bound to {len(ids)} images, found {len(x)}")
        defence: Randomised = self.defence
        return defence.draw(x, ids, self._seed, self.n)


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def surrogate(defence: Preprocessor | None, x: torch.Tensor) -> torch.Tensor | None:
    """A defence's differentiable stand-in at x; None where the identity is all there is."""
    if isinstance(defence, JpegCompression):
        return smooth_jpeg(x, defence.quality)
    return defence.smooth(x) if isinstance(defence, Smooth) else None


def has_surrogate(defence: Preprocessor | None) -> bool:
    """Whether an attacker can differentiate this defence better than by the identity."""
    return is_random(defence) or isinstance(defence, (JpegCompression, Smooth))


def plain_forward(defence: Preprocessor | None, x: torch.Tensor) -> torch.Tensor:
    """Images behind a defence, without leaving the device where the defence can do that."""
    if defence is None:
        return x
    if hasattr(defence, "forward_tensor"):
        out: torch.Tensor = defence.forward_tensor(x)
        return out
    array, _ = defence(x.cpu().numpy())
    return torch.from_numpy(np.asarray(array, dtype=np.float32)).to(x.device)

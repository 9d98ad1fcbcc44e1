"""What a defence on tensors needs to be a preprocessor of ART."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from art.defences.preprocessor.preprocessor import Preprocessor


class TensorDefence(Preprocessor):  # type: ignore[misc]  # ART is not typed
    """A preprocessor that is written for tensors; backward it is the identity (BPDA)."""

    def __init__(self) -> None:
        super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)

    @abc.abstractmethod
    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Images float32 [N, C, H, W] in [0, 1] behind the defence, the same in shape and range."""

    def __call__(self, x: npt.NDArray[Any], y: Any = None) -> tuple[npt.NDArray[np.float32], Any]:
        """`forward_tensor` of an array, and `y` as it came."""
        return self.forward_tensor(_tensor(x)).numpy(), y


class DifferentiableDefence(TensorDefence):
    """A defence that torch can differentiate, or that has a stand-in of which that is true."""

    @abc.abstractmethod
    def smooth(self, x: torch.Tensor) -> torch.Tensor:
        """Images to images with a gradient: the defence itself, or what stands in for it."""

    def estimate_gradient(
        self, x: npt.NDArray[Any], grad: npt.NDArray[Any]
    ) -> npt.NDArray[np.float32]:
        """The vector-Jacobian product of `smooth` at images x [N, C, H, W].

        grad: [N, C, H, W], or one gradient a class [N, classes, C, H, W] as ART has them.
        """
        leaf = _tensor(x).requires_grad_(True)
        with torch.enable_grad():
            seen = self.smooth(leaf)
        towards = _tensor(grad)
        single = towards.ndim == leaf.ndim
        columns = [towards] if single else list(towards.unbind(1))
        found = [torch.autograd.grad(seen, leaf, c, retain_graph=True)[0] for c in columns]
        back: npt.NDArray[np.float32] = (found[0] if single else torch.stack(found, 1)).numpy()
        return back


def check_images(x: torch.Tensor) -> None:
    """ValueError unless x is float32 or float64 [N, C, H, W] in [0, 1] without NaN."""
    if x.ndim != 4:
        raise ValueError(f"images must be [N, C, H, W], not {list(x.shape)}")
    if x.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"images must be float32 or float64, not {x.dtype}")
    # NaN compares as False, so this catches it too
    if x.numel() and not bool(((x >= 0) & (x <= 1)).all()):
        low, high = x.min().item(), x.max().item()
        raise ValueError(f"images must lie in [0, 1] without NaN, not in [{low:.6g}, {high:.6g}]")


def with_gradient_of(surrogate: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """The values of `seen`, to the last bit, with the gradient of `surrogate`."""
    return seen + (surrogate - surrogate.detach())


def _tensor(x: npt.NDArray[Any]) -> torch.Tensor:
    # torch shares memory with arrays only if they are writable and have no negative strides
    return torch.from_numpy(np.require(x, dtype=np.float32, requirements=["C", "W"]))

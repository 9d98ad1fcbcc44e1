"""What a defence on tensors needs to be a preprocessor of ART, and what it may declare."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable
from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from art.defences.preprocessor.preprocessor import Preprocessor

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]
Ids = npt.NDArray[np.int64]


@runtime_checkable
class HasSurrogate(Protocol):
    """A defence with a differentiable surrogate for attackers who know it."""

    def surrogate(self, x: torch.Tensor) -> torch.Tensor:
        """Return images near the defended ones, with a gradient; [N, C, H, W] in [0, 1]."""


@runtime_checkable
class CodesBytes(Protocol):
    """A defence that truncates images to bytes first: several of them share the bytes."""

    def code_bytes(self, images: torch.Tensor) -> torch.Tensor:
        """Return defended bytes of bytes, uint8 [N, C, H, W]."""


@runtime_checkable
class Randomised(Protocol):
    """A defence that treats the same image differently each time.

    random: True; other defences lack it or say False.
    """

    random: bool

    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """Return images float32 [N, C, H, W] in [0, 1] behind the n-th draw, on their device.

        ids: [N], which image of the data set each is. Image i draws from
            `random_streams.stream(seed, ids[i], "defence", n)` alone.

        Where torch can differentiate `draw`, attackers who know the defence differentiate through
        it; where not, they use the identity (BPDA). Scoring uses draw 0 (of several seeds, see
        `random_streams.scoring_seed`), attackers later ones.
        """


class TensorDefence(Preprocessor):  # type: ignore[misc]  # ART is not typed
    """A preprocessor written for tensors; its backward pass is the identity (BPDA)."""

    def __init__(self) -> None:
        super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)

    @abc.abstractmethod
    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return defended images; both are float32 [N, C, H, W] in [0, 1]."""

    def __call__(self, x: Floats, y: object = None) -> tuple[Array, object]:
        """Return `forward_tensor` of an array, and `y` unchanged."""
        return self.forward_tensor(as_tensor(x, np.float32)).numpy(), y


class DifferentiableDefence(TensorDefence):
    """A defence with a surrogate: itself where torch can differentiate it, or what is near it."""

    @abc.abstractmethod
    def surrogate(self, x: torch.Tensor) -> torch.Tensor:
        """See `HasSurrogate.surrogate`."""

    def estimate_gradient(self, x: Floats, grad: Floats) -> Array:
        """Return the vector-Jacobian product of `surrogate`; see `vector_jacobian_product`."""
        return vector_jacobian_product(self.surrogate, x, grad)


class RandomDefence(DifferentiableDefence):
    """A defence that draws; torch differentiates each draw.

    Called without ids it draws by the content of the image: the same image gets the same draw in
    any batch, and every other image another one. So an attack of ART that knows nothing of draws
    meets a random defence, and its result is repeatable.
    """

    random = True

    @abc.abstractmethod
    def draw(self, x: torch.Tensor, ids: Ids, seed: int, n: int) -> torch.Tensor:
        """See `Randomised.draw`."""

    def forward_tensor(self, x: torch.Tensor) -> torch.Tensor:
        """Return the draw that belongs to the content of the images."""
        with torch.no_grad():
            return self.surrogate(x)

    def surrogate(self, x: torch.Tensor) -> torch.Tensor:
        """Return the same draw with a gradient."""
        return self.draw(x, content_ids(x), 0, 0)


def is_random(defence: object) -> TypeGuard[Randomised]:
    """Return whether a defence (or None) draws."""
    return isinstance(defence, Randomised) and bool(defence.random)


def content_ids(x: torch.Tensor) -> Ids:
    """Return a number [N] from 0 up per image, a hash of its pixels."""
    array = x.detach().to(torch.float32).cpu().contiguous().numpy()
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in array]
    # Philox takes keys from 0 up
    return np.array([int.from_bytes(d, "little") >> 1 for d in digests], dtype=np.int64)


def vector_jacobian_product(
    function: Callable[[torch.Tensor], torch.Tensor | None], x: Floats, grad: Floats
) -> Array:
    """Return gradients before a function of images from the gradients behind it.

    function: where it gives None or no gradient, the identity takes its place.
    x: images [N, C, H, W].
    grad: [N, C, H, W], or one gradient per class [N, classes, C, H, W] as ART has them.
    """
    leaf = torch.from_numpy(np.array(x, dtype=np.float32)).requires_grad_(True)
    with torch.enable_grad():
        out = function(leaf)
    behind = as_tensor(grad, np.float32)
    if out is None or not out.requires_grad:
        return behind.numpy()
    columns = behind.unbind(1) if behind.ndim > leaf.ndim else (behind,)
    parts = [torch.autograd.grad(out, leaf, c, retain_graph=True)[0] for c in columns]
    result: Array = torch.stack(parts, 1).reshape(behind.shape).numpy()
    return result


def lent(defence: object, x: torch.Tensor) -> torch.Tensor:
    """Return images that a defence may write into: a copy, unless it is this project's own."""
    return x if type(defence).__module__.startswith("estimators.") else x.clone()


def check_images(x: torch.Tensor) -> None:
    """Raise ValueError unless x is float32 or float64 [N, C, H, W] in [0, 1] without NaN."""
    if x.ndim != 4:
        raise ValueError(f"images must be [N, C, H, W], not {list(x.shape)}")
    if x.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"images must be float32 or float64, not {x.dtype}")
    # NaN compares as False, so this refuses it too
    if x.numel() and not bool(((x >= 0) & (x <= 1)).all()):
        low, high = x.min().item(), x.max().item()
        raise ValueError(f"images must lie in [0, 1] without NaN, not in [{low:.6g}, {high:.6g}]")


def with_gradient_of(surrogate: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """Return the values of `exact`, to the last bit, with the gradient of `surrogate`."""
    return exact + (surrogate - surrogate.detach())


def to_bytes(x: torch.Tensor) -> torch.Tensor:
    """Return images in [0, 1] as uint8, truncated as ART's JpegCompression does."""
    return (x * 255).to(torch.uint8)


def from_bytes(images: torch.Tensor) -> torch.Tensor:
    """Return uint8 images as float32 in [0, 1]."""
    return images.to(torch.float32) / 255


def as_tensor(x: Floats, dtype: type[np.float32] | None = None) -> torch.Tensor:
    """Return an array as a tensor, on the same memory where torch and the dtype allow it."""
    # torch takes arrays only if they are writable and have no negative strides
    return torch.from_numpy(np.require(x, dtype=dtype, requirements=["C", "W"]))

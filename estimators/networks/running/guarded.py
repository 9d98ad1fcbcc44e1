"""External networks behind a guard: own memory, own layout, errors of one kind, no output."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import nn

from estimators.errors import EndsProgram, InputError, NetworkError
from estimators.interrupts import contained
from estimators.networks.copies.comparing import check_copies, probes
from estimators.networks.copies.copying import copied
from estimators.networks.copies.sharing import shared_state
from estimators.networks.running.image_gradients import image_gradients
from estimators.networks.running.plain_layers import is_known
from estimators.networks.running.silence import silenced
from estimators.plugins import describe_error

# images that show which memory layout a network takes
PROBED = 2
# convolutions of another layout round differently, in the sixth digit
ROUNDING = 1e-3
HALF = (torch.float16, torch.bfloat16)

T = TypeVar("T")


class Guarded(nn.Module):
    """A network with code that is neither torch's nor this project's.

    It gets a copy of its images and may change them. Outputs are read as float32, and [classes] of
    one image, which `squeeze()` gives, as [1, classes]. What it prints is dropped. What it raises
    becomes a NetworkError, SystemExit and its like included; the user's Ctrl-C stays what it is.

    channels_last: whether it takes images and weights with the channels innermost in memory; else
        its images are contiguous.
    notes: what `bench run` says about it, one line each.
    alone: whether copies of it share state, so that one thread at a time may run them.
    """

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.channels_last = True
        self.notes: tuple[str, ...] = ()
        self.alone = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits [N, classes] of images [N, C, H, W]."""
        if torch.is_inference_mode_enabled():
            # what a network keeps from a call must work with gradients later
            with torch.inference_mode(False), torch.no_grad():
                return self._logits(x)
        return self._logits(x)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        layout = torch.preserve_format if self.channels_last else torch.contiguous_format
        own = x.clone(memory_format=layout)
        try:
            with contained(), silenced():
                out = self.network(own)
        except Exception as error:
            if _passes(error):
                raise
            raise _raised(self.name, error) from error
        logits: torch.Tensor = _float_logits(self.name, out)
        alone = isinstance(logits, torch.Tensor) and logits.ndim == 1 and len(x) == 1 < len(logits)
        return logits[None] if alone else logits


def guarded(network: nn.Module, shape: tuple[int, int, int], name: str = "") -> nn.Module:
    """Return a network behind a guard; itself where all its code is torch's or this project's.

    Runs PROBED images forward and backward, once per memory layout.

    shape: of an image, [C, H, W]. name: of the network, for messages.

    Raises NetworkError for outputs that have no gradient. What the network raises is left to the
    checks that follow.
    """
    if isinstance(network, Guarded) or is_known(network):
        return network
    guard = Guarded(network, name or type(network).__name__).train(network.training)
    # in a thread of its own, KeyboardInterrupt is the network's and not that of Ctrl-C
    with ThreadPoolExecutor(1) as thread, torch.random.fork_rng(devices=[]):
        guard.channels_last, guard.notes = thread.submit(_probe, guard, shape).result()
        shared = thread.submit(_shared, guard, shape).result()
    if shared:
        guard.alone = True
        guard.notes += (
            f"{shared} keeps state that copies of the network share: one thread at a time runs it",
        )
    return guard


def unguarded(network: nn.Module) -> nn.Module:
    """Return the network behind a guard; itself where there is none."""
    return network.network if isinstance(network, Guarded) else network


def is_alone(network: nn.Module) -> bool:
    """Return whether one thread at a time may run copies of a network, since they share state."""
    return isinstance(network, Guarded) and network.alone


def placed(network: nn.Module, device: str) -> nn.Module:
    """Move a network to a device: channels last, unless it keeps its own layout."""
    last = not isinstance(network, Guarded) or network.channels_last
    layout = torch.channels_last if last else torch.preserve_format
    moved: nn.Module = network.to(device, memory_format=layout)  # type: ignore[call-overload]
    return moved


def _probe(guard: Guarded, shape: tuple[int, int, int]) -> tuple[bool, tuple[str, ...]]:
    """Return whether a network takes channels-last memory, and what to say about it."""
    network = copied(guard.network, guard.name).eval().requires_grad_(False)
    x = torch.rand(PROBED, *shape, generator=torch.Generator().manual_seed(0))
    notes: list[str] = []

    def tried() -> tuple[Any, list[str]] | None:
        return _or_none(lambda: _run(network, x, backward=False))

    answer = tried()
    if answer is None:
        network.double()
        wide = tried()
        network.float()
        # one that raises once works in either precision by now
        if wide is not None and tried() is None:
            answer = wide
            network.double()
            guard.network.double()
            notes.append("works in float64 alone: its weights, read as float32, are run in float64")
    if answer is None or not isinstance(answer[0], torch.Tensor):
        return True, ()
    out, printed = answer
    expected = _float_logits(guard.name, out)
    if printed:
        notes.append(f"prints while it computes ({printed[0]!r}); its output is dropped")
    if out.dtype in HALF:
        notes.append(
            f"returns {_dtype(out)} outputs, read as float32: logits that differ by less than"
            f" {_dtype(out)} resolves are equal, and gradients are as coarse"
        )
    reason = _refused_layout(network, guard.name, x, expected)
    if reason is None:
        return True, tuple(notes)
    network = network.to(memory_format=torch.contiguous_format)
    if _or_none(lambda: _run(network, x)) is None:
        return True, tuple(notes)  # it does not work at all, which the checks explain
    notes.append(f"does not work with channels-last memory ({reason}); it keeps its own layout")
    return False, tuple(notes)


def _shared(guard: Guarded, shape: tuple[int, int, int]) -> str:
    """Return what keeps state that copies of a network share.

    Raises InputError where a copy does not compute what the network computes.
    """
    check_copies(guard.network, shape, guard.name)
    network = guard.network

    def run() -> object:
        trial = copied(network, guard.name).eval().requires_grad_(False)
        return _or_none(lambda: _run(trial, probes(trial, shape)[0]))

    return shared_state(network, run)


def _refused_layout(
    network: nn.Module, name: str, x: torch.Tensor, expected: torch.Tensor
) -> str | None:
    """Return why a network does not work with channels-last memory; None where it does."""
    last = torch.channels_last
    try:
        network.to(memory_format=last)
        out = _float_logits(name, _run(network, x.contiguous(memory_format=last))[0])
        off = float((out - expected).abs().max())
    except Exception as error:
        # external code may raise anything
        return describe_error(error)
    same = off <= ROUNDING * float(expected.abs().max()) or not math.isfinite(off)
    return None if same else f"its outputs differ by {off:.2g}"


def _run(network: nn.Module, x: torch.Tensor, backward: bool = True) -> tuple[Any, list[str]]:
    """Return what a network gives for images, and the first line that it prints."""
    leaf = x.clone().requires_grad_(backward)
    modes = torch.set_grad_enabled(backward), image_gradients(x)
    with contained(), silenced() as printed, modes[0], modes[1]:
        out = network(leaf.clone())
        if backward:
            torch.autograd.grad(out.sum(), leaf)
    return out.detach() if isinstance(out, torch.Tensor) else out, printed


def _float_logits(name: str, out: Any) -> Any:
    """Return outputs as a float32 tensor; what is no tensor as it is, for the checks to explain."""
    if not isinstance(out, torch.Tensor):
        return out
    if not out.is_floating_point():
        raise NetworkError(
            name, f"returns {_dtype(out)} outputs, which have no gradient; return float32 logits"
        )
    # a subclass may lack what numbers need, such as a format
    return out.as_subclass(torch.Tensor).float()


def _dtype(out: torch.Tensor) -> str:
    return str(out.dtype).removeprefix("torch.")


def _or_none(call: Callable[[], T]) -> T | None:
    """Return what a call returns, None where it raises."""
    try:
        return call()
    except Exception:
        # external code may raise anything
        return None


def _raised(name: str, error: Exception) -> NetworkError:
    """Return the error for what a network raised."""
    ends = isinstance(error, EndsProgram)
    told = ", raised in its forward, would end the program" if ends else ""
    return NetworkError(name, describe_error(error) + told)


def _passes(error: Exception) -> bool:
    """Return whether an error stays as it is: lack of memory, an error of the user."""
    no_memory = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
    return no_memory or isinstance(error, InputError) or "allocate memory" in str(error)

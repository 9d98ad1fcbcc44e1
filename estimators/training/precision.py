"""The precision of a training: bfloat16, or float32 where this machine is slow in bfloat16.

A processor without instructions for bfloat16 converts every number, and a training takes ten times
as long. A short trial decides, since the flags of a processor do not tell what torch makes of them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from hashlib import sha256
from typing import Any

import torch
from torch.nn import functional

from estimators import atomic
from estimators.bounded import bounded_json
from estimators.networks.cache_folder import default_cache
from estimators.processor import processor
from estimators.training.recipes import Recipe

# bfloat16 takes 0.5 to 1 times the time of float32 with instructions for it, 4 to 10 times without
TOO_SLOW = 2.0
TRIALS = range(4)


@dataclass(frozen=True)
class Trial:
    """What the trial of a machine measured.

    machine: processor, its instructions as torch uses them, device and version of torch.
    slowdown: seconds of a training step in bfloat16 over those in float32.
    """

    machine: str
    slowdown: float

    @property
    def allows_bfloat16(self) -> bool:
        """Whether a recipe in bfloat16 is trained in bfloat16."""
        return self.slowdown <= TOO_SLOW

    def __str__(self) -> str:
        return f"bfloat16 takes {self.slowdown:.1f} times as long as float32 on {self.machine}"


def fitted(recipe: Recipe, trial: Trial) -> Recipe:
    """Return the recipe as this machine trains it: without bfloat16 where that is too slow.

    The precision is a part of the recipe, and with it of the checkpoint's key.
    """
    return recipe if trial.allows_bfloat16 else replace(recipe, bfloat16=False)


def provenance(asked: Recipe, used: Recipe, trial: Trial | None) -> dict[str, object]:
    """Return what a checkpoint says of its precision.

    trial: None where the recipe does not ask for bfloat16, so that nothing was measured.
    """
    names: dict[str, object] = {"used": _name(used), "recipe": _name(asked)}
    return names if trial is None else {**names, "measured": str(trial)}


def other_precision(metadata: Mapping[str, Any]) -> str:
    """Return why a checkpoint has another precision than its recipe; empty where it has not.

    For example: `, in float32, since bfloat16 takes 9.8 times as long as float32 on ...`.
    """
    told = metadata.get("precision") or {}
    if told.get("used") == told.get("recipe"):
        return ""
    return f", in {told['used']}, since {told['measured']}"


def trial_of(device: str) -> Trial:
    """Return the trial of this machine; it is made once and kept in the cache folder."""
    return _trial(device, _machine(device), str(default_cache()))


@cache
def _trial(device: str, machine: str, folder: str) -> Trial:
    """Return the kept trial of a machine, or make it. folder: in the key, since tests move it."""
    path = default_cache() / f"precision-{sha256(machine.encode()).hexdigest()[:12]}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        kept = bounded_json(path)
        if kept["machine"] == machine and kept["slowdown"] > 0:
            return Trial(machine, float(kept["slowdown"]))
    trial = Trial(machine, round(measured_slowdown(device), 2))
    text = json.dumps({"machine": machine, "slowdown": trial.slowdown}) + "\n"
    with suppress(OSError):  # a cache that cannot be written costs a trial per process
        atomic.replace(path, lambda file: file.write_text(text, encoding="utf-8"))
    return trial


def measured_slowdown(device: str) -> float:
    """Return the time of one convolution in bfloat16, forwards and backwards, over float32's.

    The smallest of several alternating trials counts, in the time of this thread: what else the
    machine does hardly changes it. Nothing random is drawn.
    """
    x = torch.full((16, 64, 16, 16), 0.5, device=device)
    x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.full((64, 64, 3, 3), 0.01, device=device, requires_grad=True)
    pairs = [
        [_seconds(partial(_step, x, weight, b), device) for b in (False, True)] for _ in TRIALS
    ]
    best: list[float] = [min(times) for times in zip(*pairs, strict=True)]
    return best[1] / best[0]


def _step(x: torch.Tensor, weight: torch.Tensor, bfloat16: bool) -> None:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16):
        out = functional.conv2d(x, weight, padding=1)
    torch.autograd.grad(out.float().sum(), weight)


def _seconds(work: Callable[[], None], device: str) -> float:
    if device == "cpu":
        start = time.thread_time()
        work()
        return max(time.thread_time() - start, 1e-9)
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return max(time.perf_counter() - start, 1e-9)


def _machine(device: str) -> str:
    """Return what the speed of bfloat16 depends on."""
    if device != "cpu":
        name = torch.cuda.get_device_name(device)
    else:
        limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
        name = f"{processor()} ({torch.backends.cpu.get_cpu_capability()}{limit and f', {limit}'})"
    return f"{name}, torch {torch.__version__}"


def _name(recipe: Recipe) -> str:
    return "bfloat16" if recipe.bfloat16 else "float32"

"""Is a network that is less sensitive to high frequencies more robust? (the closing hypothesis of
the report, claim C14, which it does not test)

Networks are trained behind a fixed Gaussian filter of growing width, and attacked through it: the
attacker knows the whole network, filter included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmark.studies.measures.gratings import GREY, first_layer, waves
from benchmark.studies.measures.training_sweep import Probe, Tables, Training, swept, whole_numbers
from benchmark.studies.request import Findings, StudyRequest
from estimators.errors import InputError
from estimators.spec import Spec

PHASES = 8


def compute(request: StudyRequest) -> Findings:
    """Networks for every filter width and training seed: `accuracy`, `clean`, `area`, `smallest`
    and `transfer`.

    Rows begin with dataset, network, low_pass (sigma in pixels, 0 without a filter), epochs, seed;
    `benchmark.studies.measures.robustness.measure` has the other columns (`clean` is its `gap`).
    `transfer`: frequency (cycles a pixel), response and gain of `first_layer_response`.

    Networks other than LeNet are trained with the parameters that begin with `deep_`.
    """
    trainings = [
        t for dataset, network in request.subjects for t in _trainings(request, dataset, network)
    ]
    found = swept(trainings, Probe.of(request), request.report, transfer)
    found["clean"] = found.pop("gap")
    return Findings(found)


def _trainings(request: StudyRequest, dataset: str, network: Spec) -> list[Training]:
    kind = "" if network.name == "lenet" else "deep_"
    (epochs,) = whole_numbers(request, f"{kind}epochs", 1)
    if request[f"{kind}seeds"] < 1:
        raise InputError(f"study parameter {kind}seeds: must be at least 1")
    return [
        Training(dataset, behind(network, sigma), epochs, seed, (("low_pass", sigma),))
        for sigma in sorted(set(request[f"{kind}sigmas"]))
        for seed in range(request[f"{kind}seeds"])
    ]


def behind(network: Spec, sigma: float) -> Spec:
    """The network behind a filter; for sigma = 0 the plain one by name too, so that its weights
    are those of any other study."""
    params = network.without("low_pass").kwargs
    return Spec.of(network.name, {**params, "low_pass": float(sigma)} if sigma else params)


def transfer(network: nn.Module, shape: tuple[int, int, int]) -> Tables:
    """The table `transfer` of one network: 26 frequencies from 0 to half a cycle a pixel."""
    frequencies = np.linspace(0, 0.5, 26)
    response, gain = first_layer_response(network, shape, frequencies)
    rows: list[dict[str, Any]] = [
        {"frequency": round(float(f), 6), "response": float(r), "gain": float(g)}
        for f, r, g in zip(frequencies, response, gain, strict=True)
    ]
    return {"transfer": rows}


def first_layer_response(
    network: nn.Module, shape: tuple[int, int, int], frequencies: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """How strongly the first convolution, and what stands ahead of it, answers to gratings.

    frequencies: [F], cycles a pixel. The gratings are 1/2 + 1/2 sin in every channel, along the
    rows and along the columns, at 8 phases.

    Returns [F] each: the L2 norm of the layer's output before its activation (the report's
    transfer function, which the mean grey dominates), and the gain: the norm of the change
    against plain grey, over the norm of the grating's own change against it. Both are root mean
    squares over directions and phases.
    """
    waved, flat = _gratings(shape, frequencies), torch.full((1, *shape), GREY)
    seen = _first_outputs(network, torch.cat([flat, waved]))
    base, out = seen[:1], seen[1:]
    groups = (len(frequencies), -1)

    def mean_square(values: torch.Tensor) -> torch.Tensor:
        return (values**2).sum((1, 2, 3)).reshape(groups).mean(1)

    response = mean_square(out).sqrt()
    gain = (mean_square(out - base) / mean_square(waved - flat)).sqrt()
    return response.numpy(), gain.numpy()


def _gratings(shape: tuple[int, int, int], frequencies: np.ndarray[Any, Any]) -> torch.Tensor:
    """Gratings [F * 2 * PHASES, C, H, W]."""
    channels, height, width = shape
    rows, columns = np.mgrid[:height, :width]
    shifts = np.arange(PHASES) / PHASES
    stack = torch.cat([waves(f * along, shifts) for f in frequencies for along in (rows, columns)])
    return stack.expand(-1, channels, -1, -1)


def _first_outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    first = first_layer(network)
    kept: list[torch.Tensor] = []
    hook = first.register_forward_hook(lambda _m, _i, out: kept.append(out))
    try:
        with torch.inference_mode():
            network(x.to(next(network.parameters()).device))
    finally:
        hook.remove()
    return kept[0].double().cpu()

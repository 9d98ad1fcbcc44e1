"""Is a network that is less sensitive to high frequencies more robust?

This is the closing hypothesis of the paper (claim C14), which the paper does not test. Networks are
trained behind a fixed Gaussian filter of growing width and attacked through it: the attacker knows
the whole network with its filter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmark.studies.measures.gratings import GREY, first_layer, waves
from benchmark.studies.measures.robustness import Probe
from benchmark.studies.measures.tables import Rows
from benchmark.studies.measures.training_sweep import Training, own_prefix, swept, whole_numbers
from benchmark.studies.request import Findings, StudyRequest
from estimators.spec import Spec

PHASES = 8
Floats = npt.NDArray[np.float64]


def compute(request: StudyRequest) -> Findings:
    """Measure networks for every filter width and every training seed.

    Tables `accuracy`, `clean`, `area`, `smallest`, `transfer`: rows begin with dataset, network,
    low_pass (sigma in pixels, 0 without a filter), epochs, seed; `measures.robustness.measure` has
    the other columns (`clean` is its `gap`). `transfer`: frequency (cycles per pixel), response and
    gain of `first_layer_response`.

    Networks other than LeNet are trained with the parameters that begin with `deep_`.
    """
    trainings = [
        t for dataset, network in request.subjects for t in _trainings(request, dataset, network)
    ]
    tables = swept(trainings, Probe.of(request), request.report, transfer, request.share)
    tables["clean"] = tables.pop("gap")
    return Findings(tables)


def _trainings(request: StudyRequest, dataset: str, network: Spec) -> list[Training]:
    kind = own_prefix(network)
    (epochs,) = whole_numbers(request, f"{kind}epochs", 1)
    (seeds,) = whole_numbers(request, f"{kind}seeds", 1)
    return [
        Training(dataset, behind(network, sigma), epochs, seed, (("low_pass", sigma),))
        for sigma in sorted(set(request[f"{kind}sigmas"]))
        for seed in range(seeds)
    ]


def behind(network: Spec, sigma: float) -> Spec:
    """Return the network behind a filter of width sigma.

    For sigma 0 it has the plain network's name, so that other studies share its weights.
    """
    params = network.without("low_pass").kwargs
    return Spec.of(network.name, {**params, "low_pass": float(sigma)} if sigma else params)


def transfer(network: nn.Module, shape: tuple[int, int, int]) -> dict[str, Rows]:
    """Return the table `transfer` of one network: 26 frequencies from 0 to 1/2 cycle per pixel."""
    frequencies = np.linspace(0, 0.5, 26)
    response, gain = first_layer_response(network, shape, frequencies)
    rows: Rows = [
        {"frequency": round(float(f), 6), "response": float(r), "gain": float(g)}
        for f, r, g in zip(frequencies, response, gain, strict=True)
    ]
    return {"transfer": rows}


def first_layer_response(
    network: nn.Module, shape: tuple[int, int, int], frequencies: Floats
) -> tuple[Floats, Floats]:
    """Return the response of the first convolution, and the layers before it, to gratings.

    frequencies: [F], cycles per pixel. The gratings are 1/2 + 1/2 sin in every channel, along the
    rows and along the columns, at 8 phases.

    Returns [F] each: the L2 norm of the layer's output before its activation (the paper's transfer
    function, which the mean grey dominates), and the gain: the norm of the output's change against
    uniform grey over the norm of the grating's change against it. Both are root mean squares over
    directions and phases.
    """
    waved, flat = _gratings(shape, frequencies), torch.full((1, *shape), GREY)
    outputs = _first_outputs(network, torch.cat([flat, waved]))
    base, out = outputs[:1], outputs[1:]
    groups = (len(frequencies), -1)

    def mean_square(values: torch.Tensor) -> torch.Tensor:
        return (values**2).sum((1, 2, 3)).reshape(groups).mean(1)

    response = mean_square(out).sqrt()
    gain = (mean_square(out - base) / mean_square(waved - flat)).sqrt()
    return response.numpy(), gain.numpy()


def _gratings(shape: tuple[int, int, int], frequencies: Floats) -> torch.Tensor:
    """Return gratings [F * 2 * PHASES, C, H, W]."""
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

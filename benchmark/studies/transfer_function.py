"""How strongly the first layer responds to each frequency, with and without JPEG.

The paper's Figures 8, 9 and 12: the response is the L2 norm of the first layer's output before the
activation, for gratings of growing frequency. The bias and the gratings' mean grey contribute a
part that is the same at every frequency and may hide the rest, so `response_ac` subtracts the
output for uniform grey first. Both are root mean squares over phases, so that without JPEG
response^2 = response_grey^2 + response_ac^2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from benchmark.studies.measures import gratings
from benchmark.studies.measures.gratings import compressed, energy
from benchmark.studies.measures.tables import Row, tidy
from benchmark.studies.measures.transfer_curves import Curve, curves_of
from benchmark.studies.request import Array, Findings, StudyRequest
from reports.statistics.intervals import wilson

Floats = npt.NDArray[np.float64]
DESTROYED = 0.01  # a destroyed grating keeps less than this share of its energy


def compute(request: StudyRequest) -> Findings:
    """Compute transfer functions of the first layers, by size, direction and JPEG quality.

    Curves are named by dataset, network, training_seed, size (pixels), direction, quality (empty
    for no JPEG). Tables:

    `response`: also cycles (per image, along an axis), frequency (cycles per pixel along the wave),
        response, response_ac, response_grey, gain (response_ac over the norm of the gratings around
        grey). Behind JPEG only the paper's direction, vertical, at the size of the data; the arrays
        have the rest.
    `flatness`: one row per curve and measure (response, response_ac), see `flatness`.
    `destroyed`: gratings, destroyed, share (with less than 1 % of their energy left),
        change_response and change_response_ac (mean over the frequencies above 0 of the absolute
        relative change against no JPEG).
    `survival`: size, direction, contrast, quality, gratings, destroyed, share, low, high: the same
        share for grey gratings of several contrasts, without a network.

    Networks are trained with `seeds_colour` seeds for colour images; for grey ones LeNet with
    `seeds` and the others with `deep_seeds`.

    Arrays: `<dataset>/<network>/<size>/<direction>/<what>` of the first training seed; what is
    `cycles` [K], `quality` [Q] (0: no JPEG), `response` and `response_ac` [Q, K].
    """
    sets = len(request.datasets)
    curves = [
        curve
        for n, dataset in enumerate(request.datasets)
        for curve in curves_of(request.part(0.9 * n / sets, 0.9 * (n + 1) / sets), dataset)
    ]
    bare = {_same(c): c for c in curves if c.quality is None}
    coded = [c for c in curves if c.quality is not None]
    listed = [c for c in curves if c.quality is None or (c.own and c.direction == "vertical")]
    tables = {
        "response": tidy(row for c in listed for row in _responses(c)),
        "flatness": tidy(row for c in curves for row in _flatness_rows(c)),
        "destroyed": tidy(_against(c, bare[_same(c)]) for c in coded),
        "survival": tidy(_survival(request)),
    }
    for table in tables.values():
        table["quality"] = table["quality"].astype("Int64")
    return Findings(tables, _arrays(curves))


def flatness(cycles: Sequence[int], response: Floats) -> dict[str, float]:
    """Return how flat a curve is, over the frequencies above 0.

    coefficient_of_variation: standard deviation over mean. ratio: largest over smallest.
    high_low_ratio: mean of the upper half of the band over that of the lower half.
    dip: 1 - (smallest response in the upper half) / (mean of the lower half); above 0 where the
    response to a high frequency is smaller, below 0 where it is larger for all of them.
    """
    upper = np.asarray(cycles) > max(cycles) / 2
    lower = ~upper & (np.asarray(cycles) > 0)
    band, high, base = response[lower | upper], response[upper], response[lower].mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "coefficient_of_variation": float(band.std() / band.mean()),
            "ratio": float(band.max() / band.min()),
            "high_low_ratio": float(high.mean() / base),
            "dip": float(1 - high.min() / base),
        }


def _same(curve: Curve) -> tuple[object, ...]:
    """Return what a curve shares with the one without JPEG."""
    return curve.dataset, curve.network, curve.seed, curve.size, curve.direction


def _responses(curve: Curve) -> Iterator[Row]:
    for k, whole, around in zip(curve.cycles, curve.response, curve.response_ac, strict=True):
        cycles_per_pixel = gratings.frequency(curve.size, k, curve.direction)
        row = Row(curve.names, cycles=k, frequency=cycles_per_pixel, response=whole)
        row |= {"response_ac": around, "response_grey": curve.response_grey}
        yield row | {"gain": around / curve.norm}


def _flatness_rows(curve: Curve) -> Iterator[Row]:
    for measure in ("response", "response_ac"):
        yield {**curve.names, "measure": measure, **flatness(curve.cycles, getattr(curve, measure))}


def _against(curve: Curve, bare: Curve) -> Row:
    gone = curve.left < DESTROYED
    row = Row(curve.names, gratings=gone.size, destroyed=int(gone.sum()), share=gone.mean())
    for name in ("response", "response_ac"):
        change = getattr(curve, name)[1:] / getattr(bare, name)[1:] - 1
        row[f"change_{name}"] = float(np.abs(change).mean())
    return row


def _survival(request: StudyRequest) -> Iterator[Row]:
    """Yield the share of grey gratings that JPEG destroys, by size, direction and contrast."""
    phases = request["phases"]
    for size in request["sizes"]:
        cycles = gratings.cycles_up_to_nyquist(size, request["frequencies"])[1:]
        for direction in gratings.DIRECTIONS:
            for contrast in request["contrasts"]:
                request.report(f"JPEG alone, gratings of {size} pixels, {direction}")
                names = Row(size=size, direction=direction, contrast=contrast)
                waves = (gratings.gratings(size, k, direction, phases, contrast) for k in cycles)
                x = torch.cat(list(waves))
                before = energy(x)
                for quality in request["qualities_other_sizes"]:
                    gone = int((energy(compressed(x, quality)) / before < DESTROYED).sum())
                    row = Row(names, quality=quality, gratings=len(x), destroyed=gone)
                    low, high = map(float, wilson(gone, len(x)))
                    yield row | {"share": gone / len(x), "low": low, "high": high}


def _arrays(curves: Sequence[Curve]) -> dict[str, Array]:
    groups: dict[str, list[Curve]] = {}
    for c in curves:
        if c.seed == 0:
            name = f"{c.dataset}/{c.network}/{c.size}/{c.direction}"
            groups.setdefault(name, []).append(c)
    arrays: dict[str, Array] = {}
    for name, group in groups.items():
        arrays[f"{name}/cycles"] = np.array(group[0].cycles)
        arrays[f"{name}/quality"] = np.array([c.quality or 0 for c in group])
        for measure in ("response", "response_ac"):
            stacked = np.stack([getattr(c, measure) for c in group])
            arrays[f"{name}/{measure}"] = stacked.astype(np.float32)
    return arrays

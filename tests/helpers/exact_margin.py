"""The exact smallest margin of a tiny network on a ball, as a mixed integer program."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix, vstack
from torch import nn

Array = npt.NDArray[np.float64]


class _Program:
    """Variables with bounds and whether they are whole, and rows low <= A v <= high."""

    def __init__(self, low: Array, high: Array) -> None:
        self.low, self.high = list(low), list(high)
        self.whole = [0] * len(low)
        self.rows: list[tuple[dict[int, float], float, float]] = []

    def add(self, low: Array, high: Array, whole: bool = False) -> list[int]:
        first = len(self.low)
        self.low += list(low)
        self.high += list(high)
        self.whole += [int(whole)] * len(low)
        return list(range(first, len(self.low)))

    def least(self, cost: dict[int, float]) -> float:
        size = len(self.low)
        c = np.zeros(size)
        for at, value in cost.items():
            c[at] = value
        rows = [_sparse(row, size) for row, _, _ in self.rows]
        limits = [np.array([limit[n] for limit in self.rows], float) for n in (1, 2)]
        bounds = Bounds(np.array(self.low), np.array(self.high))
        constraint = [LinearConstraint(vstack(rows), *limits)] if rows else []
        found = milp(c, integrality=np.array(self.whole), bounds=bounds, constraints=constraint)
        assert found.success, found.message
        return float(found.fun)


def exact_margin(network: nn.Sequential, x: torch.Tensor, label: int, eps: float) -> float:
    """Return the smallest margin of one image [C, H, W] within Linf eps and [0, 1].

    Each layer but ReLU and max pooling becomes a matrix by its outputs for unit vectors.
    """
    image = x.double().numpy().ravel()
    program = _Program((image - eps).clip(0, 1), (image + eps).clip(0, 1))
    values, shape = list(range(len(image))), tuple(x.shape)
    for layer in network.double().eval():
        low, high = (np.array([side[v] for v in values]) for side in (program.low, program.high))
        if isinstance(layer, nn.ReLU):
            values = _relu(program, values, low, high)
        elif isinstance(layer, nn.MaxPool2d):
            values, shape = _pool(program, values, low, high, layer, shape)
        else:
            values, shape = _affine(program, values, low, high, layer, shape)
    network.float()
    others = [t for t in range(len(values)) if t != label]
    return min(program.least({values[label]: 1.0, values[t]: -1.0}) for t in others)


def _affine(
    program: _Program, values: list[int], low: Array, high: Array, layer: nn.Module, shape: tuple
) -> tuple[list[int], tuple]:
    with torch.no_grad():
        size = len(values)
        unit = torch.eye(size, dtype=torch.float64).view(size, *shape)
        base = layer(torch.zeros(1, *shape, dtype=torch.float64))
        matrix = (layer(unit) - base).flatten(1).numpy().T
        bias = base.numpy().ravel()
    up, down = matrix.clip(min=0), matrix.clip(max=0)
    out = program.add(up @ low + down @ high + bias, up @ high + down @ low + bias)
    for at, row, shift in zip(out, matrix, bias, strict=True):
        used = {v: float(w) for v, w in zip(values, row, strict=True) if w}
        program.rows.append(({**used, at: -1.0}, -shift, -shift))
    return out, tuple(base.shape[1:])


def _relu(program: _Program, values: list[int], low: Array, high: Array) -> list[int]:
    out = program.add(low.clip(min=0), high.clip(min=0))
    for before, after, least, most in zip(values, out, low, high, strict=True):
        if most <= 0:
            continue
        if least >= 0:
            program.rows.append(({after: 1.0, before: -1.0}, 0, 0))
            continue
        (on,) = program.add(np.zeros(1), np.ones(1), whole=True)
        program.rows.append(({after: 1.0, before: -1.0}, 0, np.inf))
        program.rows.append(({after: 1.0, on: -most}, -np.inf, 0))
        program.rows.append(({after: 1.0, before: -1.0, on: -least}, -np.inf, -least))
    return out


def _pool(
    program: _Program, values: list[int], low: Array, high: Array, layer: nn.MaxPool2d, shape: tuple
) -> tuple[list[int], tuple]:
    # which inputs a window has: those that are its largest when they alone are large
    size = len(values)
    unit = torch.eye(size, dtype=torch.float64).view(size, *shape)
    hit = layer(unit)
    inside = (hit.flatten(1) > 0.5).numpy().T
    most, least = (np.array([side[row].max() for row in inside]) for side in (high, low))
    out = program.add(least, most)
    for at, row, top in zip(out, inside, most, strict=True):
        members = np.flatnonzero(row)
        choice = program.add(np.zeros(len(members)), np.ones(len(members)), whole=True)
        program.rows.append((dict.fromkeys(choice, 1.0), 1, 1))
        for member, chosen in zip(members, choice, strict=True):
            slack = top - low[member]
            program.rows.append(({at: 1.0, values[member]: -1.0}, 0, np.inf))
            program.rows.append(({at: 1.0, values[member]: -1.0, chosen: slack}, -np.inf, slack))
    return out, tuple(hit.shape[1:])


def _sparse(row: dict[int, float], size: int) -> csr_matrix:
    return csr_matrix((list(row.values()), ([0] * len(row), list(row))), shape=(1, size))

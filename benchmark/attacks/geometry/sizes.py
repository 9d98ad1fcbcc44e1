"""The norms of the changes of images, several of them in one pass, with torch's bits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from estimators.compiling import Numba, compiled, njit

_float32, _int32 = np.float32, np.int32
# the names of the sizes, by norm
NAMES = {"0": "l0", "1": "l1", "2": "l2", "inf": "linf"}
# images that are added up side by side: one addition waits for the one before
_TOGETHER = 8


def sizes_of(change: Tensor) -> dict[str, Tensor]:
    """Return the norms [N] of changes [N, D] by the names of NAMES."""
    linf, l2 = change.abs().amax(1), torch.linalg.vector_norm(change, dim=1)
    # torch adds up a single row in parts
    plain = njit is None or len(change) < 2 or change.device.type != "cpu"
    if plain or change.dtype != torch.float32:
        l0 = change.count_nonzero(1).to(change.dtype)
        return {"l0": l0, "l1": torch.linalg.vector_norm(change, 1, dim=1), "l2": l2, "linf": linf}
    l0, l1 = torch.empty_like(l2), torch.empty_like(l2)
    _count_and_add(change.contiguous().numpy(), l0.numpy(), l1.numpy())
    return {"l0": l0, "l1": l1, "l2": l2, "linf": linf}


def outside(images: Tensor) -> Tensor:
    """Return which images [N, ...], bool [N], have pixels outside [0, 1], NaN included."""
    rows = images.flatten(1)
    return ~((rows.amin(1) >= 0) & (rows.amax(1) <= 1))


@compiled
def _count_and_add(change: Numba, l0: Numba, l1: Numba) -> None:
    """Count the values that are not zero, and add up their sizes one after the other, as torch."""
    count, length = change.shape
    for i in range(count):
        row, found = change[i], _int32(0)
        for j in range(length):
            found = _int32(found + _int32(row[j] != 0))
        l0[i] = found
    whole = count - count % _TOGETHER
    for i in range(0, whole, _TOGETHER):
        a, b, c, d = change[i], change[i + 1], change[i + 2], change[i + 3]
        e, f, g, h = change[i + 4], change[i + 5], change[i + 6], change[i + 7]
        sa = sb = sc = sd = se = sf = sg = sh = _float32(0)
        for j in range(length):
            sa, sb = _float32(sa + abs(a[j])), _float32(sb + abs(b[j]))
            sc, sd = _float32(sc + abs(c[j])), _float32(sd + abs(d[j]))
            se, sf = _float32(se + abs(e[j])), _float32(sf + abs(f[j]))
            sg, sh = _float32(sg + abs(g[j])), _float32(sh + abs(h[j]))
        l1[i], l1[i + 1], l1[i + 2], l1[i + 3] = sa, sb, sc, sd
        l1[i + 4], l1[i + 5], l1[i + 6], l1[i + 7] = se, sf, sg, sh
    for i in range(whole, count):
        row, total = change[i], _float32(0)
        for j in range(length):
            total = _float32(total + abs(row[j]))
        l1[i] = total

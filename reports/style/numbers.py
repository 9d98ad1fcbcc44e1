"""Numbers as sentences, tables and titles show them."""

from __future__ import annotations

import math

import pandas as pd

NORMS = {"inf": "L∞", "2": "L2", "1": "L1", "0": "L0"}


def count(number: int, thing: str) -> str:
    """Return `1 cell`, `2 cells`, `1,000 cells`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def percent(share: float) -> str:
    """Return `61.2 %` for a share of 0.612."""
    return f"{100 * share:.1f} %"


def size(eps: float | None) -> str:
    """Return the budget of an attack as a sentence names it: `eps 0.1`, or `no bound`."""
    return "no bound" if eps is None or pd.isna(eps) else f"eps {float(eps):.4g}"


def budget(norm: str, eps: float) -> str:
    """Return `L∞ eps 0.0314 (8/255)`, or `L0 eps 12 values`."""
    if norm == "0":
        return f"{NORMS[norm]} eps {count(round(eps), 'value')}"
    return f"{NORMS.get(norm, f'L{norm}')} eps {eps_text(eps)}"


def eps_text(eps: float) -> str:
    """Return an eps with four digits; whole grey levels of 8-bit images as such too."""
    levels = eps * 255
    whole = round(levels)
    # grids round 8/255 to five digits
    if 0 < whole <= 32 and math.isclose(levels, whole, abs_tol=2e-3):
        return f"{eps:.3g} ({whole}/255)"
    return f"{eps:.4g}"

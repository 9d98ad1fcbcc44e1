"""Norms by value: `2`, `2.0` and `L2` are one norm, `inf`, `.inf` and `Linf` another."""

from __future__ import annotations

import math

# columns of a results table begin with these: `l2_median`
LENGTHS = ("l0", "l1", "l2", "linf")
# of an attack that is neither bounded in a norm nor minimises one, such as a corruption
NO_NORM = "none"
_INFINITE = ("inf", "+inf", ".inf", "+.inf", "infinity", "np.inf", "numpy.inf", "math.inf")


def norm_text(norm: object) -> str:
    """Return a norm as results name it: `inf`, `2`, `1.5`, `0`; what is no norm as its own text.

    The norm 0 is the number of changed values. Capital letters and a leading `L`, as in `Linf` and
    `L2`, make no difference.
    """
    text = str(norm).strip()
    plain = text.lower().removeprefix("l").lstrip("_")
    if plain in (*_INFINITE, "∞"):
        return "inf"
    try:
        order = math.nan if isinstance(norm, bool) else float(plain)
    except ValueError:
        return text
    if not (order >= 0 and math.isfinite(order)):
        return text
    return str(int(order) if order.is_integer() else order)

"""The columns of `results.csv`: names, types, meanings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from reports.results.schema import VERSION

RESULTS = "results.csv"
SCHEMA = VERSION

# name: (kind, meaning, unit); a test compares the table in docs/results.md with this
COLUMNS: dict[str, tuple[str, str, str]] = {
    "schema": ("int", "version of these columns", ""),
    "cell": ("str", "hash of everything that identifies the row", "16 hex digits"),
    "dataset": ("str", "data set", ""),
    "network": ("str", "network with its parameters", ""),
    "attack": ("str", "attack with its parameters, eps left out", ""),
    "norm": (
        "str",
        "norm that bounds the attack, or that it minimises; none: neither",
        "inf, 2, 1, 0, ...",
    ),
    "eps": ("float", "bound of the norm; empty without one", "pixels in [0, 1]; L0: values"),
    "threat": ("str", "what the attacker sees: oblivious, adaptive, ...", ""),
    "defence": ("str", "defence with its parameters, quality left out", ""),
    "quality": ("int", "JPEG quality; empty for other defences", "1 to 100"),
    "attack_params": ("str", "every parameter of the attack as JSON", ""),
    "samples": ("str", "images requested: a number, or all, first:N, balanced:N, a file", "images"),
    "seed": ("int", "seed of subset and attack", ""),
    "n": ("int", "images scored", "images"),
    "status": ("str", "ok, skipped or failed", ""),
    "reason": ("str", "why a row is not ok", ""),
    "clean_correct": ("int", "images right behind the defence without attack", "images"),
    "clean_accuracy": ("float", "clean accuracy behind the defence", "share"),
    "correct": ("int", "images right behind the defence under attack", "images"),
    "accuracy": ("float", "robust accuracy behind the defence", "share"),
    "accuracy_low": ("float", "its Wilson 95 % limit over images and draws, lower", "share"),
    "accuracy_high": ("float", "its Wilson 95 % limit over images and draws, upper", "share"),
    "draws": ("int", "scoring draws of a random defence; empty for others", "draws"),
    "accuracy_worst_draw": ("float", "lowest accuracy of one of these draws", "share"),
    "accuracy_every_draw": ("float", "images that are right in every one of them", "share"),
    "proved": ("int", "images proved right within eps; empty without a certificate", "images"),
    "proved_low": ("float", "Wilson 95 % limit of their share, lower", "share"),
    "proved_high": ("float", "Wilson 95 % limit of their share, upper", "share"),
    "broken_by": ("str", "JSON: images that each part of the attack broke", "images"),
    "success_rate": ("float", "success among the images that were right", "share"),
    "l0_mean": ("float", "L0: values (pixel and channel) that change, mean", "values"),
    "l0_median": ("float", "the same, median", "values"),
    "l0_max": ("float", "the same, largest", "values"),
    "l1_mean": ("float", "L1 norm of the perturbation, mean", "pixels in [0, 1]"),
    "l1_median": ("float", "the same, median", "pixels in [0, 1]"),
    "l1_max": ("float", "the same, largest", "pixels in [0, 1]"),
    "l2_mean": ("float", "L2 norm of the perturbation, mean", "pixels in [0, 1]"),
    "l2_median": ("float", "the same, median", "pixels in [0, 1]"),
    "l2_max": ("float", "the same, largest", "pixels in [0, 1]"),
    "linf_mean": ("float", "Linf norm of the perturbation, mean", "pixels in [0, 1]"),
    "linf_median": ("float", "the same, median", "pixels in [0, 1]"),
    "linf_max": ("float", "the same, largest", "pixels in [0, 1]"),
    "zero_gradient": ("float", "images whose loss gradient is zero in every pixel", "share"),
    "nan_gradient": ("float", "images whose loss gradient has NaN or infinite values", "share"),
    "over_budget": (
        "int",
        "beyond eps (+ 1e-6 + 1e-5 eps; L0 exactly) or outside [0, 1]",
        "images",
    ),
    "non_finite": ("int", "images with NaN or infinite outputs under attack: wrong", "images"),
    "gradients": ("float", "backward passes per image that the attack needs by itself", "passes"),
    "forwards": ("float", "forward passes per image outside the gradients, likewise", "passes"),
    "curve": ("str", "JSON: images right after so many passes each, both kinds counted", "images"),
    "data_sha256": ("str", "hash of the images scored", "16 hex digits"),
    "weights_sha256": ("str", "hash of the weights", "16 hex digits"),
}

# columns that tables of earlier versions lack; they are empty then
ADDED = (
    "draws", "accuracy_worst_draw", "accuracy_every_draw", "proved", "proved_low", "proved_high",
    "broken_by", "l0_mean", "l0_median", "l0_max", "l1_mean", "l1_median", "l1_max",
    "nan_gradient", "non_finite", "curve",
)  # fmt: skip
REQUIRED = tuple(name for name in COLUMNS if name not in ADDED)


def frame(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Return rows as a table with exactly the documented columns and types."""
    return typed(pd.DataFrame(list(rows), columns=list(COLUMNS)))


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the documented columns with the documented types; missing text is the empty string.

    Columns of ADDED may be missing.

    Raises ValueError for text that is no number, and for an integer beyond 2^53.
    """
    out: dict[str, pd.Series] = {}
    for name, (kind, _, _) in COLUMNS.items():
        if name in ADDED and name not in table.columns:
            column = pd.Series(None, index=table.index, dtype=object)
        else:
            column = table[name]
        if kind == "str":
            out[name] = column.astype(object).where(column.notna(), "").astype(str)
        elif kind == "float":
            out[name] = _floats(column)
        else:
            numbers = pd.to_numeric(column)
            # beyond this a float is no exact count, and beyond 64 bits becomes another number
            if (numbers.dropna().abs() > 2**53).any():
                raise ValueError(f"column {name}: a number beyond 2^53")
            out[name] = pd.Series(numbers, dtype="Int64")
    return pd.DataFrame(out)


def _floats(column: pd.Series) -> pd.Series[float]:
    """Return numbers or their text as float64, exactly (pandas 2 reads text less exactly)."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("float64")
    text = np.where(column.notna(), column, "nan").astype(str)
    return pd.Series(text.astype(np.float64), index=column.index)


def columns_as_markdown() -> str:
    """Return the table of the columns for docs/results.md."""
    rows = [f"| `{name}` | {about} | {unit} |" for name, (_, about, unit) in COLUMNS.items()]
    return "\n".join(["| column | meaning | unit |", "| --- | --- | --- |", *rows])

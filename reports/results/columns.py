"""The columns of `results.csv`, and reading and writing it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.errors import TableError
from reports.results.checked import check_numbers, check_texts
from reports.results.csv_file import read_csv
from reports.results.manifest import check_seal

RESULTS = "results.csv"
SCHEMA = 1

# name: (kind, meaning, unit); docs/files.md's table is written from this, a test compares the two
COLUMNS: dict[str, tuple[str, str, str]] = {
    "schema": ("int", "version of these columns", ""),
    "cell": ("str", "hash of all that identifies the row", "16 hex digits"),
    "dataset": ("str", "data set", ""),
    "network": ("str", "network with its parameters", ""),
    "attack": ("str", "attack with its parameters, eps left out", ""),
    "norm": ("str", "norm that bounds the attack, or that it minimises", "inf, 2, ..."),
    "eps": ("float", "bound of the perturbation; empty without one", "pixels in [0, 1]"),
    "threat": ("str", "what the attacker knows: oblivious, adaptive, ...", ""),
    "defence": ("str", "defence with its parameters, quality left out", ""),
    "quality": ("int", "JPEG quality; empty for other defences", "1 to 100"),
    "attack_params": ("str", "every parameter of the attack as JSON", ""),
    "samples": ("str", "images asked for", "images, or all"),
    "seed": ("int", "seed of subset and attack", ""),
    "n": ("int", "images scored", "images"),
    "status": ("str", "ok, skipped or failed", ""),
    "reason": ("str", "why a row is not ok", ""),
    "clean_correct": ("int", "images right behind the defence without attack", "images"),
    "clean_accuracy": ("float", "clean accuracy behind the defence", "share"),
    "correct": ("int", "images right behind the defence under attack", "images"),
    "accuracy": ("float", "robust accuracy behind the defence", "share"),
    "accuracy_low": ("float", "its Wilson 95 % limit, lower", "share"),
    "accuracy_high": ("float", "its Wilson 95 % limit, upper", "share"),
    "success_rate": ("float", "success among the images that were right", "share"),
    "l2_mean": ("float", "L2 norm of the perturbation, mean", "pixels in [0, 1]"),
    "l2_median": ("float", "the same, median", "pixels in [0, 1]"),
    "l2_max": ("float", "the same, largest", "pixels in [0, 1]"),
    "linf_mean": ("float", "Linf norm of the perturbation, mean", "pixels in [0, 1]"),
    "linf_median": ("float", "the same, median", "pixels in [0, 1]"),
    "linf_max": ("float", "the same, largest", "pixels in [0, 1]"),
    "zero_gradient": ("float", "images whose loss gradient is zero in every pixel", "share"),
    "over_budget": ("int", "beyond eps (+ 1e-6 + 1e-5 eps) or outside [0, 1]", "images"),
    "gradients": ("float", "backward passes an image, as the attack by itself needs", "passes"),
    "forwards": ("float", "forward passes an image outside the gradients, likewise", "passes"),
    "data_sha256": ("str", "hash of the images scored", "16 hex digits"),
    "weights_sha256": ("str", "hash of the weights", "16 hex digits"),
}

_DTYPES = {"int": "Int64", "float": "float64", "str": "str"}


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table with exactly the documented columns and types."""
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    return typed(table)


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """The documented columns with the documented types; missing text is the empty string."""
    out: dict[str, pd.Series[Any]] = {}
    for name, (kind, _, _) in COLUMNS.items():
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
            out[name] = pd.Series(numbers, dtype=_DTYPES[kind])
    return pd.DataFrame(out)


def _floats(column: pd.Series[Any]) -> pd.Series[float]:
    """Numbers or their text as float64, to the last bit (pandas 2 reads text less exactly)."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("float64")
    text = np.where(column.notna(), column, "nan").astype(str)
    return pd.Series(text.astype(np.float64), index=column.index)


def write_results(table: pd.DataFrame, path: Path) -> None:
    """Write `results.csv`: the same table gives the same bytes, on every pandas.

    Floats are written with the fewest digits that read back to the same number.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in table[list(COLUMNS)].itertuples(index=False, name=None):
            writer.writerow([_text(v) for v in row])


def read_results(path: Path) -> pd.DataFrame:
    """Read a `results.csv`, or that of a run directory.

    That of a directory must be as the run wrote it (see `results.manifest`).

    Raises TableError for a missing file, unknown columns, a schema that this version cannot read,
    or impossible numbers.
    """
    file = path / RESULTS if path.is_dir() else path
    if not file.is_file():
        raise TableError(
            f"results {path}: no such file or run directory; name a results.csv or its folder"
        )
    if path.is_dir():
        check_seal(file)
    table = read_csv(file, "results")
    missing = [name for name in COLUMNS if name not in table.columns]
    if "schema" in table.columns and len(table):
        versions = set(table["schema"])
        if versions != {str(SCHEMA)}:
            raise TableError(
                f"results {file}: schema {', '.join(sorted(versions))[:80]}, this version of"
                f" art-bench reads {SCHEMA}; use the version that wrote it, or run the grid again"
            )
    if missing:
        raise TableError(
            f"results {file}: lacks the columns {', '.join(missing[:5])}; name a results.csv"
        )
    try:
        found = typed(table.astype(object).replace("", None))
    except (ValueError, TypeError, OverflowError) as error:
        raise TableError(
            f"results {file}: {str(error).splitlines()[0][:200]}; write it anew"
        ) from error
    return check_numbers(check_texts(found, file), file)


def _text(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def columns_as_markdown() -> str:
    """The table of the columns in docs/files.md."""
    rows = [f"| `{name}` | {about} | {unit} |" for name, (_, about, unit) in COLUMNS.items()]
    return "\n".join(["| column | meaning | unit |", "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    print(columns_as_markdown())

"""All rows of a results file as compact JSON for the page's table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.results.columns import ADDED, COLUMNS, REQUIRED
from reports.results.csv_file import read_csv, require
from reports.results.read_write import NAMES
from reports.results.rows import Row
from reports.results.values import by_value
from reports.style.labels import NO_LABELS, Labels

# key, heading, how it is shown; `a|b` is a column made of two
MAIN: tuple[tuple[str, str, str], ...] = (
    ("dataset", "Data set", "text"),
    ("network", "Network", "text"),
    ("attack", "Attack", "text"),
    ("norm", "Norm", "norm"),
    ("eps", "eps", "number"),
    ("threat", "Threat", "text"),
    ("defence|quality", "Defence", "defence"),
    ("n", "Images", "number"),
    ("accuracy", "Accuracy", "accuracy"),
    ("accuracy_low|accuracy_high", "95 % interval", "interval"),
    ("clean_accuracy", "Clean accuracy", "percent"),
    ("draws", "Draws", "number"),
    ("accuracy_worst_draw", "Worst draw", "percent"),
    ("proved", "Proved", "number"),
    ("proved_low|proved_high", "Proved, 95 % interval", "interval"),
    ("success_rate", "Success", "percent"),
    ("broken_by", "Broken by", "parts"),
    ("l0_median", "L0, median", "short"),
    ("l1_median", "L1, median", "short"),
    ("l2_median", "L2, median", "short"),
    ("linf_max", "L∞, largest", "short"),
    ("zero_gradient", "Zero gradient", "percent"),
    ("nan_gradient", "NaN gradient", "percent"),
    ("non_finite", "NaN outputs", "number"),
    ("status", "Status", "text"),
)
# shown only where an attack has this norm
_OF_NORM = {"l0_median": "0", "l1_median": "1"}
FILTERS = ("dataset", "network", "attack", "threat", "defence|quality", "status")


def cell_data(file: Path, labels: Labels = NO_LABELS) -> Row:
    """Return the text of a `results.csv`, column by column, ready for JSON.

    rows: their number. columns: in the order of the file, each with `name`, its distinct `values`
    as a run writes them, and `codes`, the value's place for each row; without codes there is one
    value per row. So the page can reproduce the exact text of the file. main, filters: the columns
    that the page shows at first and filters by. labels: what people read in place of names, by
    column and name.

    Raises TableError for a file without the documented columns.
    """
    table = by_value(read_csv(file, "results", NAMES))
    require(table, REQUIRED, f"results {file}", "write it again")
    columns: list[Row] = []
    for name in table.columns:
        values = table[name].tolist()
        distinct = {value: code for code, value in enumerate(dict.fromkeys(values))}
        if len(distinct) > len(values) / 2:
            columns.append({"name": name, "values": values})
        else:
            codes = [distinct[value] for value in values]
            columns.append({"name": name, "values": list(distinct), "codes": codes})
    # earlier versions wrote no such columns; some count faults that no network should have, parts
    # that no attack has, or draws that few defences make
    idle = [name for name in ADDED if name not in table or set(table[name]) <= _idle(name)]
    norms = set(table["norm"])
    idle += [name for name, norm in _OF_NORM.items() if norm not in norms]
    shown = [column for column in MAIN if not set(column[0].split("|")) & set(idle)]
    main = [{"key": key, "label": label, "show": show} for key, label, show in shown]
    headings = {key: heading for key, heading, _ in MAIN}
    filters = [{"key": key, "label": headings[key]} for key in FILTERS]
    units = {name: f" ({unit})" if unit else "" for name, (_, _, unit) in COLUMNS.items()}
    about = {name: meaning + units[name] for name, (_, meaning, _) in COLUMNS.items()}
    cells = {"rows": len(table), "columns": columns, "labels": _labels(table, labels)}
    return {**cells, "main": main, "filters": filters, "about": about}


def _labels(table: pd.DataFrame, labels: Labels) -> dict[str, dict[str, str]]:
    """Return the labels that differ from their names, by column and name."""
    kinds = {"dataset": labels.dataset, "network": labels.network, "attack": labels.attack}
    kinds["threat"] = labels.threat
    found = {kind: {n: label(n) for n in set(table[kind])} for kind, label in kinds.items()}
    pairs = set(zip(table["defence"], table["quality"], strict=True))
    found["defence|quality"] = {
        " ".join(filter(None, pair)): labels.behind(
            {"defence": pair[0], "quality": float(pair[1]) if pair[1] else None}
        )
        for pair in sorted(pairs)
    }
    return {
        kind: {name: label for name, label in sorted(names.items()) if label != name}
        for kind, names in found.items()
    }


def _idle(name: str) -> set[str]:
    """Return the values of a column that tell nothing; that nothing is proved tells something."""
    return {""} if name.startswith("proved") else {"", "0", "0.0"}

"""The cell behind each card: where the plot starts, and its accuracy by class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from reports.page.card import Card
from reports.results.csv_file import read_csv, require
from reports.results.rows import Row, as_rows, select
from reports.results.threats import Threats
from reports.style.labels import Labels

PER_CLASS = "per_class.csv"
_SHOWN = ("class", "class_name", "n", "clean_accuracy", "accuracy", "accuracy_low", "accuracy_high")
MOST_CLASSES = 50


def start(table: pd.DataFrame, card: Card | None, threats: Threats) -> Row:
    """Return what the plot shows at first, in the text of the table: the case of a card.

    The attack is the strongest of its cells, the threat the best informed that they name. Without
    a card, and without cells of it, nothing is chosen.
    """
    cells = None if card is None else _cells(table, card)
    if cells is None or cells.empty:
        return {}
    row = as_rows(cells.head(1))[0]
    begin = {name: str(row[name]) for name in ("dataset", "network", "norm", "attack")}
    # an attack may have no cells under some threats
    named = dict.fromkeys(cells.loc[cells["attack"] == row["attack"], "threat"].sort_index())
    best = max(named, key=lambda t: (threats.sees_defence(t), not threats.crafted_elsewhere(t)))
    return {**begin, "threat": str(best), "eps": row["eps"]}


def by_class(
    directory: Path, table: pd.DataFrame, cards: Sequence[Card], labels: Labels
) -> list[Row]:
    """Return accuracy by class of the strongest undefended attack of each card, lowest first.

    Empty without `per_class.csv`. Raises TableError for a file that lacks its columns.
    """
    path = directory / PER_CLASS
    if not path.is_file():
        return []
    classes = read_csv(path, "table")
    require(classes, ("cell", *_SHOWN), f"table {path}", "write it again with bench report")
    found = []
    for card in cards:
        cells = _cells(table, card)
        bare = cells[cells["defence"] == "none"]
        for cell in (bare if len(bare) else cells).head(1).itertuples():
            own = classes[classes["cell"] == cell.cell].copy()
            for name in _SHOWN[2:]:
                own[name] = pd.to_numeric(own[name], errors="coerce")
            rows = as_rows(own.sort_values("accuracy", kind="stable"))
            where = labels.subject(card.dataset, card.network)
            title = f"{where}, {labels.attack(str(cell.attack))}, {card.budget}"
            left_out = max(0, len(rows) - MOST_CLASSES)
            found.append({"title": title, "rows": rows[:MOST_CLASSES], "left_out": left_out})
    return [case for case in found if case["rows"]]


def _cells(table: pd.DataFrame, card: Card) -> pd.DataFrame:
    """Return the cells at the budget of a card, the lowest accuracy first."""
    done = table[(table["status"] == "ok") & table["accuracy"].notna()]
    done = select(done, dataset=card.dataset, network=card.network, norm=card.norm)
    done = done[done["eps"].isna() if card.eps is None else done["eps"] == card.eps]
    return done.sort_values("accuracy", kind="stable")

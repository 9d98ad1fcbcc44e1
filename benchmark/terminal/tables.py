"""Tables of a run in a terminal: the main figures, and accuracy against passes."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonprefix

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from benchmark.terminal.console import styled
from reports.results.rows import Row, as_rows
from reports.style.labels import Labels
from reports.style.shortened import shortened
from reports.style.summary import at_which_eps, best_defence

SHOWN_CURVES, SHOWN_PASSES = 12, (10, 50, 200, 1000, 2000, 10_000)
# letters that a name keeps however narrow the terminal is
LEAST = 10


def headline_table(points: Sequence[Row], labels: Labels, width: int) -> Group:
    """Return the accuracies of `operating_points` as a table for a terminal of some width.

    A column has what differs: networks if there are several, with the data set if there are
    several of those; the title names the others. An attacker has one if a defence was scored.
    """
    datasets = {point["dataset"] for point in points}
    networks = {(point["dataset"], point["network"]) for point in points}
    subject = labels.dataset(points[0]["dataset"]) if len(datasets) == 1 else ""
    columns = {}
    if len(datasets) > 1:
        columns["network"] = [labels.place(p["dataset"], p["network"]) for p in points]
    elif len(networks) > 1:
        columns["network"] = [labels.network(point["network"]) for point in points]
    else:
        subject = labels.subject(*next(iter(networks)))
    columns["attack"] = [labels.attack(point["attack"]) for point in points]
    columns["eps"] = [_eps(point, points) for point in points]
    columns["clean"] = [f"{point['clean']:.3g}" for point in points]
    columns["bare"] = [f"{point['undefended']:.3g}" for point in points]
    # names need the room more than headings
    head, tail = (
        ("best\ndefence,\n", "") if "network" in columns else ("best defence,\n", " attacker")
    )
    best = {
        f"{head}{who}{tail}": [best_defence(point, who, labels) for point in points]
        for who in ("unaware", "aware")
    }
    columns |= {heading: texts for heading, texts in best.items() if any(texts)}
    title = f"accuracy{at_which_eps(points)}"
    return _table(columns, f"{subject}: {title}" if subject else title, width)


def curves_table(known: pd.DataFrame, labels: Labels, width: int) -> Group:
    """Return accuracy against passes, of the attacks that count them image by image."""
    marks = [p for p in SHOWN_PASSES if p <= known["passes"].max()]
    columns: dict[str, list[str]] = {"network": [], "attack": [], "attacker, defence": []}
    columns |= {f"{passes:,}": [] for passes in marks}
    for _, cell in list(known.groupby("cell", sort=False))[:SHOWN_CURVES]:
        first = as_rows(cell[:1])[0]
        eps = "" if first["eps"] is None else f" {first['eps']:.3g}"
        defence = labels.defence(first["defence"], first["quality"])
        columns["network"].append(labels.place(first["dataset"], first["network"]))
        columns["attack"].append(f"{labels.attack(first['attack'])}{eps}")
        columns["attacker, defence"].append(f"{labels.threat(first['threat'])}, {defence}")
        for passes in marks:
            reached = cell[cell["passes"] <= passes]["accuracy"]
            columns[f"{passes:,}"].append(f"{reached.iloc[-1]:.3g}")
    return _table(columns, "accuracy after so many passes per image", width)


def _table(columns: dict[str, list[str]], title: str, width: int) -> Group:
    """Return a table of names, then numbers; names are cut in the middle to leave room for them."""
    names = [n for n in columns if n in ("network", "attack", "attacker, defence")]
    room = width - 1
    for heading, texts in columns.items():
        longest = max(map(len, (*texts, *heading.split("\n"))))
        room -= 3 + (longest if heading not in names else 0)
    shares = _shares([max(map(len, (*columns[name], name))) for name in names], room)
    table = Table(box=SIMPLE_HEAD)
    # in less than this no column can be whole
    least = LEAST if width >= 60 else None
    for name, share in zip(names, shares, strict=True):
        shown = _told_apart(columns[name], share)
        columns = {**columns, name: shown}
        table.add_column(
            name, min_width=least and min(max(map(len, shown)), least), overflow="fold"
        )
    for heading in [heading for heading in columns if heading not in names]:
        # a number stays whole; the name of a defence beside it may go to the next line
        whole = not any(" " in text for text in columns[heading])
        table.add_column(heading, justify="right", no_wrap=whole, overflow="fold")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(styled, row))
    # a title of the table itself would be no wider than that
    return Group(styled(title, "italic"), table)


def _told_apart(texts: Sequence[str], width: int) -> list[str]:
    """Return texts of at most `width` letters that differ where the texts do.

    Where what they have in common takes all the room it is left out; where that is not enough,
    they take more lines.
    """
    distinct = list(dict.fromkeys(texts))
    # letters, not folders
    same = commonprefix(distinct) if len(distinct) > 1 else ""  # noqa: RUF071
    rest = [text[len(same) :] for text in texts]
    ways = [[shortened(text, width) for text in texts]]
    if len(same) > 1:
        ways.append([f"…{t}" if len(t) < width else f"…{t[: max(width - 2, 1)]}…" for t in rest])
    ways += [[shortened(text, lines * width) for text in texts] for lines in (2, 3, 4, 5)]
    return next((way for way in ways if len(set(way)) == len(distinct)), ways[-1])


def _shares(wanted: Sequence[int], room: int) -> list[int]:
    """Return how many letters each column of names gets: all it wants, if its fair share is less.

    None gets less than `LEAST`.
    """
    left, shares = room, dict.fromkeys(range(len(wanted)), 0)
    order = sorted(shares, key=lambda n: wanted[n])
    for place, n in enumerate(order):
        shares[n] = min(wanted[n], max(left // (len(order) - place), LEAST))
        left -= shares[n]
    return [shares[n] for n in range(len(wanted))]


def _eps(point: Row, points: Sequence[Row]) -> str:
    """Return an eps; in brackets if it does not halve the accuracy, where others do."""
    if point["eps"] is None:
        return ""
    text = f"{point['eps']:.3g}"
    some = any(other["halved"] for other in points if other["eps"] is not None)
    return text if point["halved"] or not some else f"({text})"

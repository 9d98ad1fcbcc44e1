"""The caption of each plot of a run: what it shows and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from reports.results.operating_point import operating_points
from reports.results.rows import Row, as_rows
from reports.statistics.tests import at_most
from reports.style.file_names import file_name
from reports.style.labels import Labels
from reports.style.numbers import percent, size
from reports.style.summary import best_defence
from reports.worst_case.brackets import LOOSE, Bracket, widest_bracket


class Kind(NamedTuple):
    """One kind of plot.

    id: for links. title: its heading. shows: what it shows. concludes: what follows from it.
    alt: the kind in a few words, for a screen reader.
    """

    id: str
    title: str
    shows: str
    concludes: str
    alt: str


class Figure(NamedTuple):
    """One plot.

    path: its file. title: attack and data set. alt: its text for a screen reader. numbers: its main
    numbers in words.
    """

    path: Path
    title: str
    alt: str
    numbers: str


_KINDS: dict[str, Kind] = {
    "accuracy": Kind(
        "accuracy-by-eps",
        "Accuracy against the size of the attack",
        "Accuracy as the attacker may change the images more. One line per defence: black is no"
        " defence, dashed grey is rounding to 8 bits alone, colours are JPEG from high quality"
        " (light) to low (dark). First column: the attacker does not see the defence. Further"
        " right: it does.",
        "The distance of a coloured line above the dashed grey one is the gain by JPEG. A gap on"
        " the left that closes on the right is no robustness: it only holds against an unaware"
        " attacker. Where lines start lower at eps 0, the defence costs clean accuracy.",
        "Line chart of accuracy under attack against eps, one line per defence",
    ),
    "bracket": Kind(
        "from-both-sides",
        "Robust accuracy from both sides",
        "Black: the share of images that no attack of the run breaks within eps, an upper bound."
        " Colours: the share that is proved right for every image within eps, a lower bound. The"
        " true robust accuracy lies between them. Bands are 95 % intervals over images.",
        f"Where the lines meet, nothing is left to find. {LOOSE}",
        "Line chart of the shares of images proved and not broken against eps",
    ),
    "threats": Kind(
        "both-attackers",
        "The same attack, with and without sight of the defence",
        "Accuracy against JPEG quality, one line per threat, at the smallest eps that halves the"
        " accuracy of the undefended network.",
        "The distance between the oblivious attacker's line and the others is robustness that an"
        " aware attacker removes. For a public defence quote the lowest line.",
        "Line chart of accuracy against JPEG quality, one line per threat",
    ),
    "clean": Kind(
        "clean-by-quality",
        "What JPEG costs without any attack",
        "Accuracy on clean images against JPEG quality; the dotted line is the same network without"
        " JPEG.",
        "Qualities below the bend of a line cost accuracy on every image, attacked or not.",
        "Line chart of clean accuracy against JPEG quality, one line per network",
    ),
    "success": Kind(
        "attack-success",
        "How often the attacks succeed",
        "Share of the right images that the attack turns, on undefended networks. The dotted line"
        " is the control: random signs of the same size, which ignore the network.",
        "An attack must lie above the control, and an iterative attack not below a one-step attack;"
        " otherwise the attack fails, and the network is not shown to be robust.",
        "Line chart of attack success against eps, one line per attack",
    ),
    "heatmap": Kind(
        "heat-maps",
        "Every eps by every quality",
        "The same numbers as the lines, in per cent, one square per cell: light is right, dark is"
        " wrong. Rows are defences, columns are eps.",
        "A row shows how fast a defence gives way; a column shows which quality is best at a given"
        " eps.",
        "Heat map of accuracy by eps and JPEG quality",
    ),
    "transfer": Kind(
        "transfer",
        "Images crafted on one network, scored on another",
        "Accuracy without a defence: rows are the networks that the images were crafted on, columns"
        " the networks that they were scored on. On the diagonal both are the same.",
        "A network whose column is dark off the diagonal can be attacked without access to it. A"
        " network that falls to another's images but not to its own has misleading gradients.",
        "Matrix of accuracy, crafted on by scored on",
    ),
    "passes": Kind(
        "accuracy-by-passes",
        "Accuracy against what the attack may spend",
        "Accuracy after so many forward and backward passes per image, for attacks that count them"
        " image by image.",
        "A line that is flat at its right end says that the search has found what it will find; one"
        " that still falls asks for a larger budget. At equal passes the lower line is the stronger"
        " attack.",
        "Line chart of accuracy under attack against passes per image",
    ),
    "corruptions": Kind(
        "error-by-severity",
        "Errors under corruptions",
        "Share of wrong images against the severity of each corruption, 1 to 5, one line per"
        " network and defence. The dotted line is the error without corruption.",
        "A steep line is a corruption that the network does not bear. Nobody chose these images to"
        " fool the network: this is no robustness against an attacker.",
        "Line charts of error against severity, one panel per corruption",
    ),
    "other": Kind("more-plots", "More plots", "Other figures of this run.", "", "Plot"),
}
# the order on the page; heat maps repeat what the lines say
ORDER = (
    "accuracy", "bracket", "threats", "transfer", "clean", "success", "passes", "heatmap",
    "corruptions", "other",
)  # fmt: skip


def kinds(
    paths: list[Path], table: pd.DataFrame, labels: Labels, proved: Sequence[Bracket] = ()
) -> list[tuple[Kind, list[Figure]]]:
    """Return the plots by kind, in the order of the page, each with its caption.

    Kinds without plots are omitted. table: the run's results, for the numbers of each plot.
    proved: its brackets.
    """
    points = as_rows(operating_points(table, labels.threats))
    subjects = _subjects(table)
    by_kind: dict[str, list[Figure]] = {name: [] for name in ORDER}
    order = {stem: place for place, stem in enumerate(subjects)}
    for path in sorted(paths, key=lambda p: (order.get(p.stem, len(order)), p.name)):
        first = path.stem.partition("-")[0]
        name = first if first in _KINDS else "other"
        dataset, attack = subjects.get(path.stem, ("", ""))
        numbers = []
        for point in points:
            if attack and point["attack"] == attack and dataset in ("", point["dataset"]):
                where = labels.place(str(point["dataset"]), str(point["network"]))
                numbers.append(f"{where}: {_numbers(point, name, labels)}")
        of_data = [b for b in proved if file_name("bracket", b.dataset) == path.stem]
        for network in dict.fromkeys(b.network for b in of_data):
            widest = widest_bracket(of_data, of_data[0].dataset, network)
            numbers += [_bracket(widest, labels)] if widest else []
        named = (
            labels.dataset(of_data[0].dataset)
            if of_data
            else labels.attack(attack) or _plain(path.stem)
        )
        title = f"{named} on {labels.dataset(dataset)}" if dataset and attack else named
        alt = f"{_KINDS[name].alt}: {title}. {'; '.join(numbers)}".rstrip(". ") + "."
        by_kind[name].append(Figure(path, title, alt, "; ".join(numbers)))
    return [(_KINDS[name], by_kind[name]) for name in ORDER if by_kind[name]]


def _numbers(point: Row, kind: str, labels: Labels) -> str:
    """Return the main numbers of one network under one attack."""
    at = "" if point["eps"] is None else f" at eps {point['eps']:.4g}"
    unaware, aware = (best_defence(point, who, labels) for who in ("unaware", "aware"))
    if kind == "threats" and unaware and aware:
        return f"best defence{at}: {unaware} under an unaware attacker, {aware} under an aware one"
    return f"{percent(point['clean'])} clean, {percent(point['undefended'])}{at} without a defence"


def _bracket(bracket: Bracket, labels: Labels) -> str:
    """Return one bracket in words, with what its open images would take."""
    where = f"{labels.network(bracket.network)} at {size(bracket.eps)}"
    text = f"{where}, where the most is open: {bracket.text()}"
    return "; ".join(filter(None, (text, bracket.branching())))


def chance(table: pd.DataFrame) -> str:
    """Return the margin of error of a point of a plot, in words; empty for an empty table."""
    sizes = table.loc[table["status"] == "ok", "n"].dropna()
    if sizes.empty:
        return ""
    least, most = int(sizes.min()), int(sizes.max())
    margin = f"a margin of up to ±{at_most(most):.1f} points (95 %)"
    text = f"Each point is over {most:,} images, with {margin}"
    if least < most:
        text += f"; of cells with {least:,} images up to ±{at_most(least):.1f}"
    return text + ". The table below has the interval of every cell."


def _subjects(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return data set and attack of the files of `reports.plots.plots`, by file name."""
    subjects: dict[str, tuple[str, str]] = {}
    pairs = table[["dataset", "attack"]].drop_duplicates().itertuples(index=False, name=None)
    for dataset, attack in pairs:
        for kind in ("accuracy", "heatmap", "transfer"):
            subjects[file_name(kind, dataset, attack)] = (dataset, attack)
        subjects[file_name("threats", attack)] = ("", attack)
    return subjects


def _plain(stem: str) -> str:
    return {
        "clean-accuracy-quality": "all networks",
        "success-norm-inf": "attacks bounded in L∞",
        "success-norm-2": "attacks bounded in L2",
        "passes": "attacks that count passes by image",
        "success-norm-1": "attacks bounded in L1",
        "success-norm-0": "attacks bounded in L0",
    }.get(stem, stem.replace("-", " ").replace("_", " "))

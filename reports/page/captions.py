"""What each plot of a run shows and what may be concluded from it, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from reports.audit.finding import percent
from reports.statistics.tests import at_most


class Kind(NamedTuple):
    """One kind of plot. id: for links. title, shows, concludes: what the page says of it."""

    id: str
    title: str
    shows: str
    concludes: str


class Figure(NamedTuple):
    """One plot. title: what it is about. alt: for who does not see it. seen: its numbers."""

    path: Path
    title: str
    alt: str
    seen: str


_KINDS: dict[str, Kind] = {
    "accuracy": Kind(
        "accuracy-by-eps",
        "Accuracy against the size of the attack",
        "How many images stay right as the attacker may change them more. One line a defence;"
        " black is no defence, dashed grey is rounding to 8 bits alone, colours are JPEG from high"
        " quality (light) to low (dark). First column: the attacker does not know of the defence."
        " Further right: it does.",
        "A coloured line above the dashed grey one is what JPEG itself gives. A gap that is there"
        " on the left and closed on the right is no robustness: it only holds against someone who"
        " does not know. Where lines start lower at eps 0, the defence costs clean accuracy.",
    ),
    "threats": Kind(
        "both-attackers",
        "The same attack, with and without knowledge of the defence",
        "Accuracy against JPEG quality, one line an attacker, at the eps where the undefended"
        " network has lost half of its accuracy.",
        "The distance between the oblivious attacker's line and the others is what was due to its"
        " ignorance. The lowest line is the one to quote for a defence that is public.",
    ),
    "clean": Kind(
        "clean-by-quality",
        "What JPEG costs without any attack",
        "Accuracy on clean images against JPEG quality; the dotted line is the same network without"
        " JPEG.",
        "Quality to the left of where a line bends down is paid for by everyone, attacked or not.",
    ),
    "success": Kind(
        "attack-success",
        "How often the attacks succeed",
        "Share of the images that were right and are turned, on undefended networks. The dotted"
        " line is the control: random signs of the same size, which look at nothing.",
        "An attack must lie above the control, and an iterative one not below a one-step one; where"
        " it does not, the attack is at fault and not the network robust.",
    ),
    "heatmap": Kind(
        "heat-maps",
        "Every eps by every quality",
        "The same numbers as the lines, in percent, one square a cell: light is right, dark is"
        " wrong. Rows are defences, columns are eps.",
        "Read along a row how fast a defence gives way, and down a column which quality is best at"
        " a given attack.",
    ),
    "transfer": Kind(
        "transfer",
        "Images crafted on one network, scored on another",
        "Accuracy without a defence: rows are the networks that the images were crafted on, columns"
        " those that saw them. On the diagonal both are the same.",
        "A column that is dark off its diagonal can be attacked without access to the network."
        " Where a network falls to another's images and not to its own, its gradients mislead.",
    ),
    "other": Kind("more-plots", "More plots", "Other figures of this run.", ""),
}
# the order on the page; heat maps repeat what the lines say
ORDER = ("accuracy", "threats", "transfer", "clean", "success", "heatmap", "other")


def kinds(paths: list[Path], table: pd.DataFrame) -> list[tuple[Kind, list[Figure]]]:
    """Plots by kind, in the order of the page, each with its words; kinds without plots left out.

    `table` is the run's results: it gives each plot its numbers.
    """
    from reports.results.operating_point import headline
    from reports.style.labels import attack_name, data_name, place

    points = headline(table).to_dict("records")
    subjects = _subjects(table)
    found: dict[str, list[Figure]] = {name: [] for name in ORDER}
    order = {stem: place for place, stem in enumerate(subjects)}
    for path in sorted(paths, key=lambda p: (order.get(p.stem, len(order)), p.name)):
        first = path.stem.partition("-")[0]
        name = first if first in _KINDS else "other"
        dataset, attack = subjects.get(path.stem, ("", ""))
        seen = []
        for point in points:
            if attack and point["attack"] == attack and dataset in ("", point["dataset"]):
                where = place(str(point["dataset"]), str(point["network"]))
                seen.append(f"{where}: {_numbers(point, name)}")
        named = attack_name(attack) or _plain(path.stem)
        title = f"{named} on {data_name(dataset)}" if dataset and attack else named
        alt = f"{_ALT[name]}: {title}. {'; '.join(seen)}".rstrip(". ") + "."
        found[name].append(Figure(path, title, alt, "; ".join(seen)))
    return [(_KINDS[name], found[name]) for name in ORDER if found[name]]


_ALT = {
    "accuracy": "Line chart of accuracy under attack against eps, one line a defence",
    "threats": "Line chart of accuracy against JPEG quality, one line an attacker",
    "clean": "Line chart of clean accuracy against JPEG quality, one line a network",
    "success": "Line chart of attack success against eps, one line an attack",
    "heatmap": "Heat map of accuracy by eps and JPEG quality",
    "transfer": "Matrix of accuracy, crafted on by scored on",
    "other": "Plot",
}


def _numbers(point: dict[Any, Any], kind: str) -> str:
    """The main figures of one network under one attack."""
    at = "" if pd.isna(point["eps"]) else f" at eps {point['eps']:.4g}"
    if kind == "threats" and point["oblivious"] and point["adaptive"]:
        blind, knowing = point["oblivious"], point["adaptive"]
        return f"best JPEG{at} {blind} unknown, {knowing} known to the attacker"
    return f"{percent(point['clean'])} clean, {percent(point['undefended'])}{at} without a defence"


def chance(table: pd.DataFrame) -> str:
    """How far a point of a plot may lie off by chance, in words; empty for an empty table."""
    sizes = table.loc[table["status"] == "ok", "n"].dropna()
    if sizes.empty:
        return ""
    least, most = int(sizes.min()), int(sizes.max())

    def points(n: int) -> str:
        return f"{at_most(n):.1f}"

    told = (
        f"Each point stands for {most:,} images and may be off by up to ±{points(most)} points by"
        " chance (95 %)"
    )
    if least < most:
        told += f"; cells with {least:,} images by up to ±{points(least)}"
    return told + ". The table below has the interval of every cell."


def _subjects(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """What the files of `reports.plots.plots` are about: data set and attack by file name."""
    from reports.style.labels import file_name

    found: dict[str, tuple[str, str]] = {}
    pairs = table[["dataset", "attack"]].drop_duplicates().itertuples(index=False, name=None)
    for dataset, attack in pairs:
        for kind in ("accuracy", "heatmap", "transfer"):
            found[file_name(kind, dataset, attack)] = (dataset, attack)
        found[file_name("threats", attack)] = ("", attack)
    return found


def _plain(stem: str) -> str:
    return {
        "clean-accuracy-quality": "all networks",
        "success-norm-inf": "attacks bounded in L∞",
        "success-norm-2": "attacks bounded in L2",
    }.get(stem, stem.replace("-", " ").replace("_", " "))

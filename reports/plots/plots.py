"""Draw all figures of a results table as PNG files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reports.corruptions.errors import kind_of
from reports.plots.bars import accuracy_by_attack, accuracy_by_defence
from reports.plots.brackets import bracket_by_eps
from reports.plots.corruptions import corruption_figures
from reports.plots.eps import accuracy_by_eps, heat_map, success_by_eps
from reports.plots.passes import accuracy_by_passes
from reports.plots.quality import clean_by_quality, threats_by_quality
from reports.plots.saving import remove_others, save_all
from reports.plots.threats import transfer_figures
from reports.results.passes import curves
from reports.style.defence_lines import qualities
from reports.style.file_names import FileName, file_name
from reports.style.labels import NO_LABELS, Labels
from reports.worst_case.brackets import brackets

# fewer defences are read from the lines
_FEWEST_OF_A_HEAT_MAP = 4


@dataclass(frozen=True)
class Plot:
    """A figure that a table has the rows for.

    name: of its file. draw: returns it. flat: empty, or a sentence that says all there is to see,
    where every number is the same; then it is not drawn.
    """

    name: FileName
    draw: Callable[[], Figure]
    flat: str = ""


def draw_all(
    table: pd.DataFrame,
    directory: Path,
    labels: Labels = NO_LABELS,
    certificates: pd.DataFrame | None = None,
) -> list[Path]:
    """Draw every figure that a results table has the rows for, as PNG files in a directory.

    Figures of an earlier table are removed from it. A figure in which every number is the same is
    left out; see `left_out`.

    certificates: what the run proved, if anything.
    """
    plots = list(_plots(table, labels, certificates))
    if plots:
        directory.mkdir(parents=True, exist_ok=True)
    drawn = ((plot.name, plot.draw()) for plot in plots if not plot.flat)
    written = save_all(drawn, directory)
    remove_others(directory, written)
    return written


def left_out(table: pd.DataFrame, labels: Labels = NO_LABELS) -> list[str]:
    """Return a sentence for each figure that `draw_all` leaves out since it has one number only."""
    return list(dict.fromkeys(plot.flat for plot in _plots(table, labels, None) if plot.flat))


def _plots(table: pd.DataFrame, named: Labels, certificates: pd.DataFrame | None) -> Iterator[Plot]:
    done, labels = table[table["status"] == "ok"].copy(), named.for_figures()
    if done.empty:
        return
    proved = brackets(certificates)
    for data in dict.fromkeys(bracket.dataset for bracket in proved):
        own = [bracket for bracket in proved if bracket.dataset == data]
        yield Plot(file_name("bracket", data), partial(bracket_by_eps, own, labels))
    for dataset, rows in done.groupby("dataset", sort=False):
        yield from _of_dataset(str(dataset), rows, named)
    yield from _by_quality(done, named)
    for name, figure in transfer_figures(done, labels):
        yield Plot(name, figure)
    if not curves(done).empty:
        yield Plot(file_name("passes"), partial(accuracy_by_passes, done, labels))
    for name, figure in corruption_figures(done, labels):
        yield Plot(name, figure)
    bare = done[done["eps"].notna() & (done["defence"] == "none")]
    for norm, rows in bare.groupby("norm", sort=False):
        if rows["eps"].nunique() > 1:
            flat = "" if rows["success_rate"].fillna(0).any() else "No attack turns any image."
            name = file_name("success", f"norm-{norm}")
            yield Plot(name, partial(success_by_eps, rows, labels), flat)


def _of_dataset(dataset: str, rows: pd.DataFrame, named: Labels) -> Iterator[Plot]:
    """Yield accuracy against eps and defence, or as bars where attacks have one eps or none."""
    labels = named.for_figures()
    # a severity is no eps; several have a figure of their own
    rows = rows[~_at_several_severities(rows)]
    each = list(rows.groupby("attack", sort=False))
    single = [str(attack) for attack, own in each if _levels(own) <= 1]
    lone = rows[rows["attack"].isin(single)]
    together = len(single) > 1 and len(lone[["defence", "quality"]].drop_duplicates()) == 1
    if together:
        name = file_name("bars", dataset)
        flat = _flat(lone, f"{named.dataset(dataset)}: accuracy under every attack")
        yield Plot(name, partial(accuracy_by_attack, lone, labels), flat)
    for attack, own in each:
        flat = _flat(own, f"{named.dataset(dataset)}, {named.attack(str(attack))}: accuracy")
        if attack in single and not together:
            name = file_name("bars", dataset, str(attack))
            yield Plot(name, partial(accuracy_by_defence, own, labels), flat)
        elif attack not in single:
            bounded = own[own["eps"].notna()]
            name = file_name("accuracy", dataset, str(attack))
            yield Plot(name, partial(accuracy_by_eps, bounded, labels), flat)
            if len(own[["defence", "quality"]].drop_duplicates()) >= _FEWEST_OF_A_HEAT_MAP:
                name = file_name("heatmap", dataset, str(attack))
                yield Plot(name, partial(heat_map, bounded, labels), flat)


def _by_quality(done: pd.DataFrame, named: Labels) -> Iterator[Plot]:
    """Yield accuracy against the quality of each defence that has several."""
    labels = named.for_figures()
    for defence, known in qualities(done).items():
        if len(known) < 2:
            continue
        label = named.defence(defence)
        # files of JPEG have no name of a defence
        more = () if defence == "jpeg" else (defence,)
        name = file_name("clean-accuracy-quality", *more)
        own = done[done["defence"].isin((defence, "none"))]
        behind = own[own["defence"] == defence]
        every = (behind["clean_accuracy"] == 1).all()
        flat = f"Clean accuracy is 100 % behind {label} at every quality." if every else ""
        yield Plot(name, partial(clean_by_quality, own, defence, labels), flat)
        for attack, rows in own.groupby("attack", sort=False):
            mine, bare = rows[rows["defence"] == defence], (rows["defence"] == "none").any()
            if bare and mine["threat"].nunique() > 1 and mine["quality"].nunique() > 1:
                where = (str(attack),) if defence == "jpeg" else (f"{attack} behind {defence}",)
                name = file_name("threats", *where)
                flat = _flat(rows, f"{named.attack(str(attack))}: accuracy behind {label}")
                yield Plot(name, partial(threats_by_quality, rows, defence, labels), flat)


def _levels(rows: pd.DataFrame) -> int:
    """Return the most eps that the rows of one network have."""
    return int(rows.groupby("network")["eps"].nunique().max())


def _at_several_severities(rows: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows of a data set are in the figure of corruptions at several severities."""
    kinds = rows["attack"].map(kind_of)
    corrupted = kinds != ""
    counts = rows[corrupted].groupby(kinds[corrupted])["attack"].nunique()
    return corrupted if (counts > 1).any() else corrupted & False


def _flat(rows: pd.DataFrame, subject: str) -> str:
    """Return a sentence for rows that all have an accuracy of 1 or of 0; empty for others."""
    for value, text in ((1.0, "100 %"), (0.0, "0 %")):
        if (rows["accuracy"] == value).all():
            return f"{subject} is {text} in every cell."
    return ""

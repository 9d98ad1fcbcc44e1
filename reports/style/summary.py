"""The accuracies that sum a run up, as text: for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterable

from reports.results.rows import Row
from reports.style.labels import Labels


def best_defence(point: Row, attacker: str, labels: Labels) -> str:
    """Return the accuracy behind the best defence with its name: `0.416 JPEG 10`.

    point: of `operating_points`. attacker: `unaware` or `aware`. Empty without such a cell.
    """
    accuracy = point[attacker]
    if accuracy is None:
        return ""
    defence = labels.defence(point[f"{attacker}_defence"], point[f"{attacker}_quality"])
    return f"{accuracy:.3f} {defence}"


def at_which_eps(points: Iterable[Row]) -> str:
    """Return where the accuracies of `operating_points` are taken: the end of a title."""
    bounded = [point for point in points if point["eps"] is not None]
    if not bounded:
        return ""
    halved = [point["halved"] for point in bounded]
    if all(halved):
        return " at the smallest eps that halves the bare network's"
    if any(halved):
        others = "(eps in brackets: the largest, which does not halve it)"
        return f" at the smallest eps that halves the bare network's\n{others}"
    return " at the largest eps; none halves the bare network's"

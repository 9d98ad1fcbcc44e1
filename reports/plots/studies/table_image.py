"""A table as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

ROW = 0.235


def table_figure(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    widths: Sequence[float],
    right: Sequence[int],
    title: str,
    note: str = "",
    bold: Sequence[int] = (),
) -> Figure:
    """Draw a table with a title above and a note below.

    widths: of the columns, inches. right: numbers of the columns that are set to the right.
    bold: numbers of the rows that stand out.
    """
    width = sum(widths)
    text = fill(note, int(width * 17)) if note else ""
    below = 0.19 * (text.count("\n") + 1) + 0.12 if text else 0.15
    body = ROW * (len(rows) + 1)
    height = body + below + 0.5
    figure = Figure(figsize=(width + 0.4, height))
    left = 0.2 / (width + 0.4)
    ax = figure.add_axes((left, below / height, width / (width + 0.4), body / height))
    ax.set_axis_off()
    shares = [w / width for w in widths]
    cells, head, box = [list(row) for row in rows], list(header), Bbox.unit()
    table = ax.table(cells, colLabels=head, colWidths=shares, bbox=box, edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(8.5)
    for (row, column), cell in table.get_celld().items():
        cell.set_edgecolor("#777777" if row == 0 else "#dddddd")
        cell.get_text().set_horizontalalignment("right" if column in right else "left")
        # the padding of a cell is a share of its width
        cell.PAD = 0.06 / (widths[column] / width) / width
        if row == 0 or row - 1 in bold:
            cell.get_text().set_fontweight("bold")
    figure.text(left, 1 - 0.14 / height, title, fontsize=10, va="top")
    if text:
        figure.text(left, (below - 0.06) / height, text, fontsize=8, va="top")
    return figure

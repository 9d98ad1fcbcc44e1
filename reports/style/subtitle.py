"""What a run did, in one line: networks, data, attacks, defences, images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from reports.results.rows import as_rows
from reports.style.labels import Labels
from reports.style.numbers import count

# names of one kind that are listed; the others are counted
_LISTED = 4


def subtitle(table: pd.DataFrame, labels: Labels) -> str:
    """Return what a run did in one line.

    Such as `LeNet on digits under FGSM and PGD, without and behind JPEG; 250 images`.

    table: its results. Rows without a number count as much as the others.
    """
    if table.empty:
        return ""
    networks = named([labels.network(n) for n in table["network"]], "networks")
    datasets = named([labels.dataset(n) for n in table["dataset"]], "data sets")
    attacks = named([labels.attack(n) for n in table["attack"]], "attacks")
    defended = table[table["defence"] != "none"]
    # qualities are not listed: `JPEG`, not eleven of them
    kinds = [_kind(row["defence"], row["quality"], labels)
             for row in as_rows(defended[["defence", "quality"]])]  # fmt: skip
    text = f"{networks} on {datasets} under {attacks}"
    if kinds:
        bare = "without and " if len(defended) < len(table) else ""
        text += f", {bare}behind {named(kinds, 'defences')}"
    sizes = sorted({int(n) for n in table["n"].dropna() if n})
    if sizes:
        least = "" if len(sizes) == 1 else f"{sizes[0]:,} to "
        text += f"; {least}{count(sizes[-1], 'image')}"
    return text


def named(names: Iterable[str], things: str) -> str:
    """Return names as a sentence lists them: `a`, `a and b`, `a, b, c and 3 other things`."""
    once = list(dict.fromkeys(names))
    if len(once) > _LISTED + 1:
        once = [*once[:_LISTED], f"{len(once) - _LISTED} other {things}"]
    return _joined(once)


def _joined(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _kind(defence: str, quality: float | None, labels: Labels) -> str:
    """Return a defence without its quality, unless a label of the user names both."""
    whole = labels.defence(defence, quality)
    return whole if quality is None else whole.removesuffix(f" {int(quality)}")

"""The checks that two runs must pass for their numbers to be comparable, and their exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import eq

import numpy as np
import pandas as pd

from reports.errors import TableError
from reports.results.values import parsed, same_hash, same_params
from reports.style.cell_names import describe
from reports.style.labels import Labels


@dataclass(frozen=True)
class Agreement:
    """One check. column: what must agree in both rows. same: whether two values of it agree."""

    column: str
    same: Callable[[str, str], bool]


# by the name that --allow takes
CHECKS: dict[str, Agreement] = {
    "data": Agreement("data_sha256", same_hash),
    "samples": Agreement("samples", eq),
    "weights": Agreement("weights_sha256", same_hash),
    "attack-params": Agreement("attack_params", same_params),
}
# it has no meaning without an attack
OF_ATTACK = "attack-params"
_SEPARATOR = "; "


class NotComparableError(TableError):
    """Two runs whose numbers are not comparable; the message says why and where."""


def parse_allow(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of checks in texts that may hold several, separated by commas.

    Raises TableError for an unknown one.
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    for name in names:
        if name not in CHECKS:
            known = ", ".join(CHECKS)
            raise TableError(f"--allow: unknown check {name[:60]!r}; known: {known}")
    return tuple(name for name in CHECKS if name in names)


def with_exceptions(
    cells: pd.DataFrame, name: str, force: bool, allow: tuple[str, ...], labels: Labels
) -> pd.DataFrame:
    """Return the cells with what does not agree in them.

    Column `allowed`: the names in `allow` of checks that differ. Column `warning`: what else
    differs, in words. name: the run that is compared with A. Raises NotComparableError if a warning
    is not empty, unless `force`.
    """
    both = (cells["state"] == "both").to_numpy()
    warnings: list[list[str]] = [[] for _ in range(len(cells))]
    allowed: list[list[str]] = [[] for _ in range(len(cells))]
    faults, needed = [], []
    for check, agreement in CHECKS.items():
        column = agreement.column
        left, right = cells[f"{column}_a"].to_numpy(), cells[f"{column}_b"].to_numpy()
        differ = [
            int(i)
            for i in np.flatnonzero(both & (left != right))
            if not agreement.same(left[i], right[i])
        ]
        for i in differ:
            if check in allow:
                allowed[i].append(check)
            else:
                warnings[i].append(_warning(check))
        if differ and check not in allow:
            at = differ[0]
            first = f"{_apart(left[at], right[at])}; {describe(cells.iloc[at], labels=labels)}"
            faults.append(
                f"{column} differs in {len(differ)} of {both.sum()} cells (first: {first})"
            )
            needed.append(check)
    if faults and not force:
        raise NotComparableError(
            f"not comparable with {name}: {_SEPARATOR.join(faults)}; --allow {','.join(needed)}"
            " compares them as they are, and --force whatever differs"
        )
    texts = {"warning": warnings, "allowed": allowed}
    return cells.assign(**{key: [_SEPARATOR.join(p) for p in v] for key, v in texts.items()})


def without_attack(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the columns `warning` and `allowed` of rows that are about no attack."""
    drop = {"warning": _warning(OF_ATTACK), "allowed": OF_ATTACK}
    return pd.DataFrame(
        {
            name: [
                _SEPARATOR.join(part for part in text.split(_SEPARATOR) if part != gone)
                for text in cells[name]
            ]
            for name, gone in drop.items()
        },
        index=cells.index,
    )


def exceptions(rows: pd.DataFrame, allow: tuple[str, ...]) -> list[str]:
    """Return how many rows used each exception, one sentence for all; none without `allow`."""
    if not allow:
        return []
    used = rows["allowed"].str.split(_SEPARATOR)
    counts = {name: int(used.map(lambda names, n=name: n in names).sum()) for name in allow}
    said = ", ".join(
        f"{name} (differs in {n:,} of {len(rows):,} rows)" for name, n in counts.items()
    )
    return [f"Allowed to differ: {said}."]


def _warning(check: str) -> str:
    return f"{CHECKS[check].column} differs"


def _apart(left: str, right: str) -> str:
    """Return the two values in words; of parameters only those that differ."""
    a, b = parsed(left), parsed(right)
    if not (isinstance(a, dict) and isinstance(b, dict)):
        return f"{left or 'none'} in A, {right or 'none'} in B"
    missing = "nothing"
    names = [k for k in sorted({*a, *b}) if a.get(k, missing) != b.get(k, missing)]
    return ", ".join(f"{k} {a.get(k, missing)} in A, {b.get(k, missing)} in B" for k in names[:3])

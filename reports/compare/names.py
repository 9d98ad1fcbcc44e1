"""Names that differ between two runs and mean the same: by label, or as the user says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reports.compare.runs import Run, keyed
from reports.errors import TableError
from reports.style.cell_names import label_of

# a threat is the same in all runs
COLUMNS = ("dataset", "network", "attack", "defence")


@dataclass(frozen=True)
class Match:
    """A name of A and the name of another run that are taken as one.

    column: the column of both. a, b: the names. why: the reason, in words.
    """

    column: str
    a: str
    b: str
    why: str = "as --match says"

    def __str__(self) -> str:
        return f"The {self.column} {self.b} is compared with {self.a} in A ({self.why})."


def parse_match(text: str) -> tuple[str, str]:
    """Return both sides of `OLD=NEW`; the `=` inside brackets belongs to a name.

    Raises TableError for another text.
    """
    depth = 0
    for at, character in enumerate(text):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "=" and depth == 0:
            old, new = text[:at].strip(), text[at + 1 :].strip()
            if old and new:
                return old, new
            break
    expected = "expected OLD=NEW, a name or label of the first run and one of the other"
    raise TableError(f"--match {text[:100]!r}: {expected}")


def matches(a: Run, b: Run, asked: Sequence[tuple[str, str]]) -> tuple[Match, ...]:
    """Return the names of B that stand for names of A.

    asked: pairs of a name or label of A and one of B. Of the other names those are matched that
    only one of the runs has, and whose labels are equal and tell them apart in their run; then
    networks that differ in the file of their weights alone.

    Raises TableError for a pair that names nothing, and for two pairs that name the same.
    """
    found = [_asked(a, b, old, new) for old, new in asked]
    for side in ("a", "b"):
        counts = Counter((match.column, getattr(match, side)) for match in found)
        for (_, name), count in counts.items():
            if count > 1:
                raise TableError(f"--match: {name} is named {count} times; name it once")
    for column in COLUMNS:
        for name, other, label in _equal(*_left(a, b, column, found)):
            found.append(Match(column, name, other, f"both have the label {label}"))
    left = [{n: _without_weights(n) for n in names} for names in _left(a, b, "network", found)]
    for name, other, _ in _equal(*left):
        found.append(Match("network", name, other, "the same network with other weights"))
    return tuple(found)


def renamed(run: Run, found: Iterable[Match]) -> Run:
    """Return B with the names that A has; rows of B that had such a name already are left out."""
    table = run.table
    labels = {kind: dict(names) for kind, names in run.labels.names.items()}
    for match in found:
        table = table[table[match.column] != match.a] if match.a != match.b else table
        column = table[match.column].replace({match.b: match.a})
        table = table.assign(**{match.column: column})
        of_kind = labels.setdefault(f"{match.column}s", {})
        if match.b in of_kind:
            of_kind.setdefault(match.a, of_kind[match.b])
    kept = replace(run, table=table.reset_index(drop=True))
    return keyed(replace(kept, labels=replace(run.labels, names=labels)))


def hint(a: Run, b: Run) -> str:
    """Return how to pair two runs whose networks have different names; empty if that is not why."""
    of_a, of_b = (_names(run, "network") for run in (a, b))
    only_a, only_b = [n for n in of_a if n not in of_b], [n for n in of_b if n not in of_a]
    if not only_a or not only_b:
        return ""
    return f"to compare other networks with each other, add --match '{only_a[0]}={only_b[0]}'"


def _asked(a: Run, b: Run, old: str, new: str) -> Match:
    for column in ("network", *COLUMNS):
        in_a, in_b = _find(a, column, old), _find(b, column, new)
        if in_a is not None and in_b is not None:
            return Match(column, in_a, in_b)
    for run, text in ((a, old), (b, new)):
        if all(_find(run, column, text) is None for column in COLUMNS):
            known = ", ".join(list(_names(run, "network"))[:12])
            raise TableError(
                f"--match '{old}={new}': {run.name} has no name or label {text!r};"
                f" its networks: {known}"
            )
    raise TableError(f"--match '{old}={new}': these are names of different kinds; name one kind")


def _find(run: Run, column: str, text: str) -> str | None:
    """Return the name in a column that a text is, whose label it is, or that has parameters."""
    names = _names(run, column)
    if text in names:
        return text
    called = [name for name, label in names.items() if label.casefold() == text.casefold()]
    called = called or [name for name in names if name.partition("[")[0] == text]
    return called[0] if len(called) == 1 else None


def _names(run: Run, column: str) -> dict[str, str]:
    """Return the names of a column in their order, each with its label."""
    return {str(n): label_of(column, str(n), run.labels) for n in run.table[column].unique()}


def _left(a: Run, b: Run, column: str, found: Iterable[Match]) -> list[dict[str, str]]:
    """Return the names, with their labels, that one run has alone and that are not matched yet."""
    of_a, of_b = (_names(run, column) for run in (a, b))
    done = {(match.column, side) for match in found for side in (match.a, match.b)}
    return [
        {n: label for n, label in own.items() if n not in other and (column, n) not in done}
        for own, other in ((of_a, of_b), (of_b, of_a))
    ]


def _equal(a: Mapping[str, str], b: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the names of A and B whose texts are equal and tell them apart, with the text."""
    names_a, names_b = _unique(a), _unique(b)
    return [(name, names_b[text], text) for text, name in names_a.items() if text in names_b]


def _without_weights(name: str) -> str:
    """Return the name of a network without the file of its weights: `lenet[weights=w.pt]`."""
    name = re.sub(r"(?<=[\[,])weights=[^\[\],]*,?", "", name)
    return name.replace(",]", "]").replace("[]", "")


def _unique(labels: Mapping[str, str]) -> dict[str, str]:
    """Return name by label, of the labels that one name has."""
    counts = Counter(labels.values())
    return {label: name for name, label in labels.items() if counts[label] == 1}

"""The labels that a user gives to the names of a grid: what is read in place of each name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmark.grids.expand import LABEL, LABELLED, specs
from benchmark.grids.model import Grid
from benchmark.threats import threat
from estimators.data.geometry import dataset_name
from estimators.errors import InputError, unknown
from estimators.spec import Spec

LONGEST = 60
# spec by name as in `results.csv`, for each key of a grid file
Used = Mapping[str, Mapping[str, Spec]]
# label by name as in `results.csv`, for each key of a grid file
Given = dict[str, dict[str, str]]


def given_labels(grid: Grid) -> Given:
    """Return the labels that the entries of a grid and its key `labels` give.

    A name is written as in `results.csv`; that of a defence with a quality is `NAME QUALITY`.
    Where a label stands for several names, what differs follows it.

    Raises InputError for a label that cannot be shown, for a name that the grid does not have, and
    where entries give a name two labels.
    """
    used = used_names(grid)
    given: Given = {}
    for kind, name, label in _of_entries(grid):
        other = given.setdefault(kind, {}).setdefault(name, label)
        if other != label:
            raise InputError(f"{name}: two labels, {other!r} and {label!r}; give one of them")
    # they come from the command line too, whose labels replace those of the file
    for kind, name, label in _of_mapping(grid.labels, used):
        given.setdefault(kind, {})[name] = label
    return given


def used_names(grid: Grid) -> dict[str, dict[str, Spec]]:
    """Return the names of a grid by key, as in `results.csv`, each with its spec."""
    used: dict[str, dict[str, Spec]] = {kind: {} for kind in LABELLED}
    for cell in grid.cells():
        sources = [cell.network, threat(cell.threat).source]
        found = {
            "datasets": [Spec(cell.dataset)],
            "networks": [source for source in sources if source is not None],
            "attacks": [cell.attack.without("eps")],
            "defences": [cell.defence],
        }
        for kind, listed in found.items():
            used[kind].update({_name(spec): spec for spec in listed})
    return used


def with_labels(grid: Grid, texts: Sequence[str], networks: Sequence[Spec] = ()) -> Grid:
    """Return a grid with the labels of the option `--label`: `NAME=TEXT`, or `TEXT` alone.

    networks: those of `--network`; a text alone is the label of the only one.

    Raises InputError where a text names nothing of the grid.
    """
    if not texts:
        return grid
    used, labels = used_names(grid), dict(grid.labels)
    specs_of = [(own, spec) for kind in LABELLED for own, spec in used[kind].items()]
    known = {spelling for own, spec in specs_of for spelling in (*_spellings(own, spec), spec.name)}
    for text in texts:
        # names may hold equals signs: the longest that fits
        fits = max((name for name in known if text.startswith(f"{name}=")), key=len, default="")
        if fits:
            labels[fits] = text[len(fits) + 1 :]
        elif len(networks) == 1 and len(texts) == 1:
            labels[str(networks[0])] = text
        elif "=" in text:
            raise _unknown(text.partition("=")[0], used)
        else:
            raise InputError(f"--label {text}: a label of what? Write --label 'NAME={text}'")
    changed = grid.model_copy(deep=True)
    changed.labels = labels
    return changed


def checked_label(text: object, of: str) -> str:
    """Return the label of a name, which fits into a table, a plot and a page.

    Raises InputError for what is not a text of one line, or too long.
    """
    if not isinstance(text, str):
        raise InputError(f"label of {of}: expected a text, got {text!r}; write it in quotes")
    label = text.strip()
    if not label or len(label) > LONGEST or not label.isprintable():
        wanted = f"1 to {LONGEST} printable characters on one line"
        raise InputError(f"label of {of}: expected {wanted}, got {label[: LONGEST + 1]!r}")
    return label


def _of_entries(grid: Grid) -> Iterator[tuple[str, str, str]]:
    """Yield key, name and label for each name that a labelled entry stands for."""
    for key, entry in grid.entries():
        if key in LABELLED and isinstance(entry, dict) and LABEL in entry:
            label = checked_label(entry[LABEL], str(entry.get("name")))
            yield from _each(key, [_in_results(grid, key, s) for s in specs([entry], key)], label)


def _of_mapping(labels: Mapping[str, str], used: Used) -> Iterator[tuple[str, str, str]]:
    """Yield key, name and label for each name that the key `labels` of a grid names.

    A name without parameters, which the grid has only with some, stands for all of these.
    """
    for name, text in labels.items():
        label = checked_label(text, name)
        found = _written(name, used) or _bare(name, used)
        if not found:
            raise _unknown(name, used)
        if len(found) > 1:
            among = " and ".join(found)
            raise InputError(f"label of {name}: it is among the {among}; label the entry itself")
        for kind, those in found.items():
            yield from _each(kind, those, label)


def _written(name: str, used: Used) -> dict[str, list[Spec]]:
    """Return what is written like a name, by key."""
    pairs = {k: [s for own, s in used[k].items() if name in _spellings(own, s)] for k in LABELLED}
    return {kind: found for kind, found in pairs.items() if found}


def _bare(name: str, used: Used) -> dict[str, list[Spec]]:
    """Return what has a name, whatever its parameters, by key."""
    pairs = {k: [s for s in used[k].values() if s.name == name] for k in LABELLED}
    return {kind: found for kind, found in pairs.items() if found}


def _each(kind: str, found: Iterable[Spec], label: str) -> Iterator[tuple[str, str, str]]:
    """Yield key, name and label of specs; with several, the parameters that differ follow it."""
    listed = {_name(spec): spec for spec in found}
    params = {param for spec in listed.values() for param in spec.kwargs}
    varied = {p for p in params if len({spec.get(p) for spec in listed.values()}) > 1}
    for name, spec in listed.items():
        rest = Spec("", tuple((p, v) for p, v in spec.params if p in varied))
        yield kind, name, label + _name(rest)


def _in_results(grid: Grid, key: str, spec: Spec) -> Spec:
    """Return a spec of a grid's entry as its cells have it."""
    if key == "datasets":
        return Spec(dataset_name(spec))
    return grid.with_engine(spec).without("eps") if key == "attacks" else spec


def _name(spec: Spec) -> str:
    """Return how `results.csv` names a spec: the quality is a column of its own."""
    quality = spec.get("quality")
    return str(spec) if quality is None else f"{spec.without('quality')} {quality}"


def _spellings(name: str, spec: Spec) -> tuple[str, ...]:
    """Return how a user may write a name: as the results, as it prints, as the command line."""
    printed = str(spec)
    if not spec.params:
        return name, printed
    return name, printed, f"{spec.name}:{printed[len(spec.name) + 1 : -1]}"


def _unknown(name: str, used: Used) -> InputError:
    return unknown("name to label", name, [own for kind in LABELLED for own in used[kind]])

"""What `bench list` shows: everything that a grid can name, grids and studies, a line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark.attacks.entry import AttackEntry
from benchmark.attacks.registry import LIBRARIES
from benchmark.certificates.registry import CERTIFICATES
from benchmark.grids.model import load_grid, shipped_grids
from benchmark.grids.names import count, plugin_rows, rows
from benchmark.studies.registry import STUDIES
from estimators.entries import Entry
from estimators.errors import unknown
from estimators.plugins import installed

Row = tuple[str, str, str]


@dataclass(frozen=True)
class Kind:
    """One kind of names.

    title: its heading. summary: one line. rows: returns a row (name, summary, parameters or size)
    per name; plug-ins are imported. count: returns the number of names, without importing any.
    """

    title: str
    summary: str
    rows: Callable[[], list[Row]]
    count: Callable[[], int]


def _of_grids(key: str, title: str, summary: str) -> Kind:
    """Return the kind of a key of a grid file."""
    return Kind(title, summary, lambda: [_row(entry) for entry in rows(key)], lambda: count(key))


def _grids() -> list[Row]:
    grids = {name: load_grid(name) for name in shipped_grids()}
    return [(name, g.description, f"{len(g.cells()):,} cells") for name, g in grids.items()]


def _studies() -> list[Row]:
    own = [
        (name, f"{study.summary} ({_figures(study.figures)})", study.parameters())
        for name, study in STUDIES.items()
    ]
    return [*own, *map(_row, plugin_rows("studies"))]


# by the name that `bench list` takes
KINDS = {
    "attacks": _of_grids("attacks", "attacks", "how adversarial images are made"),
    "threats": _of_grids("threats", "threats", "what the attacker knows"),
    "defences": _of_grids("defences", "defences", "what is done to an image before the network"),
    "networks": _of_grids("networks", "networks", "what is attacked"),
    "datasets": _of_grids("datasets", "data sets", "the images, with their labels"),
    "certificates": Kind(
        "certificates",
        "methods that prove a lower bound",
        lambda: [_row(entry) for entry in CERTIFICATES.values()],
        lambda: len(CERTIFICATES),
    ),
    "grids": Kind("grids", "grid files that are included", _grids, lambda: len(shipped_grids())),
    "studies": Kind(
        "studies",
        "analyses of the paper, for `bench study`",
        _studies,
        lambda: len(STUDIES) + len(installed("studies")),
    ),
}


def catalogue() -> dict[str, list[Row]]:
    """Return rows (name, summary, parameters or size) by title."""
    return {kind.title: kind.rows() for kind in KINDS.values()}


def kind_of(text: str) -> Kind:
    """Return the kind that a text names: `attacks`, `attack`, `data sets`, `dataset`.

    Raises InputError for another text.
    """
    plain = text.lower().replace(" ", "").replace("-", "").replace("_", "")
    for name, kind in KINDS.items():
        if plain in (name, name.removesuffix("s"), name.removesuffix("ies") + "y"):
            return kind
    raise unknown("kind of names", text, KINDS)


def library_catalogue(attack: str) -> dict[str, list[Row]]:
    """Return a row per attack of a library, by title; the library is imported.

    attack: `foolbox:`, or with the beginning of names, `foolbox:Linf`.

    Raises InputError for another library, one that is missing, and where no name begins so.
    """
    family, _, beginning = attack.partition(":")
    if family not in LIBRARIES:
        raise unknown("library of attacks", family, LIBRARIES)
    library = LIBRARIES[family]
    attacks = library.attacks()
    found = [entry for name, entry in attacks.items() if name.startswith(beginning)]
    if not found:
        raise unknown(f"attack of {family}", beginning, attacks)
    rows = [(entry.name, _bound(entry), entry.parameters()) for entry in found]
    return {f"attacks of {library.version}": rows}


def _bound(entry: AttackEntry) -> str:
    """Return the norm of an attack, and its summary."""
    norms = " or ".join(f"L{norm}" for norm in entry.allowed.get("norm", (entry.norm,)))
    bound = f"{norms} {'within eps' if entry.bounded else 'smallest'}"
    return f"{bound}: {entry.summary}" if entry.summary else bound


def _row(entry: Entry) -> Row:
    return entry.name, entry.summary, entry.parameters()


def _figures(numbers: str) -> str:
    """Return in words which figures of the paper a study repeats."""
    if not numbers[0].isdigit():
        return numbers.removeprefix("none: ")
    return f"Figure {numbers}" if numbers.isalnum() else f"Figures {numbers}"

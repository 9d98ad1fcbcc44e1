"""What `bench list` shows: everything that a grid can name, grids and studies, a line each."""

from __future__ import annotations

from benchmark.attacks.entry import AttackEntry
from benchmark.attacks.registry import LIBRARIES
from benchmark.certificates.registry import CERTIFICATES
from benchmark.grids.model import load_grid, shipped_grids
from benchmark.grids.names import plugin_rows, rows
from benchmark.studies.registry import STUDIES
from estimators.entries import Entry
from estimators.errors import unknown

Row = tuple[str, str, str]
TITLES = {
    "attacks": "attacks",
    "threats": "threats",
    "defences": "defences",
    "networks": "networks",
    "datasets": "data sets",
}


def catalogue() -> dict[str, list[Row]]:
    """Return rows (name, summary, parameters or size) by title."""
    lists = {title: [_row(entry) for entry in rows(key)] for key, title in TITLES.items()}
    lists["certificates"] = [_row(entry) for entry in CERTIFICATES.values()]
    grids = {name: load_grid(name) for name in shipped_grids()}
    lists["grids"] = [
        (name, grid.description, f"{len(grid.cells()):,} cells") for name, grid in grids.items()
    ]
    lists["studies"] = [
        *(
            (name, f"{study.summary} ({_figures(study.figures)})", study.parameters())
            for name, study in STUDIES.items()
        ),
        *map(_row, plugin_rows("studies")),
    ]
    return lists


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

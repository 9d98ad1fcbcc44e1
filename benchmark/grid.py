"""Grid files: YAML in, cells out."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.attack_lookup import attack_kind, check_attack
from benchmark.cell import Cell, Samples
from benchmark.threats import threat_text
from estimators.errors import InputError, unknown
from estimators.plugins import FAMILIES
from estimators.spec import Spec, parse_spec

SHIPPED = Path(__file__).parent / "grids"

Scalar = bool | int | float | str | None
Entry = str | dict[str, Scalar | list[Scalar | list[Scalar]]]
Count = int | Literal["all"]
# what NumPy's RandomState takes
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
# of one product; the largest shipped grid has 6,266 cells
MOST_CELLS = 1_000_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Block(_Strict):
    """One product of a grid: every data set by every network, attack, threat and defence.

    What a block leaves out is taken from the grid.
    """

    datasets: list[str] | None = None
    networks: list[Entry] | None = None
    attacks: list[Entry] | None = None
    threats: list[Entry] | None = None
    defences: list[Entry] | None = None
    samples: Count | None = None
    seed: Seed | None = None


class Grid(_Strict):
    """A grid file. An entry is a name, or a mapping of `name` and parameters.

    A parameter with a list of values stands for one entry a value, except a network's mean and std,
    whose lists have a value a channel.
    engine: `fast`, or `stock` for ART's own attack classes throughout.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    description: str = ""
    # pydantic copies mutable defaults
    datasets: list[str] = ["digits"]
    networks: list[Entry] = ["lenet"]
    attacks: list[Entry] = []
    threats: list[Entry] = ["oblivious", "adaptive"]
    defences: list[Entry] = ["none"]
    samples: Count = 100
    seed: Seed = 0
    engine: Literal["fast", "stock"] = "fast"
    blocks: list[Block] = [Block()]

    def cells(self) -> list[Cell]:
        """Every cell of every block, each once, in the order of the file."""
        found: dict[Cell, None] = {}
        for block in self.blocks:
            _check_size(
                len(self._of(block, "datasets")),
                *(self._of(block, key) for key in ("networks", "attacks", "threats", "defences")),
            )
            product = itertools.product(
                self._of(block, "datasets"),
                _specs(self._of(block, "networks"), "networks"),
                [self._engine(a) for a in _specs(self._of(block, "attacks"), "attacks")],
                _threats(self._of(block, "threats")),
                _specs(self._of(block, "defences"), "defences"),
            )
            samples, seed = self._of(block, "samples"), self._of(block, "seed")
            for dataset, network, attack, threat, defence in product:
                cell = Cell(dataset, network, attack, threat, defence, samples, seed)
                found[cell] = None
        return list(found)

    def _of(self, block: Block, key: str) -> Any:
        own = getattr(block, key)
        return getattr(self, key) if own is None else own

    def _engine(self, attack: Spec) -> Spec:
        has_engine = "engine" in attack_kind(attack).defaults
        if self.engine == "stock" and has_engine and attack.get("engine") is None:
            attack = Spec.of(attack.name, attack.kwargs, engine="stock")
        return check_attack(attack)


# what stands before a colon and is no code of the file's choice
NOT_CODE: dict[str, tuple[str, ...]] = {
    "datasets": ("npz", "imagefolder"),
    "networks": FAMILIES,
    "threats": FAMILIES,
}
_CODE = re.compile(r"(?<![\w.])([A-Za-z_][\w.]*):(?=[A-Za-z_])")
# a list in these is one value, a number for each channel
VECTORS = ("mean", "std")


def load_grid(name: str | Path, allow_import: bool = False) -> Grid:
    """A shipped grid by name, or a grid file.

    allow_import: a file may name code as `package.module:thing`; it runs here.

    Raises InputError that names the file, the key, what was found and what is allowed.
    """
    path = Path(name)
    if not path.suffix and not path.is_file():
        path = SHIPPED / f"{name}.yaml"
        if not path.is_file():
            raise unknown("grid", str(name), [*shipped_grids(), "FILE.yaml"])
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"grid {path}: cannot be read ({error})") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = " ".join(str(error).split())
        raise InputError(f"grid {path}: not YAML ({first[:200]})") from error
    if not isinstance(content, dict):
        raise InputError(f"grid {path}: a mapping wanted, found {type(content).__name__}")
    content.setdefault("name", path.stem)
    try:
        grid = Grid.model_validate(content)
    except ValidationError as error:
        raise InputError(f"grid {path}: {_told(error)}") from error
    try:
        if not allow_import:
            refuse_imports(grid)
        if not grid.cells():
            raise InputError("no cells: name at least one attack")
    except InputError as error:
        raise InputError(f"grid {path}: {error}") from error
    return grid


def refuse_imports(grid: Grid) -> None:
    """InputError where a grid names code outside ART and the installed plug-ins."""
    for block in grid.blocks:
        for key in ("datasets", "networks", "attacks", "threats", "defences"):
            for entry in grid._of(block, key):
                for text in _texts(entry):
                    # `NAME:PARAMETER=VALUE`; no threat is code itself
                    refuse_import(key, text.partition(":")[2] if key == "threats" else text)


def refuse_import(key: str, text: str) -> None:
    """InputError where a text of a grid file has `package.module:thing` in it: code to import."""
    allowed = NOT_CODE.get(key, ())
    if key == "datasets" and text.partition(":")[0] in allowed:
        return  # the rest is a path
    if any(found.group(1) not in allowed for found in _CODE.finditer(text)):
        raise InputError(
            f"key {key}: {text!r} is code to import, which a grid file may not ask for (a dotted"
            " name must begin with 'art.'); add --allow-import if you trust the file, or name it"
            " on the command line"
        )


def shipped_grids() -> list[str]:
    """The names of the grids that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def narrowed(
    grid: Grid,
    datasets: Sequence[str] = (),
    networks: Sequence[Spec] = (),
    attacks: Sequence[Spec] = (),
    threats: Sequence[str | Spec] = (),
    defences: Sequence[Spec] = (),
    samples: Samples | None = None,
    seed: int | None = None,
) -> Grid:
    """The grid with what was asked for on the command line.

    A name that the grid has narrows it; one that it lacks takes the place of the grid's own.
    """
    changed = grid.model_copy(deep=True)
    for block in changed.blocks:
        for key in ("datasets", "networks", "attacks", "threats", "defences", "samples", "seed"):
            setattr(block, key, grid._of(block, key))
        if samples is not None:
            block.samples = samples
        if seed is not None:
            block.seed = seed
    _narrow(changed, "datasets", datasets, str)
    wanted = [parse_spec(t) if isinstance(t, str) else t for t in threats]
    _narrow(changed, "threats", [entry_of(s) for s in wanted], _entry_name)
    _narrow(changed, "networks", [entry_of(s) for s in networks], _entry_name)
    _narrow(changed, "attacks", [entry_of(s) for s in attacks], _entry_name)
    _narrow(changed, "defences", [entry_of(s) for s in defences], _entry_name)
    return changed


def grid_hash(cells: Iterable[Cell]) -> str:
    """8 hex digits for a list of cells: names the run directory."""
    text = json.dumps([str(c) + f"|{c.samples}|{c.seed}" for c in cells])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _narrow(grid: Grid, key: str, wanted: Sequence[Any], name: Any) -> None:
    if not wanted:
        return
    names = {name(w) for w in wanted if not _has_params(w)}
    has = {name(own) for block in grid.blocks for own in getattr(block, key)}
    strangers = [w for w in wanted if _has_params(w) or name(w) not in has]
    kept = []
    for block in grid.blocks:
        own = [o for o in getattr(block, key) if name(o) in names]
        if strangers:
            own += strangers
        if own:
            setattr(block, key, own)
            kept.append(block)
    grid.blocks = kept


def _has_params(entry: Any) -> bool:
    return isinstance(entry, dict)


def entry_of(spec: Spec) -> Entry:
    """A spec as a grid file has it, where a list stands for several values."""
    params: dict[str, Any] = {
        name: value
        if not isinstance(value, tuple)
        else list(value)
        if name in VECTORS
        else [list(value)]
        for name, value in spec.params
    }
    return {"name": spec.name, **params} if params else spec.name


def _entry_name(entry: Entry) -> str:
    return entry if isinstance(entry, str) else str(entry.get("name"))


def _texts(entry: Any) -> Iterator[str]:
    """The name of an entry and every text among its parameters; a file of weights is data."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, list):
        for value in entry:
            yield from _texts(value)
    elif isinstance(entry, dict):
        yield from _texts([value for param, value in entry.items() if param != "weights"])


def _check_size(others: int, *entries: list[Entry]) -> None:
    """Raise InputError for a product of too many cells before any of it is multiplied out."""
    size = others
    for listed in entries:
        size *= sum(
            math.prod(len(v) for v in entry.values() if isinstance(v, list))
            if isinstance(entry, dict)
            else 1
            for entry in listed
        )
    if size > MOST_CELLS:
        raise InputError(
            f"a product of {min(size, 10**15):,} cells or more; at most {MOST_CELLS:,} wanted:"
            " shorten its lists"
        )


def _specs(entries: list[Entry], key: str) -> list[Spec]:
    """Entries as specs; lists of values are multiplied out."""
    found = []
    for entry in entries:
        if isinstance(entry, str):
            found.append(Spec(entry))
            continue
        name = entry.get("name")
        if not isinstance(name, str):
            raise InputError(f"key {key}: an entry needs a `name`, found {entry!r}")
        params: dict[str, list[Any]] = {
            k: v if isinstance(v, list) and k not in VECTORS else [v]
            for k, v in entry.items()
            if k != "name"
        }
        for values in itertools.product(*params.values()):
            found.append(Spec.of(name, dict(zip(params, values, strict=True))))
    return found


def _threats(entries: list[Entry]) -> list[str]:
    """Entries as the results name threats; a string may be NAME:PARAMETER=VALUE."""
    return [
        threat_text(spec)
        for entry in entries
        for spec in ([parse_spec(entry)] if isinstance(entry, str) else _specs([entry], "threats"))
    ]


def _told(error: ValidationError) -> str:
    """The first fault of a validation: key, what was found, what is allowed."""
    faults = error.errors()
    # a union reports one fault a member; the deepest location is the one the user meant
    worst = max(faults, key=lambda fault: len(fault["loc"]))
    where = ".".join(str(part) for part in worst["loc"] if not str(part).startswith("dict["))
    found = worst.get("input")
    if worst["type"] == "extra_forbidden":
        known = Block.model_fields if where.startswith("blocks") else Grid.model_fields
        return f"key {where}: not known; allowed: {', '.join(known)}"
    # not repr: a few lines of YAML can stand for more values than there is memory
    return f"key {where}: {worst['msg']} (found {reprlib.repr(found)})"[:400]

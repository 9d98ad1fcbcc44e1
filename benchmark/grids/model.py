"""Grid files: YAML in, cells out."""

from __future__ import annotations

import hashlib
import itertools
import json
import reprlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.attacks.lookup import attack_entry, check_attack
from benchmark.grids.cell import Cell
from benchmark.grids.expand import Entry, check_size, specs, threats
from benchmark.grids.imports import refuse_imports
from estimators.errors import InputError, unknown
from estimators.spec import Spec

SHIPPED = Path(__file__).parent

Count = int | Literal["all"]
# what NumPy's RandomState takes
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


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
            check_size(
                len(self.of(block, "datasets")),
                *(self.of(block, key) for key in ("networks", "attacks", "threats", "defences")),
            )
            product = itertools.product(
                self.of(block, "datasets"),
                specs(self.of(block, "networks"), "networks"),
                [self._engine(a) for a in specs(self.of(block, "attacks"), "attacks")],
                threats(self.of(block, "threats")),
                specs(self.of(block, "defences"), "defences"),
            )
            samples, seed = self.of(block, "samples"), self.of(block, "seed")
            for dataset, network, attack, threat, defence in product:
                cell = Cell(dataset, network, attack, threat, defence, samples, seed)
                found[cell] = None
        return list(found)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Every entry of every block, with its key."""
        for block in self.blocks:
            for key in ("datasets", "networks", "attacks", "threats", "defences"):
                yield from ((key, entry) for entry in self.of(block, key))

    def of(self, block: Block, key: str) -> Any:
        """What a block has under a key: its own, or the grid's."""
        own = getattr(block, key)
        return getattr(self, key) if own is None else own

    def _engine(self, attack: Spec) -> Spec:
        has_engine = "engine" in attack_entry(attack).defaults
        if self.engine == "stock" and has_engine and attack.get("engine") is None:
            attack = Spec.of(attack.name, attack.kwargs, engine="stock")
        return check_attack(attack)


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
            refuse_imports(grid.entries())
        if not grid.cells():
            raise InputError("no cells: name at least one attack")
    except InputError as error:
        raise InputError(f"grid {path}: {error}") from error
    return grid


def shipped_grids() -> list[str]:
    """The names of the grids that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def grid_hash(cells: Iterable[Cell]) -> str:
    """8 hex digits for a list of cells: names the run directory."""
    text = json.dumps([str(c) + f"|{c.samples}|{c.seed}" for c in cells])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


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

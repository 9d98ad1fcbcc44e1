"""Grid files: from YAML to cells."""

from __future__ import annotations

import hashlib
import itertools
import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from benchmark.attacks.lookup import attack_entry, check_attack
from benchmark.grids.cell import Cell
from benchmark.grids.code_names import refuse_imports
from benchmark.grids.draws import DRAWS, MOST_DRAWS, scoring_draws
from benchmark.grids.expand import Entry, check_size, specs, threats
from benchmark.grids.plain_values import plain_values
from benchmark.grids.proof import Proof, methods, proofs_of
from estimators.bounded import bounded_text
from estimators.data.geometry import dataset_name
from estimators.data.samples import checked_samples
from estimators.errors import InputError, unknown
from estimators.spec import Spec
from estimators.yaml_values import read_yaml
from reports.errors import TableError

SHIPPED = Path(__file__).parent
# the keys whose product makes the cells
LISTS = ("datasets", "networks", "attacks", "threats", "defences")

# a text is `all`, `first:N`, `balanced:N`, or a file of ids
Choice = Annotated[
    Annotated[int, Field(ge=1)] | Literal["all"] | str, BeforeValidator(checked_samples)
]
# the range of NumPy's RandomState
SEEDS = (0, 2**32 - 1)
Seed = Annotated[int, Field(ge=SEEDS[0], le=SEEDS[1])]
LONGEST_TITLE = 120
# of a grid file; YAML of a megabyte takes seconds to read
MOST_BYTES = 1 << 20
Title = Annotated[str, Field(max_length=LONGEST_TITLE, pattern=r"^[^\x00-\x1f\x7f]*$")]
Draws = Annotated[int, Field(ge=1, le=MOST_DRAWS)]


class Block(BaseModel, extra="forbid", strict=True):
    """One product of a grid: every data set with every network, attack, threat and defence.

    A key that a block leaves out is taken from the grid.
    """

    datasets: list[Entry] | None = None
    networks: list[Entry] | None = None
    attacks: list[Entry] | None = None
    threats: list[Entry] | None = None
    defences: list[Entry] | None = None
    samples: Choice | None = None
    seed: Seed | None = None
    draws: Draws | None = None
    certify: Entry | list[Entry] | None = None


class Grid(BaseModel, extra="forbid", strict=True):
    """A grid file. An entry is a name, or a mapping of `name` and parameters.

    A list of values stands for one entry per value, except a network's mean and std, whose lists
    have one value per channel.
    An entry may have a `label`, which people read in place of the name. `labels` has them by name.
    title: of the run; its plots and page begin with it.
    engine: `fast`, or `stock` for ART's own attack classes.
    draws: how often each image is scored behind a random defence.
    certify: the methods that prove a lower bound for each undefended network at each Linf eps; none
        by default.
    require: what the rows must reach, such as `accuracy>=0.45 where attack=autoattack`; see
        docs/ci.md.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    description: str = ""
    title: Title = ""
    labels: dict[str, str] = {}
    # pydantic copies mutable defaults
    datasets: list[Entry] = ["digits"]
    networks: list[Entry] = ["lenet"]
    attacks: list[Entry] = []
    threats: list[Entry] = ["oblivious", "adaptive"]
    defences: list[Entry] = ["none"]
    samples: Choice = 100
    seed: Seed = 0
    draws: Draws = DRAWS
    engine: Literal["fast", "stock"] = "fast"
    certify: Entry | list[Entry] | None = None
    require: str | list[str] | None = None
    blocks: list[Block] = [Block()]

    def cells(self) -> list[Cell]:
        """Return every cell of every block, each once, in the order of the file."""
        return list(dict.fromkeys(cell for block in self.blocks for cell in self._cells(block)))

    def proofs(self) -> list[Proof]:
        """Return every certificate that the blocks ask for, each once.

        Raises InputError where methods are named and no cell can be certified.
        """
        asked = [(block, self.of(block, "certify")) for block in self.blocks]
        found = (proof for block, of in asked for proof in proofs_of(self._cells(block), of))
        proofs = list(dict.fromkeys(found))
        if not proofs and any(methods(certify) for _, certify in asked):
            raise InputError(
                "certify: no cell has the norm inf, an eps and the defence none; add such an attack"
            )
        return proofs

    def _cells(self, block: Block) -> Iterator[Cell]:
        """Yield the cells of a block."""
        entries = [self.of(block, key) for key in LISTS]
        check_size(1, *entries)
        datasets, networks, attacks, threat_entries, defences = entries
        product = itertools.product(
            [dataset_name(spec) for spec in specs(datasets, "datasets")],
            specs(networks, "networks"),
            [self.with_engine(attack) for attack in specs(attacks, "attacks")],
            threats(threat_entries),
            specs(defences, "defences"),
        )
        samples, seed, asked = (self.of(block, key) for key in ("samples", "seed", "draws"))
        return (
            Cell(*values, samples, seed, scoring_draws(values[-1], asked)) for values in product
        )

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield every entry of every block, with its key."""
        for block in self.blocks:
            for key in LISTS:
                yield from ((key, entry) for entry in self.of(block, key))

    def of(self, block: Block, key: str) -> Any:
        """Return the value of a key in a block: its own, or the grid's."""
        own = getattr(block, key)
        return getattr(self, key) if own is None else own

    def with_engine(self, attack: Spec) -> Spec:
        """Return a checked attack, with the grid's engine where it has several."""
        has_engine = "engine" in attack_entry(attack).defaults
        if self.engine == "stock" and has_engine and attack.get("engine") is None:
            attack = Spec.of(attack.name, attack.kwargs, engine="stock")
        return check_attack(attack)


def load_grid(grid: str | Path | Mapping[str, Any] | Grid, allow_import: bool = False) -> Grid:
    """Return a shipped grid by name, the grid of a file, or that of a mapping with the same keys.

    grid: a `Grid` is returned as it is.
    allow_import: the grid may name code as `package.module:object`, which is imported.

    Raises InputError that names the file, the key, its value and what is allowed.
    """
    if isinstance(grid, Grid):
        return grid
    if isinstance(grid, Mapping):
        return grid_of({"name": "grid", **plain_values(grid)}, "grid", allow_import)
    path = _path_of(grid)
    content = _read_yaml(path)
    content.setdefault("name", path.stem)
    return grid_of(content, f"grid {path}", allow_import)


def grid_of(content: Mapping[str, Any], where: str, allow_import: bool) -> Grid:
    """Return the grid of the keys of a grid file; InputError that begins with `where`."""
    try:
        grid = Grid.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {_first_fault(error)}") from error
    try:
        if not allow_import:
            refuse_imports(grid.entries())
        if not grid.cells():
            raise InputError("no cells: name at least one attack")
        grid.proofs()
        if grid.require:
            # pandas, which most commands can do without until they work
            from reports.gates.check import of_grid

            of_grid(grid.require, "key require:")
    except (InputError, TableError) as error:
        raise InputError(f"{where}: {error}") from error
    return grid


def shipped_grids() -> list[str]:
    """Return the names of the grids that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def grid_hash(cells: Iterable[Cell]) -> str:
    """Return 8 hex digits for a list of cells, which name the run directory."""
    text = json.dumps([str(c) + f"|{c.samples}|{c.seed}" for c in cells])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _path_of(name: str | Path) -> Path:
    """Return the path of a grid file, or of a shipped grid."""
    if not isinstance(name, (str, Path)):
        expected = "expected a name, a path, a mapping or a Grid"
        raise InputError(f"grid: {expected}, got {type(name).__name__}")
    path, shipped = Path(name), SHIPPED / f"{name}.yaml"
    if not path.suffix and not path.is_file() and not shipped.is_file():
        raise unknown("grid", str(name), [*shipped_grids(), "FILE.yaml"])
    return path if path.suffix or path.is_file() else shipped


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = bounded_text(path, MOST_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"grid {path}: cannot be read ({error})") from error
    try:
        content = read_yaml(text)
    except InputError as error:
        raise InputError(f"grid {path}: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = " ".join(str(error).split())
        raise InputError(f"grid {path}: not YAML ({first[:200]})") from error
    if not isinstance(content, dict):
        raise InputError(f"grid {path}: expected a mapping, got {type(content).__name__}")
    return content


def _first_fault(error: ValidationError) -> str:
    """Return one fault of a validation: key, value, and what is allowed."""
    # a union reports one fault per member; the deepest location is the one that the user meant
    fault = max(error.errors(), key=lambda fault: len(fault["loc"]))
    inner = ("dict[", "function-")
    key = ".".join(str(part) for part in fault["loc"] if not str(part).startswith(inner))
    if isinstance(fault.get("ctx", {}).get("error"), InputError):
        return f"key {key}: {str(fault['ctx']['error']).removeprefix('samples: ')}"
    if fault["type"] == "extra_forbidden":
        known = Block.model_fields if key.startswith("blocks") else Grid.model_fields
        return f"key {key}: unknown; allowed: {', '.join(known)}"
    # not repr: a few lines of YAML can stand for more values than memory holds
    return f"key {key}: {fault['msg']} (got {reprlib.repr(fault.get('input'))})"[:400]

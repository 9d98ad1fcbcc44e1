"""The architecture: which room imports which, how large a folder is, what starts without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmark", "estimators", "reports")
# each room, and the rooms of its package that it may import besides itself
BENCHMARK = ["threats", "attacks", "certificates", "grids", "execution", "terminal", "runs"]
BENCHMARK += ["studies", "anchors", "speed", "api", "cli"]
ROOMS: dict[str, dict[str, set[str]]] = {
    # `version` and the public names of the package are free of rooms
    "benchmark": {room: {"version", *BENCHMARK[:n]} for n, room in enumerate(BENCHMARK)},
    "estimators": {
        "spec": {"errors", "yaml_values"},
        "errors": set(),
        "yaml_values": {"errors"},
        "random_streams": set(),
        "interrupts": {"errors"},
        "entries": {"spec"},
        "training_spec": {"spec", "errors", "entries"},
        "plugins": {"errors", "entries", "interrupts"},
        "source_code": {"plugins"},
        "atomic": {"errors"},
        "bounded": set(),
        "writable": {"errors", "atomic"},
        "processor": set(),
        "user_cache": set(),
        "compiling": {"user_cache"},
        "jpeg_codec": set(),
        "data": set(),
        "networks": {"data", "outputs", "autograd"},
        "training": {"data", "networks", "jpeg_codec", "weights"},
        "defences": {"jpeg_codec"},
        "outputs": set(),
        "autograd": set(),
        "classifier": {"jpeg_codec", "data", "networks", "training", "defences"}
        | {"outputs", "autograd"},
        "weights": set(),
    },
    "reports": {
        "errors": set(),
        "results": {"errors"},
        "statistics": {"results"},
        "style": {"results", "statistics"},
        "worst_case": {"results", "statistics", "style"},
        "audit": {"results", "statistics", "style", "worst_case"},
        "corruptions": {"results", "statistics", "style", "worst_case"},
        "exports": {"results", "statistics", "style", "worst_case"},
        "gates": {"results", "statistics", "style", "worst_case", "audit"},
        "classes": {"results", "statistics", "style", "worst_case", "audit", "gates"},
        "compare": {"results", "statistics", "style", "worst_case", "audit", "gates"},
        "claims": {"results", "statistics", "style", "worst_case", "audit", "compare"},
        "plots": {"results", "statistics", "style", "worst_case", "audit", "compare"}
        | {"corruptions"},
        "page": {"results", "statistics", "style", "worst_case", "audit", "compare", "claims"}
        | {"plots", "corruptions", "gates"},
    },
}
# what every room of a package may import
COMMON = {
    "benchmark": {"version"},
    "estimators": {"errors", "spec", "entries", "training_spec", "plugins", "random_streams"}
    | {"source_code", "atomic", "bounded", "writable", "processor", "user_cache"}
    | {"interrupts", "compiling"},
    "reports": {"errors"},
}
# catalogues of equals: one file per attack, per defence, per figure
CATALOGUES = {"benchmark/attacks", "estimators/defences", "reports/plots/studies"}
MOST_MODULES = 20


@cache
def modules() -> dict[str, Path]:
    """Every module of the three packages by dotted name."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
    }


def imports(path: Path, top_level_only: bool = False) -> Iterator[str]:
    """Modules that a file imports; `from a import b` gives a.b where that is a module, else a."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules() else str(node.module)


def room(module: str) -> str:
    """The room of a module: the part of its name behind the package."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_only_what_they_may(package: str) -> None:
    allowed = {"benchmark": set(PACKAGES)}.get(package, {package})
    faults = []
    for name, path in modules().items():
        if name.partition(".")[0] != package or name == package:
            continue
        for other in imports(path):
            top = other.partition(".")[0]
            if top not in PACKAGES or other == package:
                continue
            inside = top == package and room(other) != room(name)
            may = ROOMS[package].get(room(name), set()) | COMMON[package]
            if top not in allowed or (inside and room(other) not in may):
                faults.append(f"{name} imports {other}")
    assert not faults, "\n".join(faults)


def test_measures_import_no_run() -> None:
    for name, path in modules().items():
        if name.startswith("benchmark.studies.measures."):
            assert not [m for m in imports(path) if m.startswith("benchmark.runs")], name


def test_no_circle_of_files() -> None:
    graph = {name: {m for m in imports(path) if m in modules()} for name, path in modules().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of files: {' -> '.join(error.args[1])}")


def test_folders_are_small() -> None:
    for package in PACKAGES:
        for folder in [ROOT / package, *(ROOT / package).rglob("*/")]:
            if folder.relative_to(ROOT).as_posix() not in CATALOGUES:
                count = len([p for p in folder.glob("*.py") if p.name != "__init__.py"])
                assert count <= MOST_MODULES, f"{folder}: {count} modules"


def test_no_scripts_in_the_packages() -> None:
    for path in modules().values():
        text = path.read_text(encoding="utf-8")
        assert path.name != "__main__.py" and '"__main__"' not in text, path
        assert "argparse" not in set(imports(path)), path


def test_reports_import_no_torch() -> None:
    for name, path in modules().items():
        if name.startswith("reports"):
            found = {module.partition(".")[0] for module in imports(path)}
            assert not found & {"torch", "art", "torchvision"}, path


@pytest.mark.parametrize("registry", sorted(ROOT.glob("*/*/registry.py")), ids=str)
def test_registries_import_neither_torch_nor_art(registry: Path) -> None:
    name = ".".join(registry.relative_to(ROOT).with_suffix("").parts)
    assert loaded(f"import {name}") == "[]"


@pytest.mark.parametrize(
    "args",
    [["--help"], ["list"], *([name, "--help"] for name in ("compare", "check", "run", "export"))],
    ids=" ".join,
)
def test_quick_commands_start_without_torch(args: list[str]) -> None:
    code = "from benchmark.cli import main; main({}, standalone_mode=False)"
    assert loaded(code.format(args)) == "[]"


def test_gates_start_without_torch() -> None:
    file = str(ROOT / "reports" / "baselines" / "full.csv")
    code = "from benchmark.cli import main; main({}, standalone_mode=False)"
    assert loaded(code.format(["compare", file, file])) == "[]"
    assert loaded(code.format(["check", file, "--require", "accuracy>=0"])) == "[]"


def loaded(code: str) -> str:
    """Which of torch and art a new process has imported after this code, as the text of a list."""
    look = "print('\\n' + str(sorted({'torch', 'art'} & set(sys.modules))))"
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n{look}"
    out = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return out.stdout.splitlines()[-1]

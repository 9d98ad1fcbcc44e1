"""The house: two leaves and one composer; quick commands import no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "estimators": {"estimators"},
    "reports": {"reports"},
    "benchmark": {"benchmark", "estimators", "reports"},
}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_they_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert len(files) > 3
    for path in files:
        ours = imported(path) & set(MAY_IMPORT)
        assert ours <= MAY_IMPORT[package], path


def test_reports_import_no_torch() -> None:
    for path in (ROOT / "reports").rglob("*.py"):
        assert not imported(path) & {"torch", "art", "torchvision"}, path


@pytest.mark.parametrize("module", ["benchmark", "benchmark.cli", "reports.results.columns"])
def test_start_without_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'torch', 'art'}} & set(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"

"""Calls in the source of the packages, for tests of what may be called where."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("benchmark", "estimators", "reports")
# yields the calls of a file that a test looks for, each with a name
Search = Callable[[ast.AST], Iterator[tuple[str, ast.Call]]]


def mode_of(call: ast.Call) -> str:
    """The mode of a call that opens a file, where it is written in the call; "r" otherwise."""
    given = [*call.args[:2], *(word.value for word in call.keywords if word.arg == "mode")]
    for value in given:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            text = value.value
            if text and set(text) <= set("rwaxbt+"):
                return text
    return "r"


def name_of(call: ast.Call) -> str:
    """The name of what is called, without the object before the dot."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def calls_of(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield every call."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def found(search: Search) -> dict[tuple[str, str], list[int]]:
    """The lines of the calls in the packages, by file and name."""
    calls: dict[tuple[str, str], list[int]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for name, node in search(tree):
                calls.setdefault((path.relative_to(ROOT).as_posix(), name), []).append(node.lineno)
    return calls


def unlisted(search: Search, allowed: dict[tuple[str, str], str]) -> list[str]:
    """Where the packages have calls that a list does not have."""
    return sorted(
        f"{file}:{lines[0]} {name}"
        for (file, name), lines in found(search).items()
        if (file, name) not in allowed
    )

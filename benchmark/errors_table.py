"""`docs/errors.md`: every error message and its exit code, read from the source.

    python -m benchmark.errors_table

writes the page; a test compares the two.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("benchmark", "estimators", "reports")
# an exception, or the function that makes one, and the exit code that the command line gives it
CODES = {
    "InputError": "2",
    "TableError": "2",
    "unknown": "2",
    "_Told": "2",
    "ClusterLost": "5",
    "DataUnavailable": "3 as rows of a run, else 2",
}
HEAD = """# Error messages

Written by `python -m benchmark.errors_table`; do not edit. Every message is one line and says what
is wrong, where, and what to do next; `{...}` stands for what was found. Exit codes are explained in
the [README](../README.md#exit-codes): 0 is well, 1 a gate of `bench compare` that failed, 2 bad
input, 3 missing data, 4 cells that raised, 130 stopped by Ctrl-C. What a cell of a run raises is
no error of the run: it becomes the row's `reason`, with its traceback in `failures.log`.
"""


class Message(NamedTuple):
    """One place that raises. file: from the repository's root. code: the exit code."""

    file: str
    template: str
    code: str


def messages(root: Path) -> list[Message]:
    """Every message of the packages, by file, in the order of the source."""
    trees = {
        path.relative_to(root).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    }
    codes = _with_subclasses(trees.values())
    found = []
    for file, tree in trees.items():
        for call in _calls(tree):
            name = _name(call.func)
            # what only hands on the text of another error is no message of its own
            if name in codes and call.args and not _text(call.args[0]).startswith("{' '.join"):
                found.append(Message(file, _template(name, call.args), codes[name]))
    return list(dict.fromkeys(found))


def _with_subclasses(trees: Iterable[ast.Module]) -> dict[str, str]:
    """CODES with every class that is made from one of them."""
    codes = dict(CODES)
    classes = [n for t in trees for n in ast.walk(t) if isinstance(n, ast.ClassDef)]
    for _ in classes:
        for one in classes:
            for base in one.bases:
                if _name(base) in codes:
                    codes.setdefault(one.name, codes[_name(base)])
    return codes


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    yield from sorted(calls, key=lambda call: (call.lineno, call.col_offset))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _template(name: str, args: list[ast.expr]) -> str:
    if name == "unknown":
        kind, given, known = args[0], args[1], args[2]
        return f"unknown {_text(kind)} {{{_short(given)}}}; known: {{{_short(known)}}}"
    return " ".join(_text(args[0]).split())


def _text(node: ast.expr) -> str:
    """A string, or an f-string with its expressions in braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return f"{{{_short(node.value)}}}"
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return f"{{{_short(node)}}}"


def _short(node: ast.expr) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 40 else "..."


def page(root: Path) -> str:
    """The page as Markdown, one table a file."""
    parts = [HEAD]
    file = ""
    for message in messages(root):
        if message.file != file:
            file = message.file
            parts += [f"\n## `{file}`\n", "| message | exit code |", "| --- | --- |"]
        text = message.template.replace("|", "\\|").replace("`", "'")
        parts.append(f"| `{text}` | {message.code} |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    checkout = Path(__file__).parent.parent
    target = checkout / "docs" / "errors.md"
    target.write_text(page(checkout), encoding="utf-8")
    print(target)

"""`docs/errors.md` is what the code says."""

from __future__ import annotations

import ast
from pathlib import Path

from benchmark.errors_table import _template, messages, page

ROOT = Path(__file__).parent.parent


def test_the_page_is_the_code() -> None:
    committed = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert committed == page(ROOT), "python -m benchmark.errors_table"


def test_templates() -> None:
    def template(source: str, name: str = "InputError") -> str:
        call = ast.parse(source).body[0].value  # type: ignore[attr-defined]
        return _template(name, call.args)

    assert template('InputError(f"a {b.c!r}: " f"d; {e[0]}")') == "a {b.c}: d; {e[0]}"
    assert template('unknown("grid", name, KNOWN)', "unknown") == (
        "unknown grid {name}; known: {KNOWN}"
    )
    assert len(messages(ROOT)) > 80
    assert {m.code for m in messages(ROOT)} >= {"2", "3 as rows of a run, else 2"}

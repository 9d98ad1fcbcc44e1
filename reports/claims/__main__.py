"""Writes the rules of the claims into docs/claims.md."""

from __future__ import annotations

from pathlib import Path

from reports.claims.evaluate import as_markdown

OPENING = "<!-- rules: written by `python -m reports.claims`, compared by a test -->\n"
CLOSING = "<!-- /rules -->\n"


def with_rules(page: str) -> str:
    """The page with the rules as the code has them."""
    before, _, rest = page.partition(OPENING)
    _, _, after = rest.partition(CLOSING)
    return f"{before}{OPENING}\n{as_markdown()}\n{CLOSING}{after}"


if __name__ == "__main__":
    path = Path(__file__).parent.parent.parent / "docs" / "claims.md"
    path.write_text(with_rules(path.read_text(encoding="utf-8")), encoding="utf-8")

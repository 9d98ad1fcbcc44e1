"""Writes the rules of the claims into docs/claims.md and their verdicts into docs/paper.md."""

from __future__ import annotations

from pathlib import Path

from reports.claims.evaluate import as_markdown, read_claims, verdicts_as_markdown

ROOT = Path(__file__).parent.parent.parent
BASELINE = ROOT / "reports" / "baselines" / "paper"
OPENING = "<!-- {}: written by `python -m reports.claims`, compared by a test -->\n"
CLOSING = "<!-- /{} -->\n"


def _between(page: str, name: str, text: str) -> str:
    opening, closing = OPENING.format(name), CLOSING.format(name)
    before, _, rest = page.partition(opening)
    _, _, after = rest.partition(closing)
    return f"{before}{opening}\n{text}\n{closing}{after}"


def with_rules(page: str) -> str:
    """docs/claims.md with the rules as the code has them."""
    return _between(page, "rules", as_markdown())


def with_verdicts(page: str) -> str:
    """docs/paper.md with the verdicts of the committed run."""
    return _between(page, "verdicts", verdicts_as_markdown(read_claims(BASELINE)) + "\n")


if __name__ == "__main__":
    for name, filled in (("claims.md", with_rules), ("paper.md", with_verdicts)):
        path = ROOT / "docs" / name
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")

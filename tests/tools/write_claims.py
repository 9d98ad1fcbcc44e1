"""Writes the rules of the claims into docs/claims.md and their verdicts into docs/paper.md."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reports.claims.evaluate import as_markdown, read_claims, verdicts_as_markdown
from reports.style.labels import read_labels

RUN = Path(__file__).parents[2] / "reports" / "baselines" / "paper"
OPENING = "<!-- {}: written by `python -m reports.claims`, compared by a test -->\n"
CLOSING = "<!-- /{} -->\n"


def _between(page: str, name: str, text: str) -> str:
    opening, closing = OPENING.format(name), CLOSING.format(name)
    before, _, rest = page.partition(opening)
    _, _, after = rest.partition(closing)
    return f"{before}{opening}\n{text}\n{closing}{after}"


def with_rules(page: str) -> str:
    """docs/claims.md with the rules as the code has them."""
    return _between(page, "rules", as_markdown(read_labels(RUN)))


def with_verdicts(page: str, run: Path) -> str:
    """docs/paper.md with the verdicts of a run directory."""
    return _between(page, "verdicts", verdicts_as_markdown(read_claims(run)) + "\n")


def write_docs(root: Path) -> None:
    """Write both pages of a checkout from its code and its committed run."""
    run = root / "reports" / "baselines" / "paper"
    for name, filled in (("claims.md", with_rules), ("paper.md", partial(with_verdicts, run=run))):
        path = root / "docs" / name
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write_docs(Path(__file__).parents[2])

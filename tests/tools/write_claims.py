"""Write the rules of the claims into docs/claims.md and their verdicts into docs/paper.md."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from marked import fill

from reports.claims.evaluate import as_markdown, read_claims, verdicts_as_markdown
from reports.style.labels import read_labels

RUN = Path(__file__).parents[2] / "reports" / "baselines" / "paper"


def with_rules(page: str) -> str:
    """Return docs/claims.md with the rules of the code."""
    return fill(page, "rules", as_markdown(read_labels(RUN)))


def with_verdicts(page: str, run: Path) -> str:
    """Return docs/paper.md with the verdicts of a run directory."""
    return fill(page, "verdicts", verdicts_as_markdown(read_claims(run)))


def write_docs(root: Path) -> None:
    """Write both pages of a checkout from its code and its committed run."""
    run = root / "reports" / "baselines" / "paper"
    for name, filled in (("claims.md", with_rules), ("paper.md", partial(with_verdicts, run=run))):
        path = root / "docs" / name
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write_docs(Path(__file__).parents[2])

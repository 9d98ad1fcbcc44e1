"""Write the rules of the claims into docs/claims.md and their verdicts into docs/paper.md."""

from __future__ import annotations

from pathlib import Path

from marked import fill
from photo_numbers import numbers_as_markdown

from reports.claims.evaluate import FILE, as_markdown, read_claims, verdicts_as_markdown
from reports.style.labels import read_labels

BASELINES = Path(__file__).parents[2] / "reports" / "baselines"
RUN = BASELINES / "paper"
# of the claims about photos: `bench paper --photos`
PHOTOS = BASELINES / "photos"


def with_rules(page: str) -> str:
    """Return docs/claims.md with the rules of the code."""
    page = fill(page, "rules", as_markdown(read_labels(RUN)))
    labelled = PHOTOS if (PHOTOS / FILE).is_file() else RUN
    return fill(page, "rules of photos", as_markdown(read_labels(labelled), "photos"))


def with_verdicts(page: str, run: Path, photos: Path | None = None) -> str:
    """Return docs/paper.md with the verdicts of a run directory, and of one of photos if given."""
    page = fill(page, "verdicts", verdicts_as_markdown(read_claims(run)))
    if photos is None or not (photos / FILE).is_file():
        return page
    page = fill(page, "verdicts of photos", verdicts_as_markdown(read_claims(photos)))
    return fill(page, "numbers of photos", numbers_as_markdown(photos))


def write_docs(root: Path) -> None:
    """Write both pages of a checkout from its code and its committed runs."""
    runs = root / "reports" / "baselines"
    claims, paper = root / "docs" / "claims.md", root / "docs" / "paper.md"
    claims.write_text(with_rules(claims.read_text(encoding="utf-8")), encoding="utf-8")
    filled = with_verdicts(paper.read_text(encoding="utf-8"), runs / "paper", runs / "photos")
    paper.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    write_docs(Path(__file__).parents[2])

"""What `bench paper` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmark.cli.console import console, say
from reports.claims.evaluate import CLAIMS, WHOLE

if TYPE_CHECKING:
    from benchmark.studies.paper import Paper

STYLES = {"supported": "green", "contradicted": "red", "undecided": "yellow"}


def show_paper(paper: Paper) -> None:
    """Print the verdict on each claim, what is missing, and where the files are."""
    table = Table(box=SIMPLE_HEAD, title="claims of the paper", title_justify="left")
    for name in ("claim", "attacker", "what it says", "verdict", "parts"):
        table.add_column(name, no_wrap=name != "what it says")
    texts = {claim.number: claim.text for claim in CLAIMS}
    whole = paper.claims[paper.claims["part"] == WHOLE]
    for row in whole.to_dict("records"):
        verdict = f"[{STYLES[row['verdict']]}]{row['verdict']}[/]"
        parts = row["measured"].replace(" parts supported", "")
        table.add_row(row["claim"], row["attacker"], texts[row["claim"]], verdict, parts)
    console.print(table)
    for name, reason in paper.skipped.items():
        say(f"skipped: study {name}: {reason}", style="bold red")
    for name, reason in paper.failed.items():
        say(f"failed: study {name}: {reason}", style="bold red")
    say(f"{paper.directory}: claims.csv, studies/, results.csv, report.html")

"""What a quick run of the paper can and cannot say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from reports.results.atomic import replace_text
from reports.results.bounded import bounded_json

FILE = "paper.json"


def write_size(directory: Path, quick: bool, undecided: Mapping[str, str]) -> None:
    """Write whether a run of the paper was quick.

    undecided: why the quick size cannot decide a claim, by claim.
    """
    content = {"quick": quick, "undecided": dict(undecided) if quick else {}}
    replace_text(directory / FILE, json.dumps(content, indent=2) + "\n")


def quick_note(directory: Path) -> str:
    """Return what a reader of a quick run must know; empty for another run."""
    try:
        content = bounded_json(directory / FILE)
    except (OSError, ValueError):
        return ""
    if not isinstance(content, dict) or content.get("quick") is not True:
        return ""
    text = "This is a quick run: for a look, not for the verdicts."
    undecided = content.get("undecided")
    if isinstance(undecided, dict) and undecided:
        by_reason: dict[str, list[str]] = {}
        for claim, reason in sorted(undecided.items(), key=_number):
            by_reason.setdefault(str(reason), []).append(str(claim))
        parts = [f"{_listed(names)} ({reason})" for reason, names in by_reason.items()]
        text += f" It cannot decide {_listed(parts, '; ')}."
    return f"{text} Its other verdicts rest on fewer images than those of a full run."


def _number(item: tuple[object, object]) -> tuple[int, str]:
    name = str(item[0])
    return int(name[1:]) if name[1:].isdecimal() else 0, name


def _listed(names: list[str], comma: str = ", ") -> str:
    return " and ".join(part for part in (comma.join(names[:-1]), names[-1]) if part)

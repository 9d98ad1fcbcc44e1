"""docs/attacks.md has a full row for every attack, and names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attacks_page import CHECKED, FAMILIES

from benchmark.attacks.registry import ATTACK_PATTERNS, ATTACKS

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "benchmark" / "attacks"
# where the test of a row names what it tests in another way
OTHER_NAMES = {
    "autoattack": "AutoAttack",
    "fgm": "FastGradient(classifier, norm)",
    "art.attacks.evasion.NAME": "art.attacks.evasion",
    "strongest": "Strongest",
    "images:FILE": "image_file",
    "corruption:KIND": "KINDS",
    "package.module:attack": "extending",
}
FILES = {name: test for name, (_, test) in CHECKED.items()}
FILES |= {name: test for name, (_, _, test) in FAMILIES.items()}


def rows() -> dict[str, list[str]]:
    """The cells of each row of the page, by the name of the attack."""
    text = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(.+?)` \| (.*) \|$", text, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in found}


def test_every_attack_has_a_row_and_no_cell_is_empty() -> None:
    assert list(rows()) == [*ATTACKS, *ATTACK_PATTERNS]
    for name, cells in rows().items():
        assert len(cells) == 4 and all(cells), name


def test_the_tables_name_every_attack_and_no_other() -> None:
    assert CHECKED.keys() == ATTACKS.keys()
    assert FAMILIES.keys() == ATTACK_PATTERNS.keys()


@pytest.mark.parametrize("name", FILES)
def test_the_test_of_a_row_is_there_and_is_about_it(name: str) -> None:
    text = (TESTS / FILES[name]).read_text(encoding="utf-8")
    own = {**ATTACKS, **ATTACK_PATTERNS}[name]
    code = getattr(own, "build", "").rpartition(":")[2]
    family = name.partition(":")[0] + ":"
    known = {OTHER_NAMES.get(name, name), name, code, family, name.removesuffix("NAME")}
    assert any(word in text for word in known if word)

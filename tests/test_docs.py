"""What the documents say is what the code does."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import yaml
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.grid import Grid
from reports.tables import columns_as_markdown
from reports.worst_case import COLUMNS as WORST_CASE

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_columns_are_written_down() -> None:
    page = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    assert columns_as_markdown() in page
    assert "\n".join(f"| `{name}` | {about} |" for name, about in WORST_CASE.items()) in page


def test_readme_names_every_command() -> None:
    named = set(re.findall(r"^\| `bench (\w+)` \|", README, flags=re.MULTILINE))
    assert named == set(main.commands)
    for name in named:
        assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def test_readme_grid_is_valid() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
    assert len(Grid.model_validate(yaml.safe_load(text)).cells()) > 10


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_packages_and_their_data_are_listed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(setup["options"]["packages"].split())
    found = {
        str(path.parent.relative_to(ROOT)).replace("/", ".")
        for package in ("benchmark", "estimators", "reports")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert listed == found

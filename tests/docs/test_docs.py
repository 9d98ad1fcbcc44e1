"""What the documents say is what the code does."""

from __future__ import annotations

import ast
import configparser
import re
from functools import cache
from pathlib import Path

import click
import pytest
import yaml
from paper_images import FIGURES, copy_figures
from write_commands import pages as generated_pages

from benchmark.cli import main
from benchmark.grids.labels import given_labels
from benchmark.grids.model import Grid

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
IMAGES = DOCS / "images" / "paper"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "estimators" / "weights" / "README.md",
    *sorted(DOCS.rglob("*.md")),
]
PACKAGES = ("benchmark", "estimators", "reports")
every_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES]
)


def read(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def links(page: Path) -> list[tuple[str, str]]:
    """Return the relative links of a page as (target, anchor); either may be empty."""
    return re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", read(page))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", read(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


def test_generated_pages_are_those_of_the_code() -> None:
    for path, text in generated_pages(DOCS).items():
        assert read(path) == text, f"{path}: run python tests/tools/write_commands.py"


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120
    assert len(README.split()) <= 900


def test_the_readme_has_two_commands() -> None:
    """The two that `.ci/run` takes from it."""
    part = README.partition("\n## Two commands\n")[2].partition("\n## ")[0]
    first, second = re.findall(r"^    (\S.*)$", part, flags=re.MULTILINE)
    assert first.endswith("bench run")
    assert "pytest" in second


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / target).resolve() for target, _ in links(index) if target}
    assert set(DOCS.rglob("*.md")) - {index} <= linked
    assert ROOT / "CONTRIBUTING.md" in linked


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        goal = page.parent / target if target else page
        assert goal.exists(), target
        assert not anchor or anchor in anchors(goal), f"{target}#{anchor}"


def test_the_labels_of_the_page_are_valid() -> None:
    pieces = re.findall(r"```yaml\n(.*?)```", read(DOCS / "grid-files.md"), flags=re.DOTALL)
    (text,) = (piece for piece in pieces if "label:" in piece)
    given = given_labels(Grid.model_validate({"name": "labels", **yaml.safe_load(text)}))
    assert given["networks"] == {"mynets:build": "resnet18-v2"}
    assert given["datasets"] == {"npz:/data/2026/test.npz": "our photos"}
    assert given["defences"] == {"jpeg 75": "compression 75", "jpeg 50": "compression 50"}


@pytest.mark.parametrize(
    ("page", "cells"), [("README.md", 96), ("docs/tutorial.md", 27), ("docs/grid-files.md", 240)]
)
def test_grids_of_the_pages_are_valid(page: str, cells: int) -> None:
    text = re.findall(r"```yaml\n(.*?)```", read(ROOT / page), flags=re.DOTALL)[0]
    assert len(Grid.model_validate(yaml.safe_load(text)).cells()) == cells


def commands(text: str) -> list[tuple[str, str]]:
    """Return (command, the rest of it) of each `bench` in code of a page."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^    .+$", text, flags=re.MULTILINE)
    lines = [line for part in (*fenced, *indented) for line in part.splitlines()]
    code = [*lines, *re.findall(r"`([^`\n]+)`", text)]
    pattern = r"(?:^|[\s/])bench ([a-z]+)\b([^#&]*)"
    return [pair for line in code for pair in re.findall(pattern, line)]


@every_page
def test_commands_and_options_exist(page: Path) -> None:
    for name, rest in commands(read(page)):
        assert name in main.commands, f"bench {name}"
        options = {
            text
            for option in main.commands[name].params
            if isinstance(option, click.Option)
            for text in option.opts
        }
        asked = set(re.findall(r"(?<!\S)(--[a-z-]+)", rest))
        assert asked <= options | {"--help"}, f"bench {name}{rest}"


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    pattern = r"(?:benchmark|estimators|reports|tests|docs|\.ci)/[\w./-]*[\w/]"
    for span in re.findall(r"`([^`\n]+)`", read(page)):
        for name in re.findall(rf"(?<![\w./-]){pattern}", span):
            assert name.startswith("reports/runs") or (ROOT / name).exists(), name


@pytest.mark.parametrize("page", ["art-traps.md", "anchors.md"])
def test_tests_that_are_named_exist(page: str) -> None:
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", read(path), flags=re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", read(DOCS / page)))
    assert len(named) > 20
    assert named <= defined


@cache
def messages() -> str:
    """Return every string of the packages, one per line, with `...` for what is filled in."""
    found = []
    for path in (p for package in PACKAGES for p in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "..." for p in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_troubleshooting_quotes_real_messages() -> None:
    headings = re.findall(r"^### (.+)$", read(DOCS / "troubleshooting.md"), flags=re.MULTILINE)
    spans = [span for heading in headings for span in re.findall(r"`([^`]+)`", heading)]
    assert len(spans) > 20
    for span in spans:
        for part in filter(None, map(str.strip, span.split("..."))):
            assert part in messages(), part


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


def test_the_figures_of_the_paper_are_those_of_its_page() -> None:
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\(images/paper/([^)]+)\)", text))
    assert shown == set(FIGURES) == {path.name for path in IMAGES.iterdir()}


def test_figures_are_copied_from_a_run(tmp_path: Path) -> None:
    run, folder = tmp_path / "run", tmp_path / "images"
    (run / "plots").mkdir(parents=True)
    (run / "plots" / "threats-fgsm.png").write_bytes(b"a figure")
    lacking = copy_figures(run, folder)
    assert [path.name for path in folder.iterdir()] == ["threats.png"]
    assert len(lacking) == len(FIGURES) - 1


def test_the_page_of_the_paper_has_every_figure() -> None:
    """Figures 1 to 31 and Table 1, each in a row of the list."""
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    text = text.partition("## Where each figure is")[2].partition("\n## ")[0]
    listed: set[int] = set()
    for first, last in re.findall(r"^\| (\d+)[a-z]?(?: to (\d+))? \|", text, flags=re.MULTILINE):
        listed |= set(range(int(first), int(last or first) + 1))
    assert listed == set(range(1, 32))
    assert re.search(r"^\| Table 1 \|", text, flags=re.MULTILINE)

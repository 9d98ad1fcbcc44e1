"""What the documents say is what the code does."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import yaml
from click.testing import CliRunner
from paper_images import FIGURES, copy_figures

from benchmark.cli import main
from benchmark.grids.model import Grid
from reports.results.columns import columns_as_markdown
from reports.worst_case.strongest import COLUMNS as WORST_CASE

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images" / "paper"
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


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


def test_links_lead_to_headings() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
            goal = page.parent / target if target else page
            assert anchor in _anchors(goal), f"{page}: {target}#{anchor}"


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

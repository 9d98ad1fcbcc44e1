"""The page in a real browser: no complaint, no request, and a table that sorts and filters."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, find_browser
from made_up import MadeUp
from matplotlib.figure import Figure
from page_pieces import HOSTILE, plot, write_gallery

from reports.audit.audit import write_audit
from reports.page.page import write_page
from reports.plots.saving import save_all

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")
ROWS = "[...document.querySelectorAll('#cell-table tbody tr')]"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two networks, one of which bears a hostile name."""
    folder = tmp_path_factory.mktemp("page")
    made = MadeUp({"digits": ["lenet", HOSTILE]}, samples=60)
    made.cells(attack="pgd", eps=0.1)[0]["over_budget"] = 2
    rng = np.random.default_rng(0)
    for row in made.rows:
        row["l2_median"] = None if row["attack"] == "cw" else float(rng.random())
    made.write(folder)
    write_audit(folder)
    for name in ("accuracy-digits-fgsm", "heatmap-digits-fgsm"):
        plot(folder / "plots" / f"{name}.png")
    write_gallery(folder)
    long = "a claim whose text is far longer than a line of the page, so that it has to break " * 3
    parts = [
        ("C1", "", part, "LeNet", long, "x", "", "", "", "", "above 0", "undecided")
        for part in ("the claim", "a part")
    ]
    columns = "claim,attacker,part,subject,text,measured,effect,low,high,units,rule,verdict"
    (folder / "claims.csv").write_text(
        "\n".join([columns, *map(",".join, (tuple(f'"{cell}"' for cell in row) for row in parts))])
        + "\n"
    )
    plot(folder / "studies" / "fourier" / "noises.png")
    save_all(
        iter([("lines", _figure(pixels=False)), ("sheet", _figure(pixels=True))]),
        folder / "studies" / "fourier",
    )
    return write_page(folder)


def _figure(pixels: bool) -> Figure:
    figure = Figure((4, 3))
    axes = figure.subplots()
    if pixels:
        axes.imshow(np.eye(4))
    else:
        axes.plot([0, 1], label="LeNet")
        axes.legend()
    return figure


@pytest.fixture(scope="module")
def all_right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a run in which no attack breaks an image."""
    folder = tmp_path_factory.mktemp("right")
    made = MadeUp(attacks={"fgsm": (0.1, 0.2)}, samples=60)
    for row in made.rows:
        made.predictions[row["cell"]]["clean"] = made.predictions[row["cell"]]["label"]
        made.set_right(row, np.ones(60, dtype=bool))
        row.update(clean_correct=60, clean_accuracy=1.0)
    made.write(folder)
    write_audit(folder)
    return write_page(folder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert PROGRAM is not None
    found = Browser(PROGRAM, tmp_path_factory.mktemp("browser") / "profile")
    yield found
    found.close()


@pytest.fixture
def tab(browser: Browser, page: Path) -> Browser:
    """The page, loaded anew at desktop width, with the table of all cells open."""
    browser.open(page)
    browser.run("document.getElementById('cells').open = true")
    return browser


def status(tab: Browser) -> str:
    return str(tab.run("document.getElementById('cell-status').textContent"))


def texts(tab: Browser, heading: str) -> list[str]:
    """The shown values of a column."""
    place = tab.run(
        "[...document.querySelectorAll('#cell-table thead th')]"
        f".findIndex(th => th.textContent === {heading!r})"
    )
    assert place >= 0, heading
    return list(tab.run(f"{ROWS}.map(row => row.cells[{place}].textContent)"))


def choose(tab: Browser, key: str, value: str) -> None:
    tab.run(
        f"(() => {{ const s = document.querySelector(`select[data-key='{key}']`);"
        f" s.value = {value!r}; s.dispatchEvent(new Event('change')); }})()"
    )


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_loads_alone_and_fits(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width, dark=dark)
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []
    assert browser.run("document.documentElement.scrollWidth") == width
    # nothing juts out of the window but what scrolls in a box of its own
    jutting = browser.run(
        "[...document.body.querySelectorAll('*')].filter(e =>"
        " !e.closest('.wide, .paper, .hidden, svg') &&"
        " e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName)"
    )
    assert jutting == []
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
    assert browser.run("[...document.images].every(i => i.complete && i.naturalWidth > 0)")


def test_the_order_of_the_page(tab: Browser) -> None:
    found = tab.run("[...document.querySelectorAll('main > section')].map(s => s.id)")
    assert found == [
        *("claims", "headline", "plot", "ranking", "audit", "gallery", "studies", "run")
    ]  # fmt: skip
    tab.run("document.getElementById('cells').open = false")
    # everything folded: a few screens, however large the run
    assert tab.run("document.documentElement.scrollHeight") < 5 * 900


def pick(tab: Browser, control: str, value: str) -> str:
    """Choose what the plot shows; its title."""
    return str(
        tab.run(
            f"(() => {{ const s = document.getElementById('plot-{control}'); s.value = {value!r};"
            " s.dispatchEvent(new Event('change'));"
            " return document.getElementById('plot-title').textContent; })()"
        )
    )


def numbers(tab: Browser) -> dict[str, list[str]]:
    """The numbers of the plot, by line."""
    return dict(
        tab.run(
            "Object.fromEntries([...document.querySelectorAll('#plot-numbers tbody tr')].map(r =>"
            " [r.cells[0].textContent, [...r.cells].slice(1).map(c => c.textContent)]))"
        )
    )


def test_the_plot_shows_what_is_chosen(tab: Browser, page: Path) -> None:
    shown = {"network": "lenet", "norm": "inf", "attack": "fgsm", "threat": "oblivious"}
    for control, value in shown.items():
        title = pick(tab, control, value)
    where = "digits, LeNet, FGSM, oblivious attacker"
    assert title == f"Accuracy against eps: {where}. One line per defence."
    with (page.parent / "results.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if shown.items() <= row.items()]
    for defence, name in (("none", "no defence"), ("quantize", "8 bits only"), ("jpeg", "JPEG 50")):
        own = [100 * float(row["accuracy"]) for row in rows if row["defence"] == defence]
        assert numbers(tab)[name] == [f"{share:.1f}\u00a0%" for share in own]
    assert tab.run("document.querySelectorAll('#plot-box path.line').length") == 3
    names = "[...document.querySelectorAll('#plot-box text.name > title')].map(t => t.textContent)"
    assert set(tab.run(names)) == {"no defence", "8 bits only", "JPEG 50"}
    # the label of a select is that of the command line
    assert "One line per threat." in pick(tab, "lines", "threat")
    assert set(numbers(tab)) == {"oblivious", "adaptive"}
    assert "One dot per attack." in [pick(tab, "view", "each"), pick(tab, "lines", "attack")][1]
    assert tab.complaints() == []


def test_names_at_the_lines_do_not_overlap(tab: Browser) -> None:
    boxes = tab.run(
        "[...document.querySelectorAll('#plot-box text.name')].map(t => {"
        " const b = t.getBoundingClientRect(); return [b.top, b.bottom, b.right]; })"
    )
    assert len(boxes) >= 3
    ordered = sorted(boxes)
    assert all(b[0] - a[0] >= 13 for a, b in pairwise(ordered))
    assert all(right <= 1280 for _, _, right in boxes)


def test_a_plot_of_one_value_is_a_sentence(browser: Browser, all_right: Path) -> None:
    browser.open(all_right)
    said = browser.run("document.getElementById('plot-box').textContent")
    assert said == "Every accuracy of this selection is 100.0\u00a0%."
    assert browser.run("document.querySelectorAll('#plot-box svg').length") == 0


def test_lines_follow_dark_mode(browser: Browser, page: Path) -> None:
    strokes = []
    for dark in (False, True):
        browser.open(page, dark=dark)
        strokes.append(
            browser.run(
                "[...document.querySelectorAll('#plot-box path.line')]"
                ".map(p => getComputedStyle(p).stroke)"
            )
        )
    light, dark_ones = strokes
    assert light and len(set(light)) == len(light)
    assert not set(light) & set(dark_ones)


def test_figures_of_lines_follow_dark_mode(browser: Browser, page: Path) -> None:
    """Pixels of a data set keep their colours."""
    found = {}
    for dark in (False, True):
        browser.open(page, dark=dark)
        found[dark] = browser.run(
            "Object.fromEntries([...document.querySelectorAll('.paper img')].map("
            "i => [i.alt.split(': ')[1], getComputedStyle(i).filter]))"
        )
    assert set(found[False].values()) == {"none"}
    assert found[True]["lines"].startswith("invert(")
    assert found[True]["sheet"] == found[True]["noises"] == "none"


def test_the_plot_by_keyboard(tab: Browser) -> None:
    before = pick(tab, "norm", "inf")
    tab.run("document.getElementById('plot-attack').focus()")
    tab.key("ArrowDown", 40)
    assert tab.run("document.getElementById('plot-title').textContent") != before
    assert tab.run("document.activeElement.id") == "plot-attack"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, page: Path, width: int, dark: bool) -> None:
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    browser.open(page, width, dark=dark)
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.run((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8") + ";0")
    found = browser.run(
        "axe.run(document).then(r => r.violations.map(v =>"
        " [v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 160))]))"
    )
    assert [v for v in found if v[0] in ("serious", "critical", "moderate")] == []


def test_names_do_not_run(tab: Browser) -> None:
    assert tab.run("typeof window.injected") == "undefined"
    assert HOSTILE in texts(tab, "Network") + list(
        tab.run("[...document.querySelectorAll('select option')].map(o => o.value)")
    )
    assert tab.run("document.querySelectorAll('script').length") == 2


def test_the_table_starts_with_the_worst(tab: Browser) -> None:
    shown = [float(t.rstrip("\u00a0%")) for t in texts(tab, "Accuracy")]
    assert shown == sorted(shown) and shown[0] < shown[-1]
    assert tab.run("document.querySelector('[aria-sort]').textContent") == "Accuracy"
    clean = texts(tab, "Clean accuracy")
    same = [float(c.rstrip("\u00a0%")) for c, a in zip(clean, shown, strict=True) if a == shown[0]]
    assert len(same) > 1 and same == sorted(same)


def test_sorting_by_heading(tab: Browser) -> None:
    def press(heading: str) -> str | None:
        return tab.run(
            "(() => { const find = () => [...document.querySelectorAll('#cell-table thead th')]"
            f".find(th => th.textContent === {heading!r}); find().querySelector('button').click();"
            " return find().getAttribute('aria-sort'); })()"
        )

    assert press("L2, median") == "ascending"
    up = [float(t) for t in texts(tab, "L2, median")]
    assert up == sorted(up)
    assert tab.run("document.querySelectorAll('#cell-table [aria-sort]').length") == 1
    assert press("L2, median") == "descending"
    down = [float(t) for t in texts(tab, "L2, median")]
    assert down == sorted(down, reverse=True) and down[0] > up[-1]
    # empty values come last both ways
    tab.run("document.getElementById('cell-last').click()")
    assert texts(tab, "L2, median")[-1] == ""
    # the third press gives the order of the file
    assert press("L2, median") is None
    assert texts(tab, "Attack")[:15] == ["FGSM"] * 15
    assert press("Defence") == "ascending"
    assert texts(tab, "Defence")[0] == "JPEG 50"


def test_sorting_by_keyboard_keeps_the_place(tab: Browser) -> None:
    tab.run("document.querySelector('#cell-table thead button').focus()")
    tab.key("Enter", 13, "\r")
    assert tab.run("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    tab.key("Tab", 9)
    assert tab.run("document.activeElement.closest('th').cellIndex") == 1
    tab.run("document.activeElement.blur(); scrollTo(0, 0)")


def test_the_skip_link_is_first(tab: Browser) -> None:
    tab.key("Tab", 9)
    assert tab.run("document.activeElement.textContent") == "Skip to the content"
    box = tab.run("document.activeElement.getBoundingClientRect().top")
    assert box >= 0
    tab.key("Enter", 13, "\r")
    assert tab.run("document.activeElement.id") == "main"


def test_filters_act_together(tab: Browser) -> None:
    total = int(status(tab).split(" of ")[1].split()[0])
    assert status(tab) == f"{total} of {total} cells"
    choose(tab, "attack", "pgd")
    choose(tab, "threat", "adaptive")
    assert set(texts(tab, "Attack")) == {"PGD"} and set(texts(tab, "Threat")) == {"adaptive"}
    assert status(tab) == f"18 of {total} cells"
    choose(tab, "defence|quality", "jpeg 50")
    tab.run(
        "(() => { const q = document.getElementById('cell-query'); q.value = 'LENET  pgd';"
        " q.dispatchEvent(new Event('input')); })()"
    )
    assert status(tab) == f"3 of {total} cells"
    tab.run(
        "(() => { const q = document.getElementById('cell-query'); q.value = 'nothing has this';"
        " q.dispatchEvent(new Event('input')); })()"
    )
    assert status(tab) == f"0 of {total} cells"
    assert tab.run(f"{ROWS}[0].textContent") == "No cell fits these filters."
    assert tab.run("document.getElementById('cell-download').disabled")
    tab.run("document.getElementById('cell-reset').click()")
    assert status(tab) == f"{total} of {total} cells"


def test_pages_of_the_table(tab: Browser) -> None:
    assert tab.run(f"{ROWS}.length") == 50
    first = tab.run(f"{ROWS}[0].textContent")
    assert tab.run("document.getElementById('cell-previous').disabled")
    tab.run("document.getElementById('cell-next').click()")
    assert tab.run("document.getElementById('cell-range').textContent").startswith("Rows 51 to 100")
    assert tab.run(f"{ROWS}[0].textContent") != first
    tab.run("document.getElementById('cell-last').click()")
    assert tab.run("document.getElementById('cell-next').disabled")
    tab.run("document.getElementById('cell-first').click()")
    assert tab.run(f"{ROWS}[0].textContent") == first


def test_all_columns(tab: Browser) -> None:
    few = tab.run("document.querySelectorAll('#cell-table th').length")
    tab.run("document.getElementById('cell-all').click()")
    assert tab.run("document.querySelectorAll('#cell-table th').length") > few
    assert "attack_params" in tab.run("document.querySelector('#cell-table thead').textContent")
    assert len(set(texts(tab, "cell"))) == 50


def test_the_download_is_the_file(tab: Browser, page: Path, tmp_path: Path) -> None:
    def download() -> str:
        target = tmp_path / "cells.csv"
        target.unlink(missing_ok=True)
        behavior = {"behavior": "allow", "downloadPath": str(tmp_path), "eventsEnabled": True}
        tab.call("Browser.setDownloadBehavior", session=None, **behavior)
        before = len(tab.events)
        tab.run("document.getElementById('cell-download').click()")
        tab.wait_for("Browser.downloadProgress", before, state="completed")
        return target.read_bytes().decode()

    whole = (page.parent / "results.csv").read_bytes().decode()
    assert download() == whole
    choose(tab, "attack", "cw")
    some = list(csv.DictReader(io.StringIO(download())))
    assert some and {row["attack"] for row in some} == {"cw"}
    assert tab.complaints() == []


def test_controls_have_names(tab: Browser) -> None:
    tab.call("Accessibility.enable")
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    roles = {
        "button",
        "link",
        "textbox",
        "searchbox",
        "combobox",
        "checkbox",
        "image",
        "table",
        "region",
        "navigation",
        "DisclosureTriangle",
    }
    named = 0
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in roles and not node.get("ignored"):
            assert str(node.get("name", {}).get("value", "")).strip(), node
            named += 1
    assert named > 30


def test_failed_checks_come_first_and_the_answer_names_them(tab: Browser) -> None:
    found = tab.run(
        "[...document.querySelectorAll('#audit details.check .tally')].map(d => d.textContent)"
    )
    assert "fail" in found[0] and not any("fail" in text for text in found[2:])
    told = tab.run("document.querySelector('#headline .notice').textContent")
    assert "in the checks" in told


def test_print_opens_everything(tab: Browser) -> None:
    tab.run("dispatchEvent(new Event('beforeprint'))")
    assert tab.run("document.querySelectorAll('details:not([open])').length") == 0
    tab.run("dispatchEvent(new Event('afterprint'))")
    assert tab.run("document.querySelectorAll('details:not([open])').length") > 0

"""The page in a real browser: no complaint, no request, and a table that sorts and filters."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, find_browser
from made_up import MadeUp
from page_pieces import HOSTILE, plot, write_gallery

from reports.audit.audit import write_audit
from reports.page.page import write_page

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
    return write_page(folder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert PROGRAM is not None
    found = Browser(PROGRAM, tmp_path_factory.mktemp("browser") / "profile")
    yield found
    found.close()


@pytest.fixture
def tab(browser: Browser, page: Path) -> Browser:
    """The page, loaded anew at desktop width."""
    browser.open(page)
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
        "[...document.body.querySelectorAll('*')].filter(e => !e.closest('.wide, .paper, .hidden')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName)"
    )
    assert jutting == []
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
    assert browser.run("[...document.images].every(i => i.complete && i.naturalWidth > 0)")


def test_names_do_not_run(tab: Browser) -> None:
    assert tab.run("typeof window.injected") == "undefined"
    assert HOSTILE in texts(tab, "Network") + list(
        tab.run("[...document.querySelectorAll('select option')].map(o => o.value)")
    )
    assert tab.run("document.querySelectorAll('script').length") == 2


def test_sorting_by_heading(tab: Browser) -> None:
    def press(heading: str) -> str | None:
        return tab.run(
            "(() => { const find = () => [...document.querySelectorAll('#cell-table thead th')]"
            f".find(th => th.textContent === {heading!r}); find().querySelector('button').click();"
            " return find().getAttribute('aria-sort'); })()"
        )

    before = texts(tab, "L2, median")
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
    assert press("L2, median") is None
    assert texts(tab, "L2, median") == before
    assert press("Defence") == "ascending"
    assert texts(tab, "Defence")[0] == "jpeg 50"


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
    assert set(texts(tab, "Attack")) == {"pgd"} and set(texts(tab, "Threat")) == {"adaptive"}
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
        tab.call(
            "Browser.setDownloadBehavior",
            session=None,
            behavior="allow",
            downloadPath=str(tmp_path),
        )
        tab.run("document.getElementById('cell-download').click()")
        until = time.monotonic() + 10
        # the file is there before its content
        while time.monotonic() < until:
            if target.is_file() and target.stat().st_size:
                break
            time.sleep(0.05)
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


def test_failed_checks_are_open_and_first(tab: Browser) -> None:
    found = tab.run(
        "[...document.querySelectorAll('details.check')].map(d =>"
        " [d.open, d.querySelector('.badge').textContent])"
    )
    assert found[0] == [True, "fail"]
    assert [False, "ok"] in found


def test_print_opens_everything(tab: Browser) -> None:
    tab.run("dispatchEvent(new Event('beforeprint'))")
    assert tab.run("document.querySelectorAll('details:not([open])').length") == 0
    tab.run("dispatchEvent(new Event('afterprint'))")
    assert tab.run("document.querySelectorAll('details:not([open])').length") > 0

"""The page as a file: structure, escaping, size, words; a browser has its own tests."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import LABELS, MadeUp
from page_pieces import HOSTILE, plot, write_gallery
from PIL import Image

from reports.audit.audit import write_audit
from reports.errors import TableError
from reports.page import images
from reports.page.claims import claims
from reports.page.headline import cards, lowest
from reports.page.page import TEMPLATES, render, write_page
from reports.page.parts import gallery, studies
from reports.page.sentences import overall
from reports.results.columns import COLUMNS
from reports.results.read_write import read_results, write_results
from reports.style.labels import read_labels
from reports.worst_case.strongest import read_worst_case

BASELINES = Path(__file__).parents[3] / "reports" / "baselines"
VOID = {"meta", "link", "img", "br", "input", "rect", "line"}


class Page(HTMLParser):
    """Elements of a page in order, and whether they are closed as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.flow: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())
        self.flow.append(" " if tag in ("td", "th", "li", "p", "h1", "dt", "dd") else "")

    def handle_data(self, data: str) -> None:
        tag = self.open[-1] if self.open else ""
        self.texts.setdefault(tag, []).append(data)
        if tag not in ("script", "style"):
            self.flow.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self) -> str:
        """What people read, in its order."""
        return " ".join("".join(self.flow).split()).replace("\u00a0", " ")

    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.texts["script"][0]))


def column(data: dict[str, Any], name: str) -> list[str]:
    """A column of the page's table, as the script sees it."""
    (found,) = [c for c in data["columns"] if c["name"] == name]
    values = found["values"]
    return [values[code] for code in found["codes"]] if "codes" in found else values


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory that has everything a page can show."""
    folder = tmp_path_factory.mktemp("rich")
    made = MadeUp({"digits": ["lenet"], "mnist": ["lenet", "cnn"]})
    made.manifest.update(
        grid={"name": "rich", "description": "everything at once"},
        art_bench="1.2.3",
        versions={"python": "3.12.1", "torch": "2.9"},
        machine={"cores": 2, "device": "cpu"},
        weights={
            "digits/lenet": {
                "sha256": "a" * 64,
                "seed": 0,
                "test_accuracy": 0.98,
                "recipe": {"epochs": 3, "adversarial": {"method": "pgd", "eps": 0.3}},
            }
        },
    )
    skipped = dict(
        made.rows[0],
        dataset="cifar10",
        cell="f" * 16,
        status="skipped",
        n=None,
        correct=None,
        accuracy=None,
        reason="no cifar10.npz",
    )
    made.cells(attack="pgd", eps=0.1)[0]["over_budget"] = 2
    made.rows.append(skipped)
    made.write(folder)
    write_audit(folder)
    for name in (
        "accuracy-digits-fgsm",
        "heatmap-digits-fgsm",
        "threats-fgsm",
        "own-figure",
        "clean-accuracy-quality",
        "success-norm-inf",
    ):
        plot(folder / "plots" / f"{name}.png")
    fourier = folder / "studies" / "fourier"
    plot(fourier / "noises-mnist-lenet.png")
    (fourier / "shares.csv").write_text("band,share\n" + "low,0.123456789\n" * 30)
    (fourier / "energy.csv").write_text("what,energy\nnoise,0.5\n")
    (folder / "studies" / "alone.csv").write_text("a\n1\n")
    (folder / "claims.csv").write_text("claim,effect,verdict\nC1,+0.31,supported\nC2,0,undecided\n")
    write_gallery(folder)
    return folder


@pytest.fixture(scope="module")
def text(rich: Path) -> str:
    return render(rich)


def test_claims_are_grouped_with_their_parts(tmp_path: Path) -> None:
    (tmp_path / "claims.csv").write_text(
        "claim,attacker,part,subject,text,measured,effect,low,high,units,rule,verdict\n"
        "C1,oblivious,the claim,,JPEG helps,1 of 1 parts supported,,,,,all parts,supported\n"
        "C1,oblivious,gain,LeNet,,accuracy gained,0.0312345,0.02,0.04,9 images,above 0,supported\n"
        "C2,,the claim,,falls,0 of 1 parts supported,,,,,all parts,undecided\n"
        "C2,,faster,ResNet,,not measured: no grid was run,,,,,above 0,undecided\n"
    )
    found = claims(tmp_path)
    assert found is not None
    first, second = found["groups"]
    assert (first["name"], first["verdict"]) == ("C1, oblivious attacker", "supported")
    assert first["parts"]["rows"][0][3] == "0.03123 [0.02, 0.04]"
    assert (second["name"], second["verdict"]) == ("C2", "undecided")
    assert second["parts"]["rows"][0][3] == ""


def test_the_file_is_written_whole(rich: Path, text: str) -> None:
    path = write_page(rich)
    assert path == rich / "report.html"
    assert path.read_text(encoding="utf-8") == text
    assert not list(rich.glob("*.part"))


def test_structure(text: str) -> None:
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert page.all("html") == [{"lang": "en"}]
    for landmark in ("h1", "main", "nav", "header", "footer", "title"):
        assert len(page.all(landmark)) == 1, landmark
    ids = [a["id"] for _, a in page.elements if a.get("id")]
    assert len(ids) == len(set(ids))
    # the skip link and the sections of the navigation lead somewhere
    targets = [str(a["href"]) for a in page.all("a")]
    assert targets[0] == "#main"
    assert {t[1:] for t in targets} <= set(ids)
    for part in ("headline", "plot", "ranking", "audit", "gallery", "plots", "studies", "run"):
        assert f"#{part}" in targets
    for _, attributes in page.elements:
        for name in ("aria-labelledby", "for"):
            assert attributes.get(name) is None or attributes[name] in ids
    images = page.all("img")
    # of the plots only the one that the page cannot draw
    assert len(images) == 1 + 1 + 4
    assert all(str(a["alt"]).strip() and str(a["src"]).startswith("data:image/") for a in images)
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    # what scrolls in a box of its own can be reached by keyboard and has a name
    boxes = [
        a for _, a in page.elements if (a.get("class") or "").split()[:1] in (["wide"], ["paper"])
    ]
    assert boxes
    for box in boxes:
        assert box["tabindex"] == "0" and box["role"] == "region"
        assert box.get("aria-label") or box.get("aria-labelledby")
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_nothing_is_asked_for_and_nothing_else_may_run(text: str) -> None:
    page = Page(text)
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on") and name != "style", (tag, name)
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                assert str(value).startswith(("data:", "#")), (tag, value)
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert "url(" not in outside and "@import" not in outside
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv")]
    assert str(policy).startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in str(policy)
    style, script = page.texts["style"][0], page.texts["script"][1]
    for name, content in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in str(policy)
    for word in ("fetch(", "XMLHttpRequest", "innerHTML", "eval(", "import(", "localStorage"):
        assert word not in script


def test_the_table_is_the_file(rich: Path, text: str) -> None:
    data = Page(text).data()
    with (rich / "results.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert data["rows"] == len(rows) - 1
    assert [c["name"] for c in data["columns"]] == rows[0]
    for place, name in enumerate(rows[0]):
        assert column(data, name) == [row[place] for row in rows[1:]]
    keys = {part for c in data["main"] + data["filters"] for part in c["key"].split("|")}
    assert keys <= set(COLUMNS)


def test_words(text: str) -> None:
    words = Page(text).words()
    for wanted in (
        "everything at once",
        "LeNet on digits",
        "CNN on MNIST",
        "1 cell has no number and is absent from this answer:",
        "1 skipped: no cifar10.npz",
        "1 finding fails in the checks",
        "Worst accuracy",
        "without an attack.",
        "An attacker who may change each pixel by up to 0.1 of its range leaves",
        "An image counts as right only if it withstands all of FGSM, random signs and PGD.",
        "JPEG 50 saves",
        "as long as the attacker is unaware of it",
        "An aware attacker leaves",
        "no gain beyond chance remains",
        "Over these 6 cases",
        "Some checks fail",
        "2 images outside in 1 cell",
        "own figure",
        "attacked by an unaware attacker, and right behind the defence",
        "Of 2 claims: 1 supported, 1 undecided.",
        "Behind JPEG 50",
        "supported",
        "noises mnist lenet",
        "1 figure, 2 tables",
        "18 more rows",
        "0.1235",
        "epochs 3, adversarial pgd eps=0.3",
        "art-bench",
        "1.2.3",
        "98.00 %",
    ):
        assert wanted in words, wanted
    # the checks that fail stand first
    checks = re.findall(r"<summary><h3>(.*?)</h3>", text)
    assert checks[0] == "No image leaves its budget or [0, 1]"


def test_the_same_directory_gives_the_same_page(rich: Path, text: str) -> None:
    assert render(rich) == text


def test_a_study_is_one_part_of_the_page(rich: Path) -> None:
    first, second = studies(rich, 10**6)
    assert (first["name"], second["name"]) == ("alone", "fourier")
    assert [table["file"] for table in second["tables"]] == ["energy.csv", "shares.csv"]
    assert [figure["caption"] for figure in second["figures"]] == ["noises mnist lenet"]
    assert second["tables"][1]["left_out"] == 18
    assert [figure["picture"].uri for figure in studies(rich, 0)[1]["figures"]] == [""]


def test_names_cannot_inject(tmp_path: Path) -> None:
    made = MadeUp({HOSTILE: [HOSTILE]}, attacks={"fgsm": (0, 0.1, 0.6), "pgd": (0.1, 0.6)})
    made.manifest.update(
        grid={"name": HOSTILE, "description": HOSTILE},
        versions={HOSTILE: HOSTILE},
        machine={HOSTILE: HOSTILE},
        weights={HOSTILE: {"recipe": HOSTILE, "sha256": HOSTILE}},
    )
    made.rows.append(
        dict(
            made.rows[0],
            cell="1" * 16,
            status="failed",
            reason=HOSTILE,
            n=None,
            correct=None,
            accuracy=None,
        )
    )
    for row in made.rows:
        row["attack"] = row["attack"] + HOSTILE
    folder = made.write(tmp_path / "run")
    write_audit(folder)
    write_gallery(folder, HOSTILE)
    (folder / "claims.csv").write_text(f'claim\n"{HOSTILE.replace(chr(34), chr(34) * 2)}"\n')
    (folder / "studies").mkdir()
    (folder / "studies" / "<b>&.csv").write_text("a\n<i>1</i>\n")
    plot(folder / "plots" / "<u>.png")
    page = Page(render(folder))
    assert len(page.all("script")) == 2
    assert not page.all("b") and not page.all("i") and not page.all("u")
    assert all(str(a["src"]).startswith("data:") for a in page.all("img"))
    assert all("onerror" not in a for _, a in page.elements)
    assert set(column(page.data(), "network")) == {HOSTILE}
    assert HOSTILE in page.words()


def test_a_bare_table_is_enough(tmp_path: Path) -> None:
    made = MadeUp(attacks={"fgsm": (0, 0.1)})
    write_results(made.table, tmp_path / "results.csv")
    page = Page(render(tmp_path))
    assert "no per-image predictions" in page.words()
    links = {a["href"] for a in page.all("a")}
    assert links == {"#main", "#headline", "#plot", "#ranking", "#run"}
    # the answer is that of the strongest single attack
    lows = [row["accuracy"] for row in made.cells(eps=0.1, defence="none")]
    assert f"Worst accuracy {100 * min(lows):.1f} %" in page.words()
    assert "image by image" not in page.words().partition("may be lower")[2]


def test_a_run_without_numbers_says_so(tmp_path: Path) -> None:
    made = MadeUp(attacks={"fgsm": (0.1,)})
    for row in made.rows:
        row.update(status="skipped", reason="no data", n=None, correct=None, accuracy=None)
    made.write(tmp_path / "run", predictions=False)
    write_audit(tmp_path / "run")
    words = Page(render(tmp_path / "run")).words()
    assert "No cell of this run has a number." in words
    assert "6 cells have no number and are absent from this answer: 6 skipped: no data" in words


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("results.csv", "a,b\n1,2\n", "lacks the columns"),
        ("manifest.json", "{", "manifest .* cannot be read"),
        ("manifest.json", "[]", "expected a JSON object, got list"),
        ("audit.csv", "a\n1\n", "audit .* lacks the columns"),
        ("worst_case.csv", "a\n1\n", "worst case .* lacks the columns"),
        ("gallery/gallery.json", "{", "gallery .* cannot be read"),
        ("claims.csv", "", "table .* not a CSV table"),
    ],
)
def test_broken_files_are_named(file: str, content: str, message: str, tmp_path: Path) -> None:
    MadeUp(attacks={"fgsm": (0, 0.1)}).write(tmp_path)
    (tmp_path / "report.html").write_text("old")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    with pytest.raises(TableError, match=message):
        write_page(tmp_path)
    assert (tmp_path / "report.html").read_text() == "old"


def test_a_directory_is_wanted(rich: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", rich / "results.csv"):
        for call in (write_page, write_audit):
            with pytest.raises(TableError, match="no such directory"):
                call(path)
    made = MadeUp(attacks={"fgsm": (0, 0.1)}).write(tmp_path / "run")
    (made / "report.html").mkdir()
    with pytest.raises(TableError, match=r"report\.html: cannot be written"):
        write_page(made)


def test_gallery_stays_in_its_folder_and_budget(rich: Path, tmp_path: Path) -> None:
    assert len(gallery(rich, 1_000_000)[0]["entries"]) == 1
    assert gallery(rich, 100) == []
    (tmp_path / "gallery").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "secret.png")
    entry = {"story": "lost", "pictures": [{"role": "clean", "file": "../secret.png"}]}
    (tmp_path / "gallery" / "gallery.json").write_text(json.dumps([entry]))
    assert gallery(tmp_path, 1_000_000) == []


@pytest.mark.parametrize(
    "content",
    [
        "1",
        "[1]",
        '[{"pictures": 1}]',
        '[{"pictures": [1]}]',
        '[{"pictures": [{"file": "a\\u0000"}]}]',
    ],
)
def test_a_gallery_of_another_shape_is_left_out(content: str, tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "gallery.json").write_text(content)
    assert gallery(tmp_path, 1_000_000) == []


def test_against_a_baseline(rich: Path, tmp_path: Path) -> None:
    worse = MadeUp({"digits": ["lenet"], "mnist": ["lenet", "cnn"]})
    (row,) = worse.cells(
        dataset="mnist", network="cnn", attack="fgsm", eps=0.1, threat="oblivious", defence="jpeg"
    )
    worse.set_right(row, np.zeros(400, dtype=bool))
    base = worse.write(tmp_path / "base")
    page = Page(render(rich, base))
    assert "#comparison" in {a["href"] for a in page.all("a")}
    assert "better" in page.words()
    assert "CNN on MNIST, FGSM, L∞ eps 0.1, oblivious, JPEG 50 better 0.0 %" in page.words()
    same = Page(render(rich, rich)).words()
    assert "No accuracy changed beyond chance." in same
    with pytest.raises(TableError, match="no such file"):
        render(rich, tmp_path / "nowhere.csv")


def test_the_full_grid_stays_under_three_megabytes(tmp_path: Path) -> None:
    shutil.copy(BASELINES / "full.csv", tmp_path / "results.csv")
    manifest = json.loads((BASELINES / "full.manifest.json").read_text())
    # the table stands alone here
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "files": {}}))
    write_audit(tmp_path)
    for i in range(32):
        plot(tmp_path / "plots" / f"own-{i}.png", noise=i < 4)
    write_gallery(tmp_path)
    path = write_page(tmp_path)
    assert path.stat().st_size < 3_000_000
    page = Page(path.read_text(encoding="utf-8"))
    assert page.data()["rows"] == 6266
    # one table, with a budget per data set and norm
    assert "Worst accuracy 6.7 % (2.6 to 15.9) by PGD" in page.words()


def test_pictures_are_pressed_until_they_fit(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        plot(path, noise=True)
    exact = images.embed(paths, 10_000_000)
    with Image.open(io.BytesIO(base64.b64decode(exact[0].uri.partition(",")[2]))) as shown:
        assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(Image.open(paths[0])))
    whole = sum(len(p.uri) for p in exact)
    small = images.embed(paths, whole // 2)
    assert 0 < sum(len(p.uri) for p in small) <= whole // 2
    assert all(p.uri and (p.width, p.height) == (400, 300) for p in small)
    assert [bool(p.uri) for p in images.embed(paths, len(small[0].uri) // 2)] == [False] * 3
    (tmp_path / "0.png").write_text("no picture")
    assert [bool(p.uri) for p in images.embed(paths, 10_000_000)] == [False, True, True]
    assert images.as_is(tmp_path / "0.png").uri == ""


def test_cards_say_what_the_numbers_say(rich: Path) -> None:
    worst = read_worst_case(rich)
    assert worst is not None
    table = read_results(rich)
    labels = read_labels(rich)
    found = cards(worst, table, labels)
    assert len(found) == 6
    first = found[0]
    assert (first.dataset, first.network, first.norm) == ("digits", "lenet", "inf")
    assert first.budget == "L∞ eps 0.1"
    assert [bar.tone for bar in first.bars] == ["clean", "attacked", "clean", "saved", "aware"]
    # JPEG is made to save everything from the unaware attacker, and nothing from the aware one
    assert first.bars[3].share > 0.9
    assert first.bars[4].share == first.bars[1].share
    assert first.gain is not None and first.gain > 0.5 and first.left == 0
    assert overall(found[:1]) == ""
    assert overall(found).endswith("by 0 points against an aware one.")
    search = found[1].sentences[-1]
    assert search.startswith("C&W searches for the smallest change that works (median 1.2 in L2)")
    assert "JPEG 50 saves" in search and search.endswith("and none from an aware one.")
    # a search in a norm of its own has no card: it goes into the first of its network
    moved = table.assign(norm=table["norm"].mask(table["attack"] == "cw", "0"), l0_median=12.0)
    sparse = cards(worst, moved, labels)
    assert "(median 12 in L0)" in sparse[0].sentences[-1]
    assert [len(card.sentences) for card in sparse[:2]] == [
        len(found[0].sentences) + 1, len(found[1].sentences) - 1,
    ]  # fmt: skip
    few = worst["threat"] == "oblivious"
    unaware = cards(worst[few], table[table["threat"] == "oblivious"], labels)
    assert unaware[0].sentences[-1].endswith("so this is an upper bound.")
    assert "no aware attacker was tried" in overall(unaware)
    # corruptions have no norm: they search for nothing
    worse = table.assign(norm=table["norm"].where(table["eps"].notna(), "none"))
    told = [text for card in cards(worst, worse) for text in card.sentences]
    assert told and not any("searches for" in text for text in told)
    assert cards(worst.iloc[:0], table) == []


@pytest.mark.parametrize("quality", [20, 80])
def test_without_an_undefended_network_the_shown_defence_may_be_the_best(
    rich: Path, quality: int
) -> None:
    worst, table, labels = read_worst_case(rich), read_results(rich), read_labels(rich)
    assert worst is not None
    jpeg = worst[(worst["defence"] == "jpeg") & (worst["threat"] == "oblivious")]
    jpeg = jpeg[jpeg["eps"] == 0.1].head(1)
    assert set(jpeg["quality"]) == {50}
    weaker = jpeg.assign(quality=quality, correct=jpeg["correct"] - 5)
    weaker["accuracy"] = weaker["correct"] / weaker["n"]
    both = pd.concat([jpeg, weaker], ignore_index=True)
    one, two, other = (cards(w, table.iloc[:0], labels)[0] for w in (jpeg, both, both[::-1]))
    assert (one.behind, one.best, one.saved.share) == ("JPEG 50", "JPEG 50", one.worst.share)
    assert "JPEG 50 is the only defence." in one.sentences
    assert (two.behind, two.best, two.saved.share) == ("JPEG 50", "JPEG 50", two.worst.share)
    assert "JPEG 50 is the best of 2 defences." in two.sentences
    # no number is shown twice
    assert len({bar.label for bar in two.bars}) == len(two.bars)
    assert (other.behind, other.best) == (f"JPEG {quality}", "JPEG 50")
    assert other.saved.share > other.worst.share
    assert any(
        text.startswith("JPEG 50, the best of 2 defences, brings") for text in other.sentences
    )


def test_one_budget_for_the_networks_of_a_data_set(tmp_path: Path) -> None:
    made = MadeUp({"digits": ["lenet", "cnn"]}, attacks={"fgsm": (0, 0.05, 0.1, 0.2)})
    # nothing is wrong with one of them
    for row in made.cells(network="cnn"):
        made.set_right(row, np.ones(400, dtype=bool))
        row.update(clean_correct=400, clean_accuracy=1.0)
        made.predictions[row["cell"]]["clean"] = made.predictions[row["cell"]]["label"]
    folder = made.write(tmp_path)
    write_audit(folder)
    worst = read_worst_case(folder)
    assert worst is not None
    weak, firm = cards(worst, made.table, made.labels)
    assert weak.eps == firm.eps and firm.worst.share == 1 and weak.worst.share < 0.5
    assert lowest([firm, weak]) == weak
    rows = re.findall(r'<tr><th scope="row">(\w+), digits</th>.*?<strong>([0-9.]+)', render(folder))
    assert [name for name, _ in rows] == ["LeNet"] * 3 + ["CNN"] * 3
    assert [float(share) for _, share in rows] == sorted(float(share) for _, share in rows)


@pytest.mark.parametrize("which", ["searches only", "one row", "defended only", "one eps"])
def test_small_runs_have_an_answer(which: str, tmp_path: Path) -> None:
    made = MadeUp(attacks={"cw": (None,)} if which == "searches only" else {"fgsm": (0.1,)})
    if which == "defended only":
        made.rows = made.cells(defence="jpeg")
    if which == "one row":
        made.rows = made.cells(defence="none", threat="oblivious")
    for predictions in (True, False):
        folder = made.write(tmp_path / str(predictions), predictions)
        write_audit(folder)
        words = Page(render(folder)).words()
        low = min(row["accuracy"] for row in made.rows if row["defence"] in ("none", "jpeg"))
        if which in ("one row", "defended only"):
            assert f"Worst accuracy {100 * low:.1f} %" in words
        assert "LeNet on digits" in words and "No cell of this run has a number" not in words
        # a run without JPEG does not speak of it
        assert ("JPEG" in words) == (which != "one row")
        assert ("L2, no bound" in words) == (which == "searches only")


def test_labels_are_read_and_names_are_kept(tmp_path: Path) -> None:
    made = MadeUp({"digits": ["mynets.models:build_resnet[width=4]"]}, attacks={"fgsm": (0, 0.1)})
    networks = {"mynets.models:build_resnet[width=4]": "resnet18-v2"}
    made.manifest["labels"] = {**LABELS, "networks": networks}
    made.manifest.update(title="Release 2", subtitle="one network under FGSM")
    folder = made.write(tmp_path)
    write_audit(folder)
    page = Page(render(folder))
    assert page.data()["labels"]["network"] == networks
    assert page.data()["labels"]["defence|quality"]["jpeg 50"] == "JPEG 50"
    assert set(column(page.data(), "network")) == set(networks)
    assert "resnet18-v2 on digits" in page.words()
    assert "Networks resnet18-v2 (mynets.models:build_resnet[width=4])" in page.words()
    assert "Release 2" in page.words() and "one network under FGSM" in page.words()


def test_the_plot_starts_at_the_answer(tmp_path: Path) -> None:
    threats = ("oblivious", "adaptive", "transfer[from=cnn]")
    made = MadeUp(attacks={"fgsm": (0, 0.1, 0.2), "pgd": (0.1, 0.2)}, threats=threats)
    folder = made.write(tmp_path)
    write_audit(folder)
    shown = Page(render(folder)).data()["start"]
    case = {"dataset": "digits", "network": "lenet", "norm": "inf", "attack": "pgd", "eps": 0.1}
    assert shown == {**case, "threat": "adaptive"}


def test_accuracy_by_class_is_folded(rich: Path, tmp_path: Path) -> None:
    folder = MadeUp(attacks={"fgsm": (0, 0.1)}).write(tmp_path)
    assert "by class" not in render(folder)
    made = MadeUp(attacks={"fgsm": (0, 0.1)})
    (cell,) = (row["cell"] for row in made.cells(eps=0.1, threat="oblivious", defence="none"))
    header = "cell,class,class_name,n,clean_accuracy,accuracy,accuracy_low,accuracy_high"
    lines = [f"{cell},7,seven,40,1.0,0.5,0.4,0.6", f"{cell},1,<b>one</b>,40,1.0,0.25,0.1,0.4"]
    path = folder / "per_class.csv"
    path.write_text("\n".join([header, *lines, f"{'0' * 16},3,three,40,1.0,0.0,0.0,0.1", ""]))
    words = Page(render(folder)).words()
    assert "LeNet on digits, FGSM, L∞ eps 0.1 lowest: <b>one</b>, 25.0 %" in words
    assert "seven 50.0 % (40.0 to 60.0) 100.0 % 40" in words and "three" not in words
    path.write_text("a\n1\n")
    with pytest.raises(TableError, match=r"per_class\.csv: lacks the columns cell"):
        render(folder)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme: int) -> None:
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    palettes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    colours = {**palettes[0], **palettes[scheme]}

    def ratio(a: str, b: str) -> float:
        dark, light = sorted((luminance(colours[a]), luminance(colours[b])))
        return (light + 0.05) / (dark + 0.05)

    # WCAG 2.2: 4.5 to 1 for text, 3 to 1 for what is not text
    for text_colour in ("text", "muted", "accent", "fail", "warn", "ok"):
        for ground in ("ground", "raised"):
            assert ratio(text_colour, ground) >= 4.5, (text_colour, ground)
    assert ratio("text", "track") >= 4.5
    for bar in ("attacked", "saved", "aware", "proved"):
        assert ratio(bar, "ground") >= 3 and ratio(bar, "raised") >= 3, bar
    # names stand at the ends of their lines in the colour of the line
    for line in ("c0", "c1", "c2", "c3", "c4", "c5"):
        assert ratio(line, "ground") >= 4.5, line


def test_no_template_steps_around_the_escaping() -> None:
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "safe" not in re.findall(r"\|\s*(\w+)", text) and "autoescape" not in text

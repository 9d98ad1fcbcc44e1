"""The examples of docs/extending.md, run as they stand on the page."""

from __future__ import annotations

import configparser
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmark.cli.catalogue import catalogue
from benchmark.grids.code_names import refuse_import
from benchmark.grids.schema import schema_text
from benchmark.threats import THREATS
from estimators.plugins import installed, is_dotted, plugin
from reports.results.read_write import read_results
from reports.style.labels import read_labels

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
MODULES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE, flags=re.DOTALL))
((SETUP),) = re.findall(r"```ini\n(.*?)```", PAGE, flags=re.DOTALL)
MINE = ("sparse", "posterise", "perceptron", "stripes", "brightness")
OF = "(plug-in of mine 1.2)"
((GRID),) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def entry_points() -> str:
    """The entry points of the page's setup.cfg, as an installer writes them."""
    setup = configparser.ConfigParser()
    setup.read_string(SETUP)
    groups = setup["options.entry_points"].items()
    return "\n".join(f"[{group}]{lines}\n" for group, lines in groups)


@pytest.fixture
def package(module) -> None:
    """The page's modules, importable."""
    for name, text in MODULES.items():
        module(name, text)


@pytest.fixture
def distribution(package, module) -> None:
    """The same as an installed package that announces them."""
    folder = module("mine_empty", "") / "mine-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text(entry_points())


def test_each_example_is_short() -> None:
    kinds = ("network", "data", "attack", "defence", "study", "rows")
    assert set(MODULES) == {f"mine_{kind}" for kind in kinds}
    assert max(text.count("\n") for text in MODULES.values()) < 50


def test_the_page_as_plug_ins(bench, distribution, tmp_path: Path) -> None:
    train = ("train", "--network", "perceptron:width=32", "--dataset", "stripes", "--epochs", "4")
    code, out = bench(*train, "--out", "perceptron.safetensors")
    assert code == 0, out
    (tmp_path / "mine.yaml").write_text(GRID)
    code, out = bench("run", "--grid", "mine.yaml", "--out", "r")
    assert code == 0, out
    rows = read_results(tmp_path / "r")
    assert len(rows) == 2 * 3 * 3 * 2
    assert set(rows["status"]) == {"ok"}
    assert set(rows["dataset"]) == {"stripes"}
    assert rows["over_budget"].sum() == 0
    clean = rows[rows["eps"] == 0]
    assert (clean["correct"] == clean["clean_correct"]).all()
    assert clean["accuracy"].min() > 0.8
    attacked = rows[(rows["eps"] == 0.3) & (rows["threat"] == "adaptive")]
    assert len(attacked[attacked["attack"].str.startswith("sparse")]) == 3
    assert attacked["accuracy"].max() < 0.7
    # the stronger step is that in every pixel
    bare = attacked[attacked["defence"] == "none"].set_index("attack")["accuracy"]
    assert bare["fgsm"] <= bare["sparse[share=0.5]"]


def test_bench_list_names_plug_ins_and_their_package(bench, distribution) -> None:
    shown = {kind: {row[0]: row[1:] for row in rows} for kind, rows in catalogue().items()}
    assert {kind: rows[name] for kind, rows in shown.items() for name in MINE if name in rows} == {
        "attacks": (f"one step in the pixels with the largest gradient {OF}", "eps=... share=0.5"),
        "defences": (f"a few grey levels instead of 256 {OF}", "levels=8"),
        "networks": (f"one hidden layer, for any images {OF}", "width=64"),
        "data sets": (f"stripes across or down, with noise; 16x16 grey {OF}", ""),
        "studies": (f"mean brightness of each class {OF}", "images"),
    }
    schema = json.loads(schema_text())["properties"]
    for name, key in zip(MINE, ("attacks", "defences", "networks", "datasets"), strict=False):
        assert name in schema[key]["items"]["anyOf"][0]["enum"]
    for attack in ("fgsm", "art-autoattack", "cw"):
        assert "targeted=false target=next" in shown["attacks"][attack][1]
    assert "targeted" not in shown["attacks"]["deepfool"][1]
    code, out = bench("list", "defences")
    assert code == 0
    assert "posterise" in out


BARE = {
    "attacks": ("sparse", "mine_attack:Sparse", "One step in the pixels", "eps=0.1 share=0.5"),
    "networks": ("perceptron", "mine_network:perceptron", "One hidden layer", "width=64"),
    "data sets": ("stripes", "mine_data:stripes", "Stripes across or down", ""),
}


def test_a_plug_in_may_be_a_bare_class_or_function(package, module) -> None:
    folder = module("mine_empty", "") / "bare-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: bare\nVersion: 1\n")
    groups = (
        f"[art_bench.{title.replace(' ', '')}]\n{name} = {value}\n"
        for title, (name, value, _, _) in BARE.items()
    )
    (folder / "entry_points.txt").write_text("\n".join(groups))
    shown = catalogue()
    for title, (name, _, summary, parameters) in BARE.items():
        (row,) = (row for row in shown[title] if row[0] == name)
        assert row[1].startswith(summary) and row[1].endswith("(plug-in of bare 1)")
        assert row[2] == parameters


def test_a_broken_plug_in_does_not_break_the_list(bench, distribution, module) -> None:
    module("mine_rows", "raise RuntimeError('[on] purpose')")
    (summary,) = (row[1] for row in catalogue()["data sets"] if row[0] == "stripes")
    assert "plug-in of mine 1.2" in summary
    assert "RuntimeError: [on] purpose" in summary
    assert bench("list", "attacks")[0] == 0
    code, out = bench("run", "--dataset", "stripes")
    assert code == 2
    assert "data set 'stripes' (plug-in of mine 1.2): cannot be imported" in out


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """All texts of the figures that are saved from now on."""
    found: set[str] = set()
    save = Figure.savefig

    def saved(figure: Figure, *args: Any, **kwargs: Any) -> None:
        found.update(text.get_text() for text in figure.findobj(Text))
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", saved)
    return found


def test_one_file_and_one_row_of_each_kind(
    bench, distribution, tmp_path: Path, texts: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new thing is found in a run, in the labels of its figures, and on its page."""
    twin = replace(THREATS["adaptive"], name="twin", label="Twin")
    monkeypatch.setitem(THREATS, "twin", twin)
    assert "twin" in {row[0] for row in catalogue()["threats"]}
    code, out = bench(
        *("run", "--dataset", "stripes", "--network", "perceptron", "--threat", "twin"),
        *("--attack", "sparse:eps=0.1", "--attack", "sparse:eps=0.2", "--defence", "none"),
        *("--defence", "posterise", "--samples", "20", "--out", "r"),
    )
    assert code == 0, out
    assert set(read_results(tmp_path / "r")["attack"]) == {"sparse"}
    labels = read_labels(tmp_path / "r")
    assert labels.attack("sparse[share=0.2]") == "Sparse[share=0.2]"
    assert (labels.place("stripes", "perceptron"), labels.defence("posterise")) == (
        "Perceptron, Stripes",
        "Posterise",
    )
    assert json.loads((tmp_path / "r" / "manifest.json").read_text())["threats"][-1] == {
        "name": "twin",
        "sees_defence": True,
        "crafted_elsewhere": False,
    }
    for label in ("Sparse", "Perceptron", "Stripes"):
        assert any(label in text for text in texts), label
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    for label in ("Sparse", "Perceptron", "Stripes", "Posterise", "twin"):
        assert label in page, label


def test_a_study_of_a_plug_in(bench, distribution, tmp_path: Path) -> None:
    code, out = bench("study", "brightness", "--set", "images=40", "--out", "s")
    assert code == 0, out
    assert {path.name for path in (tmp_path / "s").iterdir()} == {
        "brightness.csv",
        "brightness.png",
        "study.json",
    }


def test_the_page_by_dotted_names(bench, package, tmp_path: Path) -> None:
    """On the command line: the user's own word, no --allow-import."""
    code, out = bench(
        "run",
        "--network",
        "mine_network:perceptron:width=8",
        "--dataset",
        "mine_data:stripes",
        "--attack",
        "mine_attack:Sparse:eps=0.2",
        "--samples",
        "10",
        "--out",
        "r",
    )
    assert code == 0, out
    assert "used as it is" in out
    assert set(read_results(tmp_path / "r")["attack"]) == {"mine_attack:Sparse"}


DOTTED_GRIDS = {
    "data set": "datasets: ['mine_data:stripes']",
    "network": "networks: ['mine_network:perceptron']",
    "network with parameters": "networks: [{name: 'mine_network:perceptron', width: 8}]",
    "attack": "blocks: [{attacks: [{name: 'mine_attack:Sparse', eps: 0.1}]}]",
    "defence": "defences: ['mine_defence:Posterise']",
    "a member of a chain": "defences: ['jpeg+mine_defence:Posterise']",
    "a list in a list": "defences: [{name: jpeg, quality: [['mine_defence:Posterise']]}]",
    "a parameter": "defences: [{name: jpeg, quality: ['mine_defence:Posterise']}]",
}


@pytest.mark.parametrize("case", DOTTED_GRIDS)
def test_no_code_on_a_files_word(bench, module, tmp_path: Path, case: str) -> None:
    for name in MODULES:
        module(name, f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    text = DOTTED_GRIDS[case]
    attacks = "" if "attacks" in text else "\nattacks: [{name: fgsm, eps: 0.1}]"
    (tmp_path / "g.yaml").write_text(text + attacks)
    code, out = bench("run", "--grid", "g.yaml")
    assert code == 2, out
    assert len(out.strip().splitlines()) == 1
    assert "add --allow-import" in out
    assert not (tmp_path / "ran").exists()


def test_allow_import(bench, package, tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(
        "{datasets: ['mine_data:stripes'], networks: [{name: 'mine_network:perceptron', width: 8}],"
        " attacks: [{name: 'mine_attack:Sparse', eps: 0.1}], threats: [adaptive],"
        " defences: [{name: 'mine_defence:Posterise', levels: [4, 8]}], samples: 10}"
    )
    code, out = bench("run", "--grid", "g.yaml", "--allow-import", "--out", "r")
    assert code == 0, out
    assert len(read_results(tmp_path / "r")) == 2


@pytest.mark.parametrize(
    ("key", "text", "code"),
    [
        ("threats", "network=pkg.mod:net", True),
        ("threats", "network=torchvision:vgg11", False),
        ("networks", "torchvision:vgg11", False),
        ("networks", "torchvision.models:vgg11", True),
        ("networks", "torchvision:vgg11+os:system", True),
        ("attacks", "torchvision:vgg11", True),
        ("datasets", "npz:c:data.npz", False),
        ("datasets", "npzz:data", True),
        ("datasets", "imagefolder:a:b", False),
        ("defences", "art.defences.x.Y", False),
    ],
)
def test_where_code_hides(key: str, text: str, code: bool) -> None:
    if not code:
        refuse_import(key, text)
        return
    with pytest.raises(ValueError, match="--allow-import"):
        refuse_import(key, text)


BAD_THINGS = {
    "attack": (["--attack", "bad:thing"], "expected an AttackEntry or a class of EvasionAttack"),
    "data set gives nothing": (
        ["--dataset", "bad:nothing"],
        "expected Images, arrays (x, y) or a data set with __len__ and __getitem__, got NoneType",
    ),
    "data set raises": (["--dataset", "bad:fails"], "its function failed (KeyError: 'x')"),
    "data set is normalised": (["--dataset", "bad:normalised"], "must lie in [0, 1]"),
    "no module": (["--attack", "nowhere:thing"], "No module named 'nowhere'"),
    "no attribute": (["--attack", "bad:missing"], "has no attribute 'missing'"),
    "raises at import": (["--network", "worse:net"], "ZeroDivisionError"),
}


@pytest.mark.parametrize("case", BAD_THINGS)
def test_things_of_the_wrong_kind(bench, module, case: str) -> None:
    module("worse", "1 / 0")
    module(
        "bad",
        """
        import numpy as np
        def thing(): return 1
        def nothing(split, data_dir): return None
        def fails(split, data_dir): return {}["x"]
        def normalised(split, data_dir): return np.full((4, 8, 8), -1.0), np.arange(4) % 2
        """,
    )
    options, message = BAD_THINGS[case]
    code, out = bench("run", *options)
    assert code == 2, out
    assert message in out
    assert len(out.strip().splitlines()) == 1, out


def test_two_plug_ins_of_one_name(distribution, module) -> None:
    other = module("mine_other", "") / "other-1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (other / "entry_points.txt").write_text("[art_bench.attacks]\nsparse = mine_attack:Other\n")
    assert [found.distribution for found in installed("attacks")] == ["other 1", "mine 1.2"]
    with pytest.raises(ValueError, match="several plug-ins have this name"):
        plugin("attacks", "sparse")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("package.module:thing", True),
        ("a:b.c", True),
        ("lenet", False),
        ("npz:/x/y.npz", False),
        ("art.attacks.evasion.DeepFool", False),
        ("a:", False),
        (":b", False),
        ("a:b c", False),
    ],
)
def test_what_counts_as_code(name: str, code: bool) -> None:
    assert is_dotted(name) is code

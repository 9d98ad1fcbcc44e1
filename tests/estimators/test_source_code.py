"""A cell's key knows the code of others that the cell runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmark.execution.plugin_code import plugin_code
from benchmark.grids.cell import Cell, Inputs
from estimators import plugins
from estimators.source_code import code_sha256, modules_sha256
from estimators.spec import Spec, parse_spec
from reports.results.read_write import read_results

# one step of eps, away from what it is told
ATTACK = """
    import numpy as np
    from art.attacks.attack import EvasionAttack
    from benchmark.attacks.entry import AttackEntry
    from {helper} import SIGN

    class Shift(EvasionAttack):
        attack_params = [*EvasionAttack.attack_params, "eps"]
        _estimator_requirements = ()

        def __init__(self, estimator, eps=0.1):
            super().__init__(estimator=estimator)
            self.eps = eps

        def generate(self, x, y=None, **kwargs):
            return np.clip(x + SIGN * self.eps, 0, 1)

    entry = AttackEntry(name="shift", build=f"{{__name__}}:Shift", summary="a shift")
"""
DEFENCE = """
    from art.defences.preprocessor.preprocessor import Preprocessor

    class Darker(Preprocessor):
        params = []

        def __init__(self):
            super().__init__(is_fitted=True, apply_fit=False, apply_predict=True)

        def __call__(self, x, y=None):
            return x * 0.9, y
"""


def as_in_a_new_process(*modules: str) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] in modules]:
        del sys.modules[name]
    plugins._load.cache_clear()
    code_sha256.cache_clear()


@pytest.fixture
def mine(module):
    """An attack in a module of its own, with a helper that has one of its own, and a defence."""
    folder = module("mine_helper", "from mine_deeper import SIGN")
    module("mine_deeper", "SIGN = 1")
    module("mine_attack", ATTACK.format(helper="mine_helper"))
    module("mine_defence", DEFENCE)
    module("mine_other", "number = 1")
    return folder


def key(attack: str = "mine_attack:Shift", defence: str = "none") -> str:
    as_in_a_new_process("mine_attack", "mine_defence", "mine_helper", "mine_deeper", "mine_package")
    spec = parse_spec(defence)
    cell = Cell("digits", Spec("lenet"), Spec.of(attack, eps=0.1), "oblivious", spec, 5, 0)
    return cell.key(Inputs("data", "weights", code=plugin_code(cell)))


@pytest.mark.parametrize("name", ["mine_attack:Shift", "mine_attack:entry"])
@pytest.mark.parametrize("changed", ["mine_attack", "mine_helper", "mine_deeper"])
def test_changed_code_is_another_cell(mine: Path, name: str, changed: str) -> None:
    before = key(name)
    assert key(name) == before
    with (mine / f"{changed}.py").open("a") as file:
        file.write("\n# another version\n")
    assert key(name) != before


def test_a_row_counts_with_the_module_that_it_names(mine: Path) -> None:
    (mine / "mine_row.py").write_text(
        "from benchmark.attacks.entry import AttackEntry\n"
        "row = AttackEntry(name='shift', build='mine_attack:Shift', summary='a shift')\n"
    )
    before = key("mine_row:row")
    (mine / "mine_deeper.py").write_text("SIGN = -1")
    assert key("mine_row:row") != before


def test_what_it_does_not_import_does_not_count(mine: Path) -> None:
    before = key()
    (mine / "mine_other.py").write_text("number = 2")
    assert key() == before


@pytest.mark.parametrize("defence", ["mine_defence:Darker", "quantize+mine_defence:Darker"])
def test_a_defence_counts_alone_and_in_a_chain(mine: Path, defence: str) -> None:
    before = key("fgsm", defence)
    (mine / "mine_defence.py").write_text("from mine_other import *\n")
    (mine / "mine_other.py").write_text("def Darker(): pass\n")
    moved = key("fgsm", defence)
    (mine / "mine_other.py").write_text("def Darker(): return None\n")
    assert len({before, moved, key("fgsm", defence)}) == 3


def test_inside_a_package(mine: Path) -> None:
    """Relative imports, and the packages around a module, whose code runs first."""
    package = mine / "mine_package"
    (package / "deep").mkdir(parents=True)
    files = {"__init__.py": "", "signs.py": "SIGN = 1", "deep/__init__.py": "", "unused.py": ""}
    for name, text in files.items():
        (package / name).write_text(text)
    lines = ATTACK.format(helper="..signs").splitlines()
    (package / "deep" / "attack.py").write_text("\n".join(line[4:] for line in lines))
    keys = [key("mine_package.deep.attack:Shift")]
    for name in files:
        (package / name).write_text(f"{files[name]}\n# changed")
        keys.append(key("mine_package.deep.attack:Shift"))
    assert len(set(keys)) == 4
    assert keys[-1] == keys[-2]  # nobody imports `unused`


def test_ours_and_arts_have_no_code_in_their_key(mine: Path) -> None:
    """So that the keys of the reference runs stay what they are."""
    for attack in ("fgsm", "art.attacks.evasion.ElasticNet"):
        cell = Cell("digits", Spec("lenet"), Spec(attack), "oblivious", Spec("jpeg+tvm"), 5, 0)
        assert plugin_code(cell) == {}
        assert cell.key(Inputs("data", "weights")) == cell.key(Inputs("data", "weights", code={}))


def test_what_is_installed_counts_with_its_version(tmp_path: Path, monkeypatch) -> None:
    site = tmp_path / "site-packages"
    info = site / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "top_level.txt").write_text("mine_installed\n")
    (site / "mine_installed.py").write_text("import mine_beside\n")
    (site / "mine_beside.py").write_text("a = 1\n")
    monkeypatch.syspath_prepend(str(site))

    def found(version: str) -> str:
        from estimators import source_code

        source_code._distributions.cache_clear()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mine\nVersion: {version}\n")
        return modules_sha256(["mine_installed"])

    first = found("1.0")
    assert found("1.0") == first != found("1.1")
    (site / "mine_beside.py").write_text("a = 2\n")
    assert found("1.0") == first  # the version speaks for what it imports
    (site / "mine_installed.py").write_text("import mine_beside  # edited in place\n")
    assert found("1.0") != first


@pytest.mark.parametrize("name", ["sys", "json", "numpy.linalg", "__main__", "mine_absent.thing"])
def test_any_module_has_a_hash(name: str) -> None:
    assert modules_sha256([name]) == modules_sha256([name])


def test_source_that_cannot_be_read_as_python_is_hashed_as_it_is(module) -> None:
    folder = module("mine_broken", "def (:")
    first = modules_sha256(["mine_broken"])
    (folder / "mine_broken.py").write_text("from ..... import far")
    assert modules_sha256(["mine_broken"]) != first


@pytest.mark.parametrize("asked", ["mine_attack:Shift", "shift"])
def test_a_run_after_an_edit_computes_again(
    bench, mine: Path, module, tmp_path: Path, asked: str
) -> None:
    info = mine / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[art_bench.attacks]\nshift = mine_attack:Shift\n")

    def run() -> tuple[str, list[float], dict[str, str]]:
        as_in_a_new_process("mine_attack", "mine_helper", "mine_deeper")
        code, out = bench(
            "run",
            "--dataset",
            "digits",
            "--network",
            "lenet",
            "--attack",
            f"{asked}:eps=0.5",
            "--attack",
            "fgsm:eps=0.1",
            "--threat",
            "oblivious",
            "--samples",
            "20",
            "--out",
            "r",
        )
        assert code == 0, out
        table = read_results(tmp_path / "r")
        manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
        return out, list(table["accuracy"]), manifest["code"]

    _, first, code = run()
    assert list(code) == [f"attacks/{asked}"]
    out, again, _ = run()
    assert f"reused {len(first)} of {len(first)}" in out
    assert again == first
    (mine / "mine_deeper.py").write_text("SIGN = 0")
    out, edited, other = run()
    assert f"reused {len(first) // 2} of {len(first)}" in out
    assert edited != first
    assert other != code


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of this project: a study that imports a leaf in a function and names a row."""
    from estimators import source_code

    folder = tmp_path / "ours_studies"
    folder.mkdir()
    files = {
        "__init__": "",
        "study": "def compute():\n    from ours_studies import middle\n",
        "middle": "ROW = 'ours_studies.row:build'\nfrom ours_studies.leaf import LEAF\n",
        "leaf": "LEAF = 1\nimport ours_other\n",
        "row": "",
        "beside": "",
    }
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (tmp_path / "ours_other.py").write_text("")
    monkeypatch.setattr(source_code, "OURS", ("ours_studies", "ours_other"))
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


@pytest.mark.parametrize(
    ("file", "counts"),
    [("study", True), ("middle", True), ("leaf", True), ("row", True), ("beside", False)],
)
def test_code_of_this_project_counts_where_it_is_followed(
    package: Path, file: str, counts: bool
) -> None:
    def hashed(*follow: str) -> str:
        return modules_sha256(["ours_studies.study"], follow=follow)

    before, without = hashed("ours_studies"), hashed()
    with (package / f"{file}.py").open("a") as opened:
        opened.write("# changed\n")
    assert (hashed("ours_studies") != before) == counts
    assert hashed() == without


def test_what_is_not_followed_does_not_count(package: Path) -> None:
    follow = ("ours_studies.study", "ours_studies.middle")
    before = modules_sha256(["ours_studies.study"], follow)
    (package / "leaf.py").write_text("LEAF = 2\n")
    (package.parent / "ours_other.py").write_text("X = 1\n")
    assert modules_sha256(["ours_studies.study"], follow) == before
    (package / "middle.py").write_text("")
    assert modules_sha256(["ours_studies.study"], follow) != before

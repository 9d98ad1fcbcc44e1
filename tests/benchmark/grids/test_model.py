"""Grid files: what they expand to, and how they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.execution.plan import BARE, plan
from benchmark.grids.cell import Inputs
from benchmark.grids.model import Grid, grid_hash, load_grid, shipped_grids
from benchmark.grids.overrides import narrowed
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec

MINIMAL = "attacks: [{name: fgsm, eps: 0.1}]\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_grids_are_complete() -> None:
    assert shipped_grids() == ["full", "paper", "photos", "quick"]
    cells = load_grid("full").cells()
    assert {c.dataset for c in cells} == {"digits", "mnist", "cifar10"}
    assert {c.attack.name for c in cells} == {"fgsm", "fgm", "noise", "pgd", "cw", "apgd"}
    assert {c.threat for c in cells} == {"oblivious", "adaptive", "adaptive-diff"}
    for dataset, network in (
        ("digits", "lenet"),
        ("mnist", "lenet"),
        ("mnist", "resnet"),
        ("cifar10", "lenet"),
        ("cifar10", "cnn"),
    ):
        own = [c for c in cells if (c.dataset, str(c.network)) == (dataset, network)]
        own = [c for c in own if c.threat in ("oblivious", "adaptive")]
        for attack, sizes in (("fgsm", 11), ("fgm", 11), ("noise", 11), ("pgd", 5), ("cw", 1)):
            of = [c for c in own if c.attack.name == attack]
            assert len({c.attack for c in of}) == sizes
            assert len({c.defence for c in of}) == 13
            assert len(of) == sizes * 13 * 2
    assert len(cells) == 6266
    assert len({c.key(Inputs()) for c in cells}) == 6266


def test_defaults_lists_and_blocks(tmp_path: Path) -> None:
    grid = load_grid(
        written(
            tmp_path,
            """
        defences: [none, {name: jpeg, quality: [90, 10]}]
        samples: 30
        blocks:
          - attacks: [{name: fgsm, eps: [0, 0.1]}]
          - attacks: [cw]
            threats: [oblivious]
            samples: 10
    """,
        )
    )
    cells = grid.cells()
    assert grid.name == "own"
    assert len(cells) == 2 * 2 * 3 + 3
    assert {(c.attack.name, c.samples) for c in cells} == {("fgsm", 30), ("cw", 10)}
    assert {c.eps for c in cells} == {0.0, 0.1, None}


BAD = {
    "not yaml": ("a: [", "not YAML"),
    "no mapping": ("- 1", "expected a mapping, got list"),
    "unknown key": (MINIMAL + "atacks: 1", "key atacks: unknown; allowed: name, description"),
    "unknown block key": ("blocks: [{atacks: []}]", "unknown; allowed: datasets"),
    "unknown attack": ("attacks: [{name: fgs, eps: 1}]", "did you mean 'fgsm'"),
    "no eps": ("attacks: [fgsm]", "expected eps to be a number from 0 up, got None"),
    "negative eps": ("attacks: [{name: fgm, eps: -0.1}]", "expected eps to be a number from 0 up"),
    "text eps": ("attacks: [{name: fgm, eps: big}]", "got 'big'"),
    "infinite eps": ("attacks: [{name: fgm, eps: .inf}]", "got inf"),
    "eps of cw": ("attacks: [{name: cw, eps: 1}]", "unknown parameter of the attack cw 'eps'"),
    "unknown param": ("attacks: [{name: pgd, eps: 1, steps: 3}]", "'steps'"),
    "threat": (MINIMAL + "threats: [blind]", "unknown threat 'blind'"),
    "samples": (MINIMAL + "samples: some", "key samples"),
    "no attack": ("datasets: [digits]", "no cells"),
    "bad name": (MINIMAL + "name: ../../x", "key name"),
    "engine": (MINIMAL + "engine: warp", "key engine"),
    "dotted": ("attacks: [{name: os.system}]", "must begin with 'art.'"),
    "dotted unknown": ("attacks: [{name: art.attacks.evasion.Nope}]", "not found in ART"),
    "no name": ("attacks: [{eps: 1}]", "needs a `name`"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_grids_say_what_and_where(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    path = written(tmp_path, text)
    with pytest.raises(InputError) as raised:
        load_grid(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not YAML"):
        load_grid(written(tmp_path, "!!python/object/apply:os.system [true]"))


def test_unknown_grid() -> None:
    with pytest.raises(InputError, match="did you mean 'quick'"):
        load_grid("quik")
    with pytest.raises(InputError, match="cannot be read"):
        load_grid("nowhere.yaml")


def test_narrowing() -> None:
    full = load_grid("full")
    cells = narrowed(full, datasets=["mnist"], networks=[Spec("resnet")]).cells()
    assert {(c.dataset, c.network.name) for c in cells} == {("mnist", "resnet")}
    assert len(cells) == 1014
    only = narrowed(full, attacks=[Spec("cw")], threats=["adaptive"], samples=20, seed=4).cells()
    assert {(c.attack.name, c.threat, c.samples, c.seed) for c in only} == {
        ("cw", "adaptive", 20, 4)
    }


def test_narrowing_by_defence() -> None:
    quick = load_grid("quick")
    kept = narrowed(quick, defences=[Spec("jpeg")]).cells()
    assert {c.defence.name for c in kept} == {"jpeg"}
    assert len({c.defence for c in kept}) > 1  # the grid's own qualities
    chain = parse_spec("smoothing+jpeg:jpeg.quality=50")
    cells = narrowed(quick, defences=[Spec("none"), chain]).cells()
    assert {c.defence for c in cells} == {Spec("none"), chain}


def test_strangers_take_the_place_of_the_grids_own() -> None:
    quick = load_grid("quick")
    cells = narrowed(quick, datasets=["mnist"], attacks=[parse_spec("pgd:eps=0.3")]).cells()
    assert {c.dataset for c in cells} == {"mnist"}
    assert {c.attack for c in cells} == {Spec.of("pgd", eps=0.3)}


def test_stock_engine() -> None:
    attacks = [{"name": name, "eps": [0.1, 0.2]} for name in ("fgsm", "noise")]
    grid = Grid(name="g", attacks=attacks, engine="stock", threats=["oblivious"])
    assert {(c.attack.name, c.attack.get("engine")) for c in grid.cells()} == {
        ("fgsm", "stock"),
        ("noise", None),
    }
    # ART's class takes a gradient an eps
    assert [len(task.attacks) for task in plan(grid.cells())] == [1, 1, 2]


def test_hash_names_the_cells() -> None:
    quick = load_grid("quick")
    assert grid_hash(quick.cells()) == grid_hash(load_grid("quick").cells())
    assert grid_hash(quick.cells()) != grid_hash(narrowed(quick, samples=9).cells())


def test_plan_shares_work() -> None:
    tasks = plan(load_grid("quick").cells())
    assert sum(len(task.cells) for task in tasks) == 250
    fgsm = [t for t in tasks if t.attacks[0].name == "fgsm"]
    # one gradient for the bare network, which also serves the adaptive attacker without defence
    assert [t.sees for t in fgsm][:2] == [BARE, Spec("quantize")]
    assert len(fgsm) == 5
    assert all(len(t.attacks) == 7 for t in fgsm)
    bare = fgsm[0]
    assert len({cell.defence for cell in bare.cells}) == 5
    assert {c.threat for c in bare.cells if c.defence == BARE} == {"oblivious", "adaptive"}
    # no gradient, no threat: drawn once
    assert len([t for t in tasks if t.attacks[0].name == "noise"]) == 1
    # an iterative attack shares its images, not its gradient
    pgd = [t for t in tasks if t.attacks[0].name == "pgd"]
    assert all(len(t.attacks) == 1 for t in pgd)
    assert len(pgd) == 3 * 5


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("lenet", Spec("lenet")),
        ("lenet:extra_layers=2", Spec.of("lenet", extra_layers=2)),
        ("pgd:eps=0.1,norm=inf", Spec.of("pgd", eps=0.1, norm="inf")),
    ],
)
def test_specs_of_the_command_line(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec


def test_bad_spec_of_the_command_line() -> None:
    with pytest.raises(InputError, match="NAME:PARAMETER=VALUE"):
        parse_spec("pgd:0.1")


def test_spec_prints_and_hashes() -> None:
    spec = Spec.of("jpeg", quality=50)
    assert str(spec) == "jpeg[quality=50]"
    assert spec == Spec.of("jpeg", {"quality": 50})
    assert spec.without("quality") == Spec("jpeg")
    assert hash(Spec.of("cnn", dropout=[0.1, 0.2])) == hash(Spec.of("cnn", dropout=(0.1, 0.2)))

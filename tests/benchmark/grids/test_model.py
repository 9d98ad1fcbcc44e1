"""Grid files: what they expand to, and how they are refused."""

from __future__ import annotations

import hashlib
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
    assert shipped_grids() == ["corruptions", "full", "paper", "photos", "quick"]
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
    "grey levels": (
        "attacks: [{name: pgd, eps: 8}]",
        "expected eps to be at most 1 (pixels lie in [0, 1]), got 8; write 8/255 for 8 grey",
    ),
    "infinity": ("attacks: [{name: pgd, eps: 300}]", "expected eps to be at most 1"),
    "huge": ("attacks: [{name: fgm, eps: 1e300}]", "expected eps to be at most 1e+06"),
    "octal": ("attacks: [{name: fgsm, eps: 010}]", "010: some readers of YAML take it for octal"),
    "base 60": ("attacks: [{name: fgsm, eps: 1:30}]", "1:30: base 60 in YAML"),
    "nan": ("attacks: [{name: fgsm, eps: .nan}]", "got nan"),
    "boolean": ("attacks: [{name: fgsm, eps: yes}]", "got True"),
    "quoted": ("attacks: [{name: fgsm, eps: '8/255'}]", "got '8/255'"),
    "norm": ("attacks: [{name: pgd, eps: 0.1, norm: L1}]", "expected norm to be inf or 2, got 1"),
    "no norm": ("attacks: [{name: apgd, eps: 0.1, norm: x}]", "norm to be inf or 2 or 1, got 'x'"),
    "no steps": ("attacks: [{name: pgd, eps: 0.1, max_iter: 0}]", "an integer from 1 up, got 0"),
    "half a step": ("attacks: [{name: cw, max_iter: 1.5}]", "an integer from 1 up, got 1.5"),
    "target": ("attacks: [{name: cw, targeted: true, target: -1}]", "a class from 0 up, got -1"),
    "no samples": (MINIMAL + "samples: 0", "key samples: expected a number of at least 1, all,"),
    "seed": (MINIMAL + "seed: 0x1_0000_0000", "key seed"),
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


@pytest.mark.parametrize(
    ("text", "eps"),
    [
        ("8/255", 8 / 255),
        ("0.03137254901960784", 8 / 255),
        ("1e-2", 0.01),
        ("+.5", 0.5),
        ("1", 1.0),
        ("[0, 1/255, 1E-1]", None),
    ],
)
def test_every_form_of_a_number(tmp_path: Path, text: str, eps: float | None) -> None:
    """The same double makes the same cell, however it is written."""
    cells = load_grid(written(tmp_path, f"attacks: [{{name: fgsm, eps: {text}}}]")).cells()
    found = {cell.eps for cell in cells}
    assert found == ({0, 1 / 255, 0.1} if eps is None else {eps})
    if eps is not None:
        quick = load_grid("quick")
        (spec,) = {
            c.attack for c in narrowed(quick, attacks=[parse_spec(f"fgsm:eps={text}")]).cells()
        }
        (own,) = {cell.attack for cell in cells}
        assert own.canonical() == spec.canonical() == Spec.of("fgsm", eps=eps).canonical()


# of the cells of each included grid, in their order, without data and weights
KEYS = {"full": "702b7393992fc25e", "paper": "189a552b532e36ab", "quick": "92008fa10155cc2e"}
NORMS = {
    "inf": "inf",
    ".inf": "inf",
    "Linf": "inf",
    "linf": "inf",
    "np.inf": "inf",
    "2": 2,
    "2.0": 2,
    "'2'": 2,
    "L2": 2,
}


@pytest.mark.parametrize("text", NORMS)
def test_every_form_of_a_norm(tmp_path: Path, text: str) -> None:
    (attack,) = {
        cell.attack
        for cell in load_grid(
            written(tmp_path, f"attacks: [{{name: pgd, eps: 1/10, norm: {text}}}]")
        ).cells()
    }
    assert attack.canonical() == Spec.of("pgd", eps=0.1, norm=NORMS[text]).canonical()


def test_equal_numbers_are_one_cell(tmp_path: Path) -> None:
    text = """
        attacks: [{name: pgd, eps: 0.1, max_iter: [40, 40.0, 4e1]}]
        networks: [{name: lenet, extra_layers: [1, 1.0], mean: [1/2], std: [0.5]}]
        defences: [{name: tvm, norm: [2, 2.0]}, {name: jpeg, quality: [75, 75.0, 7.5e1]}]
        threats: [{name: adaptive-eot, k: [4, 4.0]}]
        samples: 1e2
    """
    cells = load_grid(written(tmp_path, text)).cells()
    assert len(cells) == 2
    assert {cell.samples for cell in cells} == {100}
    assert {str(cell.attack) for cell in cells} == {"pgd[eps=0.1,max_iter=40]"}
    assert {str(cell.defence) for cell in cells} == {"tvm[norm=2]", "jpeg[quality=75]"}
    assert {str(cell.network) for cell in cells} == {"lenet[extra_layers=1,mean=[0.5],std=[0.5]]"}
    api = Grid(name="g", attacks=[{"name": "cw", "max_iter": [9, 9.0]}], threats=["oblivious"])
    assert len(api.cells()) == 1


def test_the_cells_of_the_included_grids_keep_their_keys() -> None:
    """Otherwise every stored result would be computed again."""
    keys = {
        name: hashlib.sha256(
            "".join(cell.key(Inputs()) for cell in load_grid(name).cells()).encode()
        ).hexdigest()[:16]
        for name in ("full", "paper", "quick")
    }
    assert keys == KEYS


def test_narrowing_refuses_what_a_grid_refuses() -> None:
    for bad in ({"seed": -1}, {"seed": 2**32}, {"seed": 1.5}, {"samples": 0}):
        with pytest.raises(InputError, match=r"must be an integer from|a number of at least 1"):
            narrowed(load_grid("quick"), **bad)  # type: ignore[arg-type]


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

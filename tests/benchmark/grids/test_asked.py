"""Lists on the command line mean what they mean in a grid file."""

from __future__ import annotations

import pickle

import pytest

from benchmark.grids.asked import asked_entry
from benchmark.grids.expand import Entry, threats
from benchmark.grids.model import load_grid
from benchmark.grids.overrides import narrowed
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec

MEANS: dict[str, tuple[str, Entry]] = {
    "jpeg:quality=[75,50]": ("defences", {"name": "jpeg", "quality": [75, 50]}),
    "smoothing+jpeg:jpeg.quality=[75,50]": (
        "defences",
        {"name": "smoothing+jpeg", "jpeg.quality": [75, 50]},
    ),
    "fgsm:eps=[0.1,0.2],targeted=[true,false]": (
        "attacks",
        {"name": "fgsm", "eps": [0.1, 0.2], "targeted": [True, False]},
    ),
    "adaptive-eot:k=[4,16]": ("threats", {"name": "adaptive-eot", "k": [4, 16]}),
    "lenet:extra_layers=[0,4]": ("networks", {"name": "lenet", "extra_layers": [0, 4]}),
    "lenet:mean=[0.1,0.2],std=0.5": ("networks", {"name": "lenet", "mean": [0.1, 0.2], "std": 0.5}),
    "cnn:dropout=[0.1,0.2,0.2,0.3]": (
        "networks",
        {"name": "cnn", "dropout": [[0.1, 0.2, 0.2, 0.3]]},
    ),
    "my.nets:build:widths=[8,16],weights=[a.pt,b.pt]": (
        "networks",
        {"name": "my.nets:build", "weights": ["a.pt", "b.pt"], "widths": [[8, 16]]},
    ),
    "lenet": ("networks", "lenet"),
}


@pytest.mark.parametrize("text", MEANS)
def test_a_list_stands_for_several_values(text: str) -> None:
    key, entry = MEANS[text]
    assert asked_entry(key, parse_spec(text)) == entry


def test_the_command_line_gives_the_cells_of_the_grid_file() -> None:
    grid = load_grid("quick")
    asked = [parse_spec("jpeg:quality=[75,50]")]
    one_by_one = [parse_spec("jpeg:quality=75"), parse_spec("jpeg:quality=50")]
    cells = narrowed(grid, defences=asked).cells()
    assert cells == narrowed(grid, defences=one_by_one).cells()
    assert {cell.defence.get("quality") for cell in cells} == {75, 50}


def test_a_list_in_the_text_of_a_threat() -> None:
    assert threats(["adaptive-eot:k=[4,16]"]) == ["adaptive-eot[k=4]", "adaptive-eot[k=16]"]


def test_messages_show_lists_as_they_are_written(bench) -> None:
    for args in (
        ("--network", "lenet:mean=[0.1,0.2],std=[a,b]"),
        ("--network", "lenet:mean=[a]"),
        ("--attack", "apgd:eps=0.1,max_iter=[1,[2]]"),
        ("--attack", "pgd:eps=[0.1,x]"),
    ):
        code, out = bench("run", *args)
        assert code == 2
        assert len(out.strip().splitlines()) == 1
        assert not any(bracket in out for bracket in ("(0.1", "('a'", "(1,", "(0.1"))
    code, out = bench("train", "--dataset", "digits", "--network", "lenet:dropout=[0.1,0.2]")
    assert "(0.1, 0.2)" not in out


def test_a_list_in_a_spec_is_a_tuple_that_prints_as_a_list() -> None:
    spec = parse_spec("cnn:dropout=[0.1,0.2]")
    assert spec == Spec("cnn", (("dropout", (0.1, 0.2)),))
    assert hash(spec) == hash(Spec("cnn", (("dropout", (0.1, 0.2)),)))
    assert repr(spec.get("dropout")) == "[0.1, 0.2]"
    again = pickle.loads(pickle.dumps(spec))
    assert (again, again.canonical()) == (spec, '["cnn",{"dropout":[0.1,0.2]}]')
    with pytest.raises(InputError, match="must be a number, a text or a list"):
        parse_spec("cnn:dropout=[[0.1]]")

"""Short forms on the command line and in grid files, and grids from mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import load_grid, run_grid
from benchmark.grids.expand import entry_name, specs
from benchmark.grids.model import Grid
from benchmark.grids.short_form import read_entry
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("jpeg:75", "defences", "jpeg:quality=75"),
        ("jpeg:[75,50]", "defences", "jpeg:quality=[75,50]"),
        ("smoothing:5", "defences", "smoothing:window_size=5"),
        ("gaussian:0.2", "defences", "gaussian:sigma=0.2"),
        ("pgd:8/255", "attacks", "pgd:eps=8/255"),
        ("pgd:.1,max_iter=5", "attacks", "pgd:eps=0.1,max_iter=5"),
        ("fgsm:[0.1,0.2]", "attacks", "fgsm:eps=[0.1,0.2]"),
        ("corruption:frost:3", "attacks", "corruption:frost:severity=3"),
    ],
)
def test_a_bare_value_is_the_main_parameter(text: str, key: str, expected: str) -> None:
    assert read_entry(text, key) == parse_spec(expected)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("images:out/pgd.npz", "attacks"),
        ("images:2024.npz", "attacks"),
        ("images:2024/a.npz:eps=0.1", "attacks"),
        ("torchvision:resnet18", "networks"),
        ("fgsm[eps=0.1]", "attacks"),
        ("smoothing+jpeg:jpeg.quality=50", "defences"),
    ],
)
def test_other_texts_mean_what_they_meant(text: str, key: str) -> None:
    assert read_entry(text, key) == parse_spec(text)


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("none:3", "defences", "defence none: takes no parameter; write none"),
        ("tvm:1", "defences", "defence tvm: which parameter has this value. write tvm:prob=VALUE"),
        ("cw:3", "attacks", "attack cw: which parameter"),
        ("smoothing+jpeg:50", "defences", "write smoothing.jpeg:MEMBER.PARAMETER=VALUE"),
        ("jpg:75", "defences", "unknown defence 'jpg' .did you mean 'jpeg'"),
        ("fgsn:0.1", "attacks", "unknown attack 'fgsn' .did you mean 'fgsm'"),
        ("lenet:3", "networks", "expected NAME or NAME:PARAMETER=VALUE"),
        ("jpeg:75,50", "defences", "expected NAME or NAME:PARAMETER=VALUE"),
        ("jpeg:010", "defences", "the value of quality: 010"),
    ],
)
def test_a_bare_value_that_means_nothing_is_refused(text: str, key: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_entry(text, key)


def test_short_forms_in_a_grid_file(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    path.write_text("attacks: [fgsm:8/255, 'pgd:[0.1,0.2]']\ndefences: [none, 'jpeg:[75,50]']\n")
    long = {
        "attacks": [{"name": "fgsm", "eps": 8 / 255}, {"name": "pgd", "eps": [0.1, 0.2]}],
        "defences": ["none", {"name": "jpeg", "quality": [75, 50]}],
    }
    assert load_grid(path).cells() == load_grid(long).cells()
    assert specs(["jpeg:75"], "defences") == [Spec.of("jpeg", quality=75)]
    assert entry_name("jpeg:75") == "jpeg"


def test_short_forms_on_the_command_line(bench, tmp_path: Path) -> None:
    code, out = bench("run", "--attack", "fgsm:0.1", "--defence", "jpeg:75", "--samples", "5",
                      "--out", "r", "--threads", "1")  # fmt: skip
    assert code == 0, out
    code, out = bench("run", "--attack", "fgsm:0.1", "--defence", "none:3")
    assert code == 2 and out.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        ({"attacks": ["fgsm:0.1"]}, 2),
        ({"attacks": ({"name": "fgsm", "eps": "8/255"},), "threats": ("oblivious",)}, 1),
        ({"attacks": [{"name": "fgsm", "eps": np.linspace(0, 0.2, 3)}], "samples": np.int64(5)}, 6),
        ({"attacks": [{"name": "fgsm", "eps": (0.1, 0.2)}], "seed": np.uint8(3)}, 4),
        ({"name": "mine", "blocks": [{"attacks": ["cw"]}, {"attacks": ["deepfool"]}]}, 4),
    ],
)
def test_a_grid_from_a_mapping(content: dict[str, Any], cells: int) -> None:
    grid = load_grid(content)
    assert len(grid.cells()) == cells
    assert load_grid(grid) is grid
    assert grid.name == content.get("name", "grid")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "grid: no cells"),
        ({"attack": ["fgsm"]}, "grid: key attack: unknown; allowed: name"),
        ({"attacks": ["fgsm"]}, "grid: attack fgsm: expected eps"),
        ({"attacks": ["fgsm:0.1"], "samples": 0}, "grid: key samples"),
        ({"attacks": ["cw"], "networks": ["mine:build"]}, "allow_import=True"),
        (3, "grid: expected a name, a path, a mapping or a Grid, got int"),
        (None, "grid: expected a name, a path, a mapping or a Grid, got NoneType"),
        ("quik", "unknown grid 'quik' .did you mean 'quick'"),
    ],
)
def test_a_bad_grid_is_one_line(content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_grid(content)
    assert "\n" not in str(caught.value)


def test_run_grid_takes_every_form(tmp_path: Path) -> None:
    content = {"attacks": ["fgsm:0.1"], "threats": ["oblivious"], "samples": 5}
    path = tmp_path / "mine.yaml"
    path.write_text("attacks: [fgsm:0.1]\nthreats: [oblivious]\nsamples: 5\n")
    options: dict[str, Any] = {"threads": 1, "progress": False}
    forms = [content, path, str(path), Grid(name="g", **content)]
    tables = [run_grid(form, out=tmp_path / str(n), **options) for n, form in enumerate(forms)]
    assert all(table.equals(tables[0]) for table in tables)
    assert len(tables[0]) == 1

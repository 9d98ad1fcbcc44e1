"""Corruptions as attacks: names, parameters, and what a run makes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benchmark.api.grid import run_grid
from benchmark.attacks.corruptions.kinds import COMMON, KINDS
from benchmark.attacks.lookup import (
    all_params,
    attack_entry,
    attack_norm,
    check_attack,
    expected_passes,
    is_ours,
)
from benchmark.attacks.steps.craft import craft
from benchmark.attacks.steps.trial import check_built
from benchmark.execution.plan import plan
from benchmark.execution.plugin_code import plugin_code
from benchmark.grids.model import Grid, load_grid
from benchmark.grids.overrides import narrowed
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec
from reports.corruptions.alexnet import ALEXNET


def classifier(shape: tuple[int, int, int]) -> Classifier:
    size = int(np.prod(shape))
    return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(size, 3)), shape, 3)


def fog(**params: object) -> Spec:
    return check_attack(Spec.of("corruption:fog", params))


def test_each_kind_has_a_row() -> None:
    for kind in KINDS:
        entry = attack_entry(Spec(f"corruption:{kind}"))
        assert entry.ignores_model and not entry.uses_gradient and not entry.bounded
        assert entry.label == KINDS[kind].label and entry.summary
        assert callable(entry.load())
    assert is_ours(Spec("corruption:fog"))
    assert attack_norm(Spec("corruption:fog")) == "none"
    assert 0 < expected_passes(fog(), 10) < 10
    assert len(KINDS) == 19 and tuple(ALEXNET) == COMMON


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("corruption:fgo", "unknown corruption 'fgo'.*did you mean 'fog'"),
        ("corruption:fog:severity=6", "expected severity to be 1 or 2 or 3 or 4 or 5, got 6"),
        ("corruption:fog:severity=true", "expected severity to be 1 or 2"),
        ("corruption:fog:severity=2.5", "expected severity to be 1 or 2"),
        ("corruption:fog:eps=0.1", "unknown parameter .* 'eps'"),
    ],
)
def test_bad_names_are_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_attack(parse_spec(text))
    assert "\n" not in str(caught.value)


def test_images_need_one_or_three_channels() -> None:
    with pytest.raises(InputError, match="1 or 3 channels, got 2"):
        check_built([fog()], (2, 8, 8), 3)


@pytest.mark.parametrize(
    "text", ["corruption:fog:severity=[2,4]", "corruption:fog[severity=[2,4]]"]
)
def test_a_list_of_severities_is_several_attacks(text: str) -> None:
    written = [Spec.of("corruption:fog", severity=severity) for severity in (2, 4)]
    grid = narrowed(load_grid("quick"), attacks=[parse_spec(text)])
    assert list(dict.fromkeys(cell.attack for cell in grid.cells())) == written


def test_grid_files_name_corruptions_in_both_forms(tmp_path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "attacks: ['corruption:fog[severity=2]', {name: 'corruption:snow', severity: [1, 5]},"
        " 'corruption:contrast']\n"
    )
    names = [str(cell.attack) for cell in load_grid(file).cells()]
    assert list(dict.fromkeys(names)) == [
        "corruption:fog[severity=2]",
        "corruption:snow[severity=1]",
        "corruption:snow[severity=5]",
        "corruption:contrast",
    ]


def test_the_shipped_grid_is_the_mean_without_frost() -> None:
    cells = load_grid("corruptions").cells()
    kinds = {cell.attack.name.partition(":")[2] for cell in cells}
    assert kinds == set(COMMON) - {"frost"}
    assert len(cells) == 14 * 5


def test_the_middle_severity_is_the_default() -> None:
    assert all_params(fog()) == '{"severity":3}'
    model, x = classifier((1, 28, 28)), np.full((2, 1, 28, 28), 0.5, dtype=np.float32)
    out = [
        next(craft([spec], model, x, np.zeros(2, np.int64), np.arange(2), 0))[1].images
        for spec in (fog(), fog(severity=3), fog(severity=4))
    ]
    assert torch.equal(out[0], out[1]) and not torch.equal(out[0], out[2])


@pytest.mark.parametrize("kind", ["gaussian_noise", "snow", "fog", "elastic_transform", "spatter"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_the_same_image_in_any_chunk(kind: str, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    model, y = classifier(shape), np.zeros(6, np.int64)
    x = rng.random((6, *shape), dtype=np.float32)
    ids = np.array([7, 3, 900, 12, 0, 5])
    spec = check_attack(Spec.of(f"corruption:{kind}", severity=2))

    def images(order: list[int], seed: int = 4) -> np.ndarray:
        ((_, crafted),) = craft([spec], model, x[order], y[order], ids[order], seed)
        assert crafted.passes == (0, 0) and not crafted.zero_gradient.any()
        return crafted.images.numpy()

    whole = images([0, 1, 2, 3, 4, 5])
    assert whole.dtype == np.float32 and whole.min() >= 0 and whole.max() <= 1
    # bytes, as the images of the benchmark
    np.testing.assert_allclose(whole * 255, np.rint(whole * 255), atol=1e-4)
    np.testing.assert_array_equal(images([4, 2]), whole[[4, 2]])
    assert (images([0], seed=5) != whole[:1]).any()


def test_kinds_have_random_numbers_of_their_own() -> None:
    model, y = classifier((1, 28, 28)), np.zeros(1, np.int64)
    x = np.full((1, 1, 28, 28), 128 / 255, dtype=np.float32)
    noise = []
    for name in ("gaussian_noise", "speckle_noise"):
        spec = check_attack(Spec.of(f"corruption:{name}", severity=5))
        ((_, crafted),) = craft([spec], model, x, y, np.arange(1), 0)
        noise.append((crafted.images.numpy() - x).ravel())
    assert abs(np.corrcoef(noise)[0, 1]) < 0.2


def test_all_threats_and_defences_share_the_images() -> None:
    grid = Grid.model_validate(
        {
            "name": "g",
            "attacks": ["corruption:fog"],
            "threats": ["oblivious", "adaptive", "adaptive-diff"],
            "defences": ["none", {"name": "jpeg", "quality": 50}],
        }
    )
    cells = grid.cells()
    assert len(plan(cells)) == 1 and len(cells) == 6
    assert plugin_code(cells[0]) == {}


def test_a_run_reports_errors(tmp_path) -> None:
    """From the grid to `corruptions.csv`, the page and the plot."""
    grid = Grid.model_validate(
        {
            "name": "g",
            "threats": ["oblivious"],
            "samples": 40,
            "attacks": [
                {"name": "corruption:contrast", "severity": [1, 2, 3, 4, 5]},
                {"name": "corruption:pixelate", "severity": [1, 5]},
                {"name": "fgsm", "eps": 0.1},
            ],
        }
    )
    table = run_grid(grid, out=tmp_path / "run")
    assert (table["status"] == "ok").all()
    corrupted = table[table["attack"].str.startswith("corruption:")]
    assert set(corrupted["norm"]) == {"none"} and corrupted["eps"].isna().all()
    assert (corrupted[["gradients", "forwards", "over_budget"]] == 0).all(axis=None)
    assert corrupted["zero_gradient"].isna().all()
    errors = pd.read_csv(tmp_path / "run" / "corruptions.csv").set_index("kind")
    contrast = corrupted[corrupted["attack"].str.startswith("corruption:contrast")]
    assert errors.loc["contrast", "error"] == pytest.approx(1 - contrast["accuracy"].mean())
    assert errors.loc["mean", "error"] == errors.loc["contrast", "error"]
    assert errors.loc["mean", "kinds"] == 1 and errors.loc["pixelate", "severities"] == "1 5"
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert 'href="#corruptions"' in page and "1 of 15 kinds" in page
    assert (tmp_path / "run" / "plots" / "corruptions-digits.png").is_file()
